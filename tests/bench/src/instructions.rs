//! Instructions and allocations per operation, counted by callgrind: server and client on one thread of one process,
//! twice, with fewer and with more operations. What both have in common falls out of the difference. The table that is
//! kept in the repository is what a change is compared with.

use std::{
    collections::HashMap,
    env,
    fmt::Write,
    fs, io,
    process::{Command, Stdio},
    thread,
};

use tokio::net::TcpListener;

use crate::{
    broken,
    client::Clients,
    servers,
    state::Size,
    work::{Server, Work},
};

const FEWER: usize = 500;
const MORE: usize = 2500;

/// The table that is kept.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.md");

const HEAD: &str = "# Instructions and allocations of an operation

Server and client together, on one thread, as callgrind counts them; \"of the session\" is what is more than in the same
operation without a session. `cargo run --release -p bench -- instructions` compares with this table, and with `--write`
it renews it. Another compiler gives other numbers; this is of ";

const COLUMNS: &str =
    "| work | state | server | instructions | of the session | allocations | of the session |
| --- | --- | --- | ---: | ---: | ---: | ---: |
";

/// What callgrind counted, of one run or an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    instructions: u64,
    allocations: u64,
}

/// One line of the table.
struct Line {
    /// Work, state and server, as they are written.
    what: String,
    counted: Counted,
    floor: Counted,
}

/// Prints each line beside the one that is kept; afterwards keeps the new ones, if that is asked for.
pub(crate) fn count(write: bool) -> io::Result<()> {
    let kept = kept(&fs::read_to_string(KEPT).unwrap_or_default());
    println!("| work | state | server | instructions | kept | | allocations | kept |");
    println!("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |");
    let mut table = format!("{HEAD}{}.\n\n{COLUMNS}", compiler());
    for work in Work::ALL {
        let floor = of(Server::None, work, Size::Small)?;
        let servers = [Server::ByHand, Server::Memory, Server::Store, Server::Exclusive];
        let sessions = Size::ALL.into_iter().flat_map(|size| servers.map(|server| (server, size)));
        for (server, size) in [(Server::None, Size::Small)].into_iter().chain(sessions) {
            let counted = if server == Server::None { floor } else { of(server, work, size)? };
            let what = format!("{} | {} | {}", work.title(), size.title(), server.title());
            let line = Line { what, counted, floor };
            println!("{}", line.beside(kept.get(&line.what)));
            writeln!(table, "{}", line.kept()).ok();
        }
    }
    if write { fs::write(KEPT, table) } else { Ok(()) }
}

impl Line {
    fn kept(&self) -> String {
        let Self { what, counted, floor } = self;
        let (instructions, allocations) = (counted.instructions, counted.allocations);
        let more = instructions.saturating_sub(floor.instructions);
        let more_allocations = allocations.saturating_sub(floor.allocations);
        format!("| {what} | {instructions} | {more} | {allocations} | {more_allocations} |")
    }

    fn beside(&self, kept: Option<&Counted>) -> String {
        let Counted { instructions, allocations } = self.counted;
        let new = format!("| {} | {instructions}", self.what);
        let Some(kept) = kept else { return format!("{new} | | new | {allocations} | |") };
        let more = (instructions as f64 / kept.instructions as f64 - 1.0) * 100.0;
        format!("{new} | {} | {more:+.1} % | {allocations} | {} |", kept.instructions, kept.allocations)
    }
}

/// Reads the table that is kept.
fn kept(text: &str) -> HashMap<String, Counted> {
    let line = |line: &str| {
        let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [work, state, server, instructions, _, allocations, _] = cells[..] else { return None };
        let (instructions, allocations) = (instructions.parse().ok()?, allocations.parse().ok()?);
        Some((format!("{work} | {state} | {server}"), Counted { instructions, allocations }))
    };
    text.lines().filter_map(line).collect()
}

fn compiler() -> String {
    let version = Command::new("rustc").arg("--version").output().ok();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let words = version.as_deref().map(|version| version.split(' ').take(2).collect::<Vec<_>>().join(" "));
    format!("{} on {}", words.unwrap_or_else(|| "an unknown compiler".to_owned()), env::consts::ARCH)
}

