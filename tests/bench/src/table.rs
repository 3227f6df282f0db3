//! The results as tables in Markdown.

use std::fmt::Write;

use crate::{measure::Measured, side_by_side::Row, state::Size, statistics::Spread, work::Server};

/// Of one server: processor time first, then what clients see.
type Cell = fn(&Row, Server, At) -> String;

/// Where a server's measurements are in a cycle, and those of the one that it is compared with.
#[derive(Clone, Copy)]
struct At {
    server: usize,
    floor: usize,
}

pub(crate) fn side_by_side(servers: &[Server], rows: &[Row]) -> String {
    format!(
        "Server CPU per operation: the median of the cycles, in brackets the middle half of them. Ratios and\n\
         differences are to the server without a session (Node's to Node's) in the same cycle. What Redis or\n\
         PostgreSQL used itself is beside it.\n\n{}\
         Latency in us, p50 / p99: medians of the cycles. Errors and lost updates: of all cycles.\n\n{}",
        tables(servers, rows, cpu),
        tables(servers, rows, latency),
    )
}

/// A table for each work: a line for each server, a column for each size.
fn tables(servers: &[Server], rows: &[Row], cell: Cell) -> String {
    let place = |wanted| servers.iter().position(|server| *server == wanted).unwrap_or(0);
    let mut text = String::new();
    for rows in rows.chunk_by(|one, next| one.work == next.work) {
        write!(text, "| {}", rows[0].work.title()).ok();
        for row in rows {
            write!(text, " | {}", Size::ALL[row.size].title()).ok();
        }
        writeln!(text, " |\n| ---{} |", " | ---".repeat(rows.len())).ok();
        for server in servers {
            let at = At { server: place(*server), floor: place(server.floor()) };
            let cells: Vec<_> = rows.iter().map(|row| cell(row, *server, at)).collect();
            writeln!(text, "| {} | {} |", server.title(), cells.join(" | ")).ok();
        }
        text.push('\n');
    }
    text
}

fn cpu(row: &Row, server: Server, At { server: at, floor }: At) -> String {
    let spread = |value: &dyn Fn(&[Measured]) -> f64| Spread::of(row.cycles.iter().map(|cycle| value(cycle)));
    let time = spread(&|cycle| cycle[at].cpu);
    if server == server.floor() {
        return format!("{:.1} us [{:.1}, {:.1}]", time.median, time.low, time.high);
    }
    let ratio = spread(&|cycle| cycle[at].cpu / cycle[floor].cpu);
    let more = spread(&|cycle| cycle[at].cpu - cycle[floor].cpu);
    let mut text =
        format!("{:.2} [{:.2}, {:.2}], {:+.1} us", ratio.median, ratio.low, ratio.high, more.median);
    let behind = spread(&|cycle| cycle[at].behind).median;
    if behind > 0.0 {
        write!(text, ", behind it {behind:.1} us").ok();
    }
    text
}

fn latency(row: &Row, _: Server, At { server: at, .. }: At) -> String {
    let median =
        |value: fn(&Measured) -> f64| Spread::of(row.cycles.iter().map(|cycle| value(&cycle[at]))).median;
    let mut text = format!("{:.0} / {:.0}", median(|measured| measured.p50), median(|measured| measured.p99));
    let errors: usize = row.cycles.iter().map(|cycle| cycle[at].errors).sum();
    let lost: u64 = row.cycles.iter().map(|cycle| cycle[at].lost).sum();
    if errors > 0 {
        write!(text, ", {errors} errors").ok();
    }
    if lost > 0 {
        write!(text, ", {lost} lost").ok();
    }
    text
}
