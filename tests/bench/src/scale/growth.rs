//! The cost of an event as something grows: paired cycles over all that is compared, a line for each server and work.

use std::{fmt::Write, io, rc::Rc};

use super::Outcome;
use crate::{
    client::Flock,
    measure::{Measured, measure},
    plot::{Axis, Line, Plot, number},
    process::Process,
    random::Random,
    statistics::Spread,
    work::Server,
};

/// A server, and its clients at one size of what grows.
pub(super) struct Subject {
    pub server: Server,
    pub size: usize,
    pub process: Rc<Process>,
    pub flock: Flock,
}

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub title: &'static str,
    pub event: &'static str,
    pub lanes: usize,
    pub operations: fn(size: usize) -> usize,
    /// Whether all is in one session, so that its count tells what was lost.
    pub counts: bool,
}

/// All measurements of one server's work at one size.
pub(super) struct Point {
    pub server: Server,
    pub job: Job,
    pub size: usize,
    pub cycles: Vec<Measured>,
}

impl Subject {
    pub(super) async fn at(server: Server, size: usize, process: &Rc<Process>) -> io::Result<Self> {
        Ok(Self { server, size, process: Rc::clone(process), flock: Flock::at(process.port()?).await? })
    }

    pub(super) async fn measure(&mut self, job: Job) -> io::Result<Measured> {
        let counts = job.counts && self.server.counts();
        let before = if counts { self.flock.count().await? } else { 0 };
        let operations = (job.operations)(self.size);
        let flock = &mut self.flock;
        let work = async || flock.run(job.event, operations, job.lanes).await;
        let measured = measure(&self.process, work).await?;
        if measured.errors > 0 {
            eprintln!("{} errors of {}, {}, {}", measured.errors, self.server.name(), job.title, self.size);
        }
        Ok(if counts { measured.counted(before, self.flock.count().await?) } else { measured })
    }
}

/// Every job of every subject in every cycle, in random order; the first cycle warms up and does not count.
pub(super) async fn paired(subjects: &mut [Subject], jobs: &[Job], cycles: usize) -> io::Result<Vec<Point>> {
    let mut points = Vec::new();
    for subject in subjects.iter() {
        let Subject { server, size, .. } = *subject;
        points.extend(jobs.iter().map(|job| Point { server, job: *job, size, cycles: Vec::new() }));
    }
    let mut random = Random::seeded();
    for cycle in 0..=cycles {
        for at in random.order(points.len()) {
            let point = &mut points[at];
            let measured = subjects[at / jobs.len()].measure(point.job).await?;
            if cycle > 0 {
                point.cycles.push(measured);
            }
        }
        eprintln!("  cycle {cycle} of {cycles}");
    }
    Ok(points)
}

/// How the sizes are called, and how the plot is drawn.
pub(super) struct Look {
    pub title: &'static str,
    pub x: &'static str,
    pub name: fn(size: usize) -> String,
    pub logarithmic: bool,
}

pub(super) fn outcome(look: &Look, points: &[Point]) -> Outcome {
    let mut sizes: Vec<_> = points.iter().map(|point| point.size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut table = format!("| us of CPU an event, {} |", look.x);
    for size in &sizes {
        write!(table, " {} |", (look.name)(*size)).ok();
    }
    write!(table, " last / first |\n| --- |{}\n", " ---: |".repeat(sizes.len() + 1)).ok();
    let mut jobs: Vec<_> = Vec::new();
    let mut lines = Vec::new();
    for (server, job) in of_lines(points) {
        if !jobs.contains(&job.title) {
            jobs.push(job.title);
        }
        let point = |size: &usize| {
            let is = |point: &&Point| point.server == server && point.job.title == job.title;
            points.iter().filter(is).find(|point| point.size == *size)
        };
        let costs: Vec<_> = sizes.iter().filter_map(|size| Some((*size, cost(point(size)?)))).collect();
        write!(table, "| {}, {} |", server.title(), job.title).ok();
        for size in &sizes {
            write!(table, " {} |", point(size).map(cell).unwrap_or_default()).ok();
        }
        let growth = costs.last().zip(costs.first()).map_or(f64::NAN, |(last, first)| last.1 / first.1);
        writeln!(table, " {growth:.2} |").ok();
        lines.push(Line {
            title: format!("{}, {}", server.title().replace('`', ""), job.title),
            colour: colour(server),
            dashes: jobs.iter().position(|title| *title == job.title).unwrap_or(0),
            points: costs.into_iter().map(|(size, cost)| (size as f64, cost)).collect(),
        });
    }
    let costs = lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let y = Axis::spanning("us of CPU an event", look.logarithmic, costs);
    let ticks = sizes.iter().map(|size| (*size as f64, (look.name)(*size))).collect();
    let x = Axis { label: look.x.to_owned(), ticks, logarithmic: true };
    Outcome { table, plot: Plot { title: look.title.to_owned(), x, y, lines } }
}

pub(super) fn in_figures(size: usize) -> String {
    number(size as f64)
}

/// Servers are told apart by it in all plots.
pub(super) fn colour(server: Server) -> usize {
    match server {
        Server::ByHand => 1,
        Server::Memory => 2,
        _ => 0,
    }
}

fn of_lines(points: &[Point]) -> Vec<(Server, Job)> {
    let mut lines: Vec<(Server, Job)> = Vec::new();
    for point in points {
        if !lines.iter().any(|(server, job)| *server == point.server && job.title == point.job.title) {
            lines.push((point.server, point.job));
        }
    }
    lines
}

fn cost(point: &Point) -> f64 {
    Spread::of(point.cycles.iter().map(|measured| measured.cpu)).median
}

fn cell(point: &Point) -> String {
    let lost: u64 = point.cycles.iter().map(|measured| measured.lost).sum();
    let done: usize = point.cycles.iter().map(|measured| measured.done).sum();
    let mut text = format!("{:.1}", cost(point));
    if lost > 0 {
        write!(text, " ({:.0} % lost)", 100.0 * lost as f64 / done as f64).ok();
    }
    text
}
