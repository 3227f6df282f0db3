//! Expiry at work: events of 32 sockets, second by second, while a million sessions are swept, and while a tenth of
//! them expires.

use std::{
    fmt::Write,
    io,
    time::{Duration, Instant},
};

use super::{Options, Outcome, growth::Subject, sessions::with_sessions};
use crate::{
    client::Tally,
    measure::{Measured, measure},
    plot::{Axis, Line, Plot},
    process::Pinned,
    state::Size,
    statistics::Spread,
    work::Server,
};

const SESSIONS: usize = 1_000_000;
const SOCKETS: usize = 32;

/// `MemoryBackend` sweeps a part of them each second, and all of them in 64.
const ROUND: usize = 64;

/// What the sessions that expire live for, once the last of them has begun, at least; whoever begins a hundred
/// thousand of them takes less.
const LIFE: Duration = Duration::from_secs(20);

/// Some seconds of one server.
struct Watched {
    title: &'static str,
    colour: usize,
    seconds: Vec<Measured>,
}

pub(super) async fn run(options: &Options, pinned: Pinned) -> io::Result<Outcome> {
    let sessions = options.largest(SESSIONS).max(1000);
    let (short, long) = if options.small { (2, 3) } else { (20, ROUND + 6) };
    let mut watched = Vec::new();

    let mut few = with_sessions(Server::Memory, 1000, SOCKETS, pinned).await?;
    watched.push(Watched { title: "1,000 sessions", colour: 0, seconds: watch(&mut few, short).await? });

    let mut many = with_sessions(Server::Memory, sessions - sessions / 10, SOCKETS, pinned).await?;
    let fill = format!("/fill/{}/begin/{}/{}", sessions / 10, Size::Small, LIFE.as_secs());
    let began = Instant::now();
    many.flock.post(&fill).await?;
    let title = "a million sessions";
    let left = LIFE.saturating_sub(began.elapsed());
    // Up to the moment when the first of them expires.
    let quiet = usize::try_from(left.as_secs()).unwrap_or(short).min(short);
    watched.push(Watched { title, colour: 1, seconds: watch(&mut many, quiet).await? });
    tokio::time::sleep(LIFE.saturating_sub(began.elapsed())).await;
    let title = "a million sessions, a tenth of which expires";
    watched.push(Watched { title, colour: 2, seconds: watch(&mut many, long).await? });
    Ok(Outcome { table: table(&watched), plot: plot(&watched) })
}

async fn watch(subject: &mut Subject, seconds: usize) -> io::Result<Vec<Measured>> {
    let mut measured = Vec::new();
    for _ in 0..seconds {
        let flock = &mut subject.flock;
        let second = async || {
            let (began, mut tally) = (Instant::now(), Tally::default());
            while began.elapsed() < Duration::from_secs(1) {
                tally.add(&flock.run("write", 2000, SOCKETS).await?);
            }
            Ok(tally)
        };
        measured.push(measure(&subject.process, second).await?);
    }
    eprintln!("  {seconds} seconds watched");
    Ok(measured)
}

fn table(watched: &[Watched]) -> String {
    let mut text =
        "| writes, 32 in flight | seconds | us of CPU an event | p50, us | p99, us | the longest of a \
                    second: median, us | of all, us | errors |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for Watched { title, seconds, .. } in watched {
        let spread = |value: fn(&Measured) -> f64| Spread::of(seconds.iter().map(value)).median;
        let longest = seconds.iter().map(|second| second.longest).fold(f64::NAN, f64::max);
        let errors: usize = seconds.iter().map(|second| second.errors).sum();
        writeln!(
            text,
            "| {title} | {} | {:.1} | {:.0} | {:.0} | {:.0} | {longest:.0} | {errors} |",
            seconds.len(),
            spread(|second| second.cpu),
            spread(|second| second.p50),
            spread(|second| second.p99),
            spread(|second| second.longest),
        )
        .ok();
    }
    text
}

/// The longest wait of each second, which has one sweep.
fn plot(watched: &[Watched]) -> Plot {
    let line = |watched: &Watched| {
        let seconds = watched.seconds.iter().enumerate();
        let points = seconds.map(|(at, second)| (at as f64, second.longest / 1000.0)).collect();
        Line { title: watched.title.to_owned(), colour: watched.colour, dashes: 0, points }
    };
    let lines: Vec<_> = watched.iter().map(line).collect();
    let points = || lines.iter().flat_map(|line| &line.points);
    Plot {
        title: "The longest wait for an event's answer in each second".to_owned(),
        x: Axis::spanning("seconds", false, points().map(|point| point.0)),
        y: Axis::spanning("ms", false, points().map(|point| point.1)),
        lines,
    }
}
