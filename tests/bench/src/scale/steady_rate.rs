//! How long an answer takes where events come at a steady rate that leaves the server time: of 32 sockets, each with a session
//! of its own.

use std::{fmt::Write, io};

use super::{
    Options, Outcome,
    growth::{Subject, colour, in_figures},
    sessions::with_sessions,
};
use crate::{
    measure::{Measured, measure},
    plot::{Axis, Line, Plot},
    process::Pinned,
    random::Random,
    statistics::Spread,
    work::Server,
};

const SOCKETS: usize = 32;

/// Events a second.
const RATES: [usize; 3] = [10_000, 30_000, 60_000];

const EVENTS: [&str; 2] = ["read", "write"];

/// A measurement takes this part of a second, for a machine stops a program for milliseconds now and then: in most of them it
/// does not. So there are more of them.
const PART: usize = 10;
const TIMES_THE_CYCLES: usize = 5;

/// What one server answered to one event at one rate.
struct Point {
    subject: usize,
    event: usize,
    rate: usize,
    cycles: Vec<Measured>,
}

pub(super) async fn run(options: &Options, pinned: Pinned) -> io::Result<Outcome> {
    let mut subjects = Vec::new();
    for server in [Server::None, Server::Control, Server::ByHand, Server::Memory] {
        subjects.push(with_sessions(server, SOCKETS, SOCKETS, pinned).await?);
    }
    let mut points = Vec::new();
    for subject in 0..subjects.len() {
        for event in 0..EVENTS.len() {
            points.extend(RATES.map(|rate| Point { subject, event, rate, cycles: Vec::new() }));
        }
    }
    let mut random = Random::seeded();
    let cycles = TIMES_THE_CYCLES * options.cycles;
    for cycle in 0..=cycles {
        for at in random.order(points.len()) {
            let point = &mut points[at];
            let Subject { process, flock, .. } = &mut subjects[point.subject];
            let work = async || flock.run_at(EVENTS[point.event], point.rate, point.rate / PART).await;
            let measured = measure(process, work).await?;
            if cycle > 0 {
                point.cycles.push(measured);
            }
        }
        eprintln!("  cycle {cycle} of {cycles}");
    }
    Ok(Outcome { table: table(&subjects, &points), plot: plot(&subjects, &points) })
}

fn median(point: &Point, value: fn(&Measured) -> f64) -> f64 {
    Spread::of(point.cycles.iter().map(value)).median
}

fn title(subjects: &[Subject], point: &Point) -> String {
    format!("{}, {}s", subjects[point.subject].server.title(), EVENTS[point.event])
}

/// The points of each line of the table and of the plot.
fn lines(points: &[Point]) -> impl Iterator<Item = &[Point]> {
    points.chunks(RATES.len())
}

fn table(subjects: &[Subject], points: &[Point]) -> String {
    let mut text = "| us to the answer, p50 / p99, events a second |".to_owned();
    for rate in RATES {
        write!(text, " {} |", in_figures(rate)).ok();
    }
    writeln!(text, "\n| --- |{}", " ---: |".repeat(RATES.len())).ok();
    for line in lines(points) {
        write!(text, "| {} |", title(subjects, &line[0])).ok();
        for point in line {
            write!(text, " {:.0} / {:.0} |", median(point, |one| one.p50), median(point, |one| one.p99)).ok();
        }
        text.push('\n');
    }
    text
}

fn plot(subjects: &[Subject], points: &[Point]) -> Plot {
    let lines: Vec<_> = lines(points)
        .map(|line| Line {
            title: title(subjects, &line[0]).replace('`', ""),
            colour: colour(subjects[line[0].subject].server),
            dashes: line[0].event,
            points: line.iter().map(|point| (point.rate as f64, median(point, |one| one.p99))).collect(),
        })
        .collect();
    let ticks = RATES.map(|rate| (rate as f64, in_figures(rate))).into();
    Plot {
        title: "99 of 100 events are answered within".to_owned(),
        x: Axis { label: "events a second".to_owned(), ticks, logarithmic: false },
        y: Axis::spanning("us", false, lines.iter().flat_map(|line| line.points.iter().map(|point| point.1))),
        lines,
    }
}
