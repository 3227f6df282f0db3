//! Memory, as the system gives it to the server's process (`RssAnon`): of idle sessions beside their states, and of
//! sockets beside those of a server without sessions.

use std::{env, fmt::Write, hint::black_box, io, process::Command, rc::Rc};

use super::{
    Options, Outcome,
    growth::{Subject, colour, in_figures},
    sockets,
};
use crate::{
    broken,
    plot::{Axis, Line, Plot, number as figures},
    process::{Pinned, Process, memory_of},
    state::{Size, State},
    work::Server,
};

/// Over one doubling, within which a table that grows is as full and as empty as it can be.
const SESSIONS: [usize; 5] = [100_000, 119_000, 141_000, 168_000, 200_000];

pub(super) async fn run(options: &Options, pinned: Pinned) -> io::Result<Outcome> {
    let state = of_a_state(options.largest(SESSIONS[4]))?;
    let mut lines = Vec::new();
    for server in [Server::ByHand, Server::Memory] {
        eprintln!("  sessions of {}", server.name());
        let points = of_sessions(server, options, pinned).await?;
        let points = points.into_iter().map(|(number, bytes)| (number as f64, bytes - state)).collect();
        lines.push(Line {
            title: server.title().replace('`', ""),
            colour: colour(server),
            dashes: 0,
            points,
        });
    }
    let number = options.largest(sockets::LARGEST);
    let mut sockets = Vec::new();
    for server in [Server::None, Server::Control, Server::ByHand, Server::Memory] {
        eprintln!("  sockets of {}", server.name());
        sockets.push((server, of_sockets(server, number, pinned).await?));
    }
    let table = format!("{}\n{}", table_of_sessions(state, &lines), table_of_sockets(number, &sockets));
    Ok(Outcome { table, plot: plot(lines) })
}

/// Bytes per session, at each number of them.
async fn of_sessions(server: Server, options: &Options, pinned: Pinned) -> io::Result<Vec<(usize, f64)>> {
    let process = Rc::new(Process::serve(&[server.name(), ""], pinned)?);
    let mut flock = Subject::at(server, 0, &process).await?.flock;
    // What a server needs once is there.
    flock.begin(Size::Small, 10).await?;
    let before = process.memory()?;
    let (mut points, mut there) = (Vec::new(), 0);
    for number in SESSIONS.map(|number| options.largest(number)) {
        flock.post(&format!("/fill/{}/begin/{}", number - there, Size::Small)).await?;
        there = number;
        points.push((number, per(&process, before, number)?));
    }
    Ok(points)
}

/// Bytes per socket of sessions that are there before: once it is connected, and once it has sent an event.
async fn of_sockets(server: Server, number: usize, pinned: Pinned) -> io::Result<[f64; 2]> {
    let process = Rc::new(Process::serve(&[server.name(), ""], pinned)?);
    let mut flock = Subject::at(server, 0, &process).await?.flock;
    let cookies = flock.begin(Size::Small, number).await?;
    let before = process.memory()?;
    flock.connect(&cookies).await?;
    let connected = per(&process, before, number)?;
    flock.run("read", number, 10).await?;
    Ok([connected, per(&process, before, number)?])
}

fn per(process: &Process, before: u64, number: usize) -> io::Result<f64> {
    Ok(process.memory()?.saturating_sub(before) as f64 / number as f64)
}

/// Bytes of a state alone: in a process of its own, for here memory that was given back would be used again.
fn of_a_state(number: usize) -> io::Result<f64> {
    let output = Command::new(env::current_exe()?).args(["states", &number.to_string()]).output()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| broken("states could not be measured"))
}

/// Prints how many bytes a state takes, each in a box of its own.
pub(crate) fn states(number: usize) -> io::Result<()> {
    let mut states: Vec<Box<State>> = Vec::with_capacity(number);
    states.resize_with(number, Box::default);
    states.clear();
    let before = memory_of(std::process::id())?;
    states.extend((0..number).map(|_| Box::new(State::of(Size::Small))));
    let memory = memory_of(std::process::id())?.saturating_sub(before);
    println!("{}", memory as f64 / black_box(&states).len() as f64);
    Ok(())
}

fn table_of_sessions(state: f64, lines: &[Line]) -> String {
    let mut text = format!(
        "| bytes of an idle session beside its state ({state:.0} bytes) | least | most |\n| --- | ---: | ---: |\n"
    );
    for Line { title, points, .. } in lines {
        let least = points.iter().map(|point| point.1).fold(f64::NAN, f64::min);
        let most = points.iter().map(|point| point.1).fold(f64::NAN, f64::max);
        writeln!(text, "| {title} | {least:.0} | {most:.0} |").ok();
    }
    text
}

fn table_of_sockets(number: usize, sockets: &[(Server, [f64; 2])]) -> String {
    let floor = sockets.first().map_or([f64::NAN; 2], |(_, bytes)| *bytes);
    let mut text = format!(
        "| bytes per socket, of {} | connected | beside the socket | after an event | beside the socket |\n\
         | --- | ---: | ---: | ---: | ---: |\n",
        in_figures(number)
    );
    for (server, [connected, used]) in sockets {
        let more = [connected - floor[0], used - floor[1]];
        writeln!(
            text,
            "| {} | {connected:.0} | {:+.0} | {used:.0} | {:+.0} |",
            server.title(),
            more[0],
            more[1]
        )
        .ok();
    }
    text
}

fn plot(lines: Vec<Line>) -> Plot {
    let ticks = lines.first().map(|line| line.points.iter().map(|(x, _)| (*x, figures(*x))).collect());
    let points = || lines.iter().flat_map(|line| &line.points);
    Plot {
        title: "Memory of an idle session beside its state".to_owned(),
        x: Axis { label: "sessions".to_owned(), ticks: ticks.unwrap_or_default(), logarithmic: true },
        y: Axis::spanning("bytes", false, points().map(|point| point.1)),
        lines,
    }
}
