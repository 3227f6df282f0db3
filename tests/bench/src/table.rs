//! The results as tables in Markdown.

use std::fmt::Write;

use crate::{
    side_by_side::{Measured, Row},
    statistics::Spread,
    work::Server,
};

const NONE: usize = Server::None as usize;

/// Processor time first, then what clients see.
pub(crate) fn side_by_side(rows: &[Row]) -> String {
    format!(
        "Server CPU per operation: the median of the cycles, in brackets the middle half of them. Ratios and\n\
         differences are to the server without a session in the same cycle.\n\n{}\n\
         Latency in us, p50 / p99: medians of the cycles. Errors and lost updates: of all cycles.\n\n{}",
        table(rows, cpu),
        table(rows, latency),
    )
}

/// A line for each row, a column for each server.
fn table(rows: &[Row], cell: fn(&Row, usize) -> String) -> String {
    let titles = Server::ALL.map(Server::title).join(" | ");
    let mut text =
        format!("| work | state | {titles} |\n| --- | --- |{}\n", " --- |".repeat(Server::ALL.len()));
    for row in rows {
        let cells: Vec<_> = (0..Server::ALL.len()).map(|at| cell(row, at)).collect();
        writeln!(text, "| {} | {} | {} |", row.work.title(), row.size.title(), cells.join(" | ")).ok();
    }
    text
}

fn cpu(row: &Row, at: usize) -> String {
    let median =
        |value: &dyn Fn(&[Measured; Server::ALL.len()]) -> f64| Spread::of(row.cycles.iter().map(value));
    let time = median(&|cycle| cycle[at].cpu);
    if at == NONE {
        return format!("{:.1} us [{:.1}, {:.1}]", time.median, time.low, time.high);
    }
    let ratio = median(&|cycle| cycle[at].cpu / cycle[NONE].cpu);
    let more = median(&|cycle| cycle[at].cpu - cycle[NONE].cpu);
    format!("{:.2} [{:.2}, {:.2}], {:+.1} us", ratio.median, ratio.low, ratio.high, more.median)
}

fn latency(row: &Row, at: usize) -> String {
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