/// The work itself, for callgrind to look at.
pub(crate) async fn profile(
    server: Server,
    redis: &str,
    work: Work,
    size: Size,
    operations: usize,
) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let app = servers::app(server, redis).await?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Clients::connect(port, size, 1).await?.run(work, operations).await?;
    Ok(())
}

fn of(server: Server, work: Work, size: Size) -> io::Result<Counted> {
    // Two at a time: counts do not depend on what else runs.
    let (more, fewer) = thread::scope(|scope| {
        let fewer = scope.spawn(|| run(server, work, size, FEWER));
        (run(server, work, size, MORE), fewer.join())
    });
    let fewer = fewer.map_err(|_| broken("callgrind could not be run"))??;
    let more = more?;
    let operations = (MORE - FEWER) as u64;
    Ok(Counted {
        instructions: more.instructions.saturating_sub(fewer.instructions) / operations,
        // Rounded: a table that grows now and then counts for nothing.
        allocations: (more.allocations.saturating_sub(fewer.allocations) + operations / 2) / operations,
    })
}

fn run(server: Server, work: Work, size: Size, operations: usize) -> io::Result<Counted> {
    let file = env::temp_dir().join(format!("bench-{}-{operations}.callgrind", std::process::id()));
    let mut callgrind = Command::new("valgrind");
    callgrind.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", file.display()));
    callgrind.arg(env::current_exe()?).args(["profile", server.name(), work.name(), &size.to_string()]);
    let status = callgrind.arg(operations.to_string()).stderr(Stdio::null()).status()?;
    if !status.success() {
        return Err(broken("callgrind failed"));
    }
    let counted = read(&fs::read_to_string(&file)?);
    fs::remove_file(file)?;
    counted.ok_or_else(|| broken("callgrind wrote something unknown"))
}

/// Reads what callgrind wrote: <https://valgrind.org/docs/manual/cl-format.html>.
fn read(text: &str) -> Option<Counted> {
    let mut instructions = None;
    let mut allocations = 0;
    // A name is written once; later its number stands for it.
    let mut allocates: HashMap<&str, bool> = HashMap::new();
    let mut called_allocates = false;
    for line in text.lines() {
        if let Some(sum) = line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")) {
            instructions = sum.trim().parse().ok();
        } else if let Some((called, name)) = function(line) {
            if let Some(name) = name {
                let is = ["malloc", "calloc", "realloc", "memalign", "posix_memalign"];
                allocates.insert(called, is.contains(&name));
            }
            called_allocates = line.starts_with('c') && allocates.get(called).copied().unwrap_or(false);
        } else if let Some(calls) = line.strip_prefix("calls=").filter(|_| called_allocates) {
            allocations += calls.split(' ').next()?.parse::<u64>().ok()?;
        }
    }
    Some(Counted { instructions: instructions?, allocations })
}

/// The number of a function, and its name where it is written out.
fn function(line: &str) -> Option<(&str, Option<&str>)> {
    let of = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn="))?;
    Some(of.split_once(' ').map_or((of, None), |(number, name)| (number, Some(name))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let counted = Counted { instructions: 110, allocations: 7 };
        let floor = Counted { instructions: 10, allocations: 8 };
        let what = "event that reads | small | by hand".to_owned();
        let line = Line { what: what.clone(), counted, floor };
        let kept = kept(&format!("{HEAD}{COLUMNS}{}\n", line.kept()));
        assert_eq!(kept, HashMap::from([(what, counted)]));
        let old = Counted { instructions: 100, allocations: 7 };
        assert!(line.beside(Some(&old)).ends_with("| 110 | 100 | +10.0 % | 7 | 7 |"));
    }

    #[test]
    fn callgrinds_file_is_read() {
        let text = "events: Ir\nfn=(1) main\n3 5\ncfn=(2) malloc\ncalls=7 0\n3 70\ncfn=(3) free\ncalls=9 0\n3 9\n\
                    fn=(2)\n1 70\nfn=(3)\n1 4\ncfn=(2)\ncalls=1 0\n1 10\n\ntotals: 84\n";
        let counted = read(text).unwrap();
        assert_eq!((counted.instructions, counted.allocations), (84, 8));
    }
}
