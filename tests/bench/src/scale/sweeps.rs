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
const FEW: usize = 1000;
const SOCKETS: usize = 32;

/// `MemoryBackend` sweeps all of them in so many seconds.
const ROUND: usize = 64;

/// What the sessions that expire live for: as long as whoever begins a hundred thousand of them takes, and a round.
const LIFE: Duration = Duration::from_secs(90);

/// Some seconds of one server.
struct Watched {
    title: &'static str,
    colour: usize,
    dashes: usize,
    seconds: Vec<Measured>,
}

pub(super) async fn run(options: &Options, pinned: Pinned) -> io::Result<Outcome> {
    let sessions = options.largest(SESSIONS).max(FEW);
    let (round, life) = if options.small { (2, Duration::from_secs(5)) } else { (ROUND + 2, LIFE) };
    let mut watched = Vec::new();

    for (server, title, colour) in [(Server::None, "no session", 0), (Server::Memory, "1,000 sessions", 1)] {
        let mut few = with_sessions(server, FEW, SOCKETS, pinned).await?;
        watched.push(Watched { title, colour, dashes: 0, seconds: watch(&mut few, round).await? });
    }

    let mut many = with_sessions(Server::Memory, sessions - sessions / 10, SOCKETS, pinned).await?;
    let fill = format!("/fill/{}/begin/{}/{}", sessions / 10, Size::Small, life.as_secs());
    let began = Instant::now();
    many.flock.post(&fill).await?;
    let left = life.saturating_sub(began.elapsed());
    // Up to the moment when the first of them expires.
    let quiet = usize::try_from(left.as_secs()).unwrap_or(round).min(round);
    let title = "a million sessions";
    watched.push(Watched { title, colour: 2, dashes: 0, seconds: watch(&mut many, quiet).await? });
    tokio::time::sleep(life.saturating_sub(began.elapsed())).await;
    let title = "a million sessions, a tenth of which expires";
    watched.push(Watched { title, colour: 2, dashes: 1, seconds: watch(&mut many, round).await? });
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

/// The longest wait of each second, which has four sweeps.
fn plot(watched: &[Watched]) -> Plot {
    let line = |watched: &Watched| {
        let seconds = watched.seconds.iter().enumerate();
        let points = seconds.map(|(at, second)| (at as f64, second.longest / 1000.0)).collect();
        let Watched { colour, dashes, .. } = *watched;
        Line { title: watched.title.to_owned(), colour, dashes, points }
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
