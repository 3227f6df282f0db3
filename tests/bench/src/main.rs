//! What a session costs: the same handlers without one, by hand on tower-sessions, and with this crate.
//!
//! - `cargo run --release -p bench` measures side by side and prints tables (ten minutes). `--cycles 20`,
//!   `--ops 5000` (of each work, on each server, in each cycle), `--only event-write`, `--servers memory,redis` for a
//!   part of it.
//! - `cargo run --release -p bench -- scale` measures what grows with sessions, sockets and states, and writes the tables
//!   and plots of the documentation (ten minutes). `--only sessions` for a part of it; `--small` to try it.
//! - `cargo run --release -p bench -- instructions` counts instructions and allocations and compares them with
//!   `instructions.md`, which `--write` renews; it needs valgrind.
//! - `cargo run --release -p bench -- compile` measures what the attributes cost a compiler.
//! - `bench profile SERVER WORK SIZE OPERATIONS [REDIS]` is the work itself, on one thread, for a profiler to look at; a
//!   server with Redis needs its address.
//!
//! Needs Linux, for the processor time of a process.

#![allow(missing_docs, reason = "a program of its own; nobody names its items")]
#![allow(clippy::cast_precision_loss, reason = "measurements are far below 2^52")]

mod client;
mod compile;
mod instructions;
mod measure;
mod node;
mod page;
mod plot;
mod postgres;
mod process;
mod random;
mod redis;
mod scale;
mod servers;
mod side_by_side;
mod state;
mod statistics;
mod table;
mod work;
mod world;

use std::{env, future::Future, io, process::ExitCode};

use tokio::runtime::Builder;

use self::side_by_side::Options;

const USAGE: &str = "usage: bench [--cycles N] [--ops N] [--only WORK] [--servers NAME,..]
       bench scale [--cycles N] [--only MEASURE] [--small]
       bench instructions [--write]
       bench compile [CYCLES]";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["scale", ref options @ ..] => scale(options),
        ["instructions"] => instructions::count(false),
        ["instructions", "--write"] => instructions::count(true),
        ["compile"] => compile::run(7),
        ["compile", cycles] => cycles.parse().map_err(|_| usage()).and_then(compile::run),
        // What this program starts itself as.
        ["serve", server, behind] => serve(server, behind),
        ["states", number] => states(number),
        ["profile", server, work, size, operations] => profile(server, "", work, size, operations),
        ["profile", server, work, size, operations, redis] => profile(server, redis, work, size, operations),
        _ => side_by_side(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn side_by_side(arguments: &[&str]) -> io::Result<()> {
    let options = options(arguments).ok_or_else(usage)?;
    on_one_thread(side_by_side::run(&options))
}

fn options(mut arguments: &[&str]) -> Option<Options> {
    let mut options = Options { cycles: 20, operations: 5000, only: String::new(), servers: Vec::new() };
    while let [name, value, rest @ ..] = arguments {
        match *name {
            "--cycles" => options.cycles = value.parse().ok()?,
            "--ops" => options.operations = value.parse().ok()?,
            "--only" => (*value).clone_into(&mut options.only),
            "--servers" => options.servers = value.split(',').map(str::to_owned).collect(),
            _ => return None,
        }
        arguments = rest;
    }
    arguments.is_empty().then_some(options)
}

fn scale(mut arguments: &[&str]) -> io::Result<()> {
    let mut options = scale::Options { cycles: 10, only: String::new(), small: false };
    while let Some((name, rest)) = arguments.split_first() {
        arguments = match (*name, rest) {
            ("--small", rest) => {
                options.small = true;
                rest
            }
            ("--only", [value, rest @ ..]) => {
                (*value).clone_into(&mut options.only);
                rest
            }
            ("--cycles", [value, rest @ ..]) => {
                options.cycles = value.parse().map_err(|_| usage())?;
                rest
            }
            _ => return Err(usage()),
        };
    }
    on_one_thread(scale::run(&options))
}

fn states(number: &str) -> io::Result<()> {
    scale::states(number.parse().map_err(|_| usage())?)
}

fn serve(server: &str, behind: &str) -> io::Result<()> {
    let server = server.parse().map_err(|_| usage())?;
    process::end_with_parent();
    Builder::new_multi_thread().enable_all().build()?.block_on(servers::serve(server, behind))
}

fn profile(server: &str, redis: &str, work: &str, size: &str, operations: &str) -> io::Result<()> {
    let server = server.parse().map_err(|_| usage())?;
    let work = work.parse().map_err(|_| usage())?;
    let size = size.parse().map_err(|_| usage())?;
    let operations = operations.parse().map_err(|_| usage())?;
    on_one_thread(instructions::profile(server, redis, work, size, operations))
}

fn on_one_thread(work: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn usage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, USAGE)
}

/// Somebody said what nobody expected.
fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
