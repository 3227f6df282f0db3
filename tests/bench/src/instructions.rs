//! Instructions and allocations per operation, counted by callgrind: server and client on one thread of one process,
//! twice, with fewer and with more operations. What both have in common falls out of the difference.

use std::{
    collections::HashMap,
    env, fs, io,
    process::{Command, Stdio},
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

/// What callgrind counted, of one run or an operation.
#[derive(Clone, Copy, Debug)]
struct Counted {
    instructions: u64,
    allocations: u64,
}

/// Prints the table.
pub(crate) fn count() -> io::Result<()> {
    println!("| work | state | server | instructions | of the session | allocations | of the session |");
    println!("| --- | --- | --- | ---: | ---: | ---: | ---: |");
    // One socket, one connection: nothing waits.
    for work in [Work::EventRead, Work::EventWrite, Work::HttpRead, Work::HttpWrite] {
        let floor = of(Server::None, work, Size::Small)?;
        for size in Size::ALL {
            for server in [Server::ByHand, Server::Memory, Server::Store] {
                let counted = of(server, work, size)?;
                println!(
                    "| {} | {} | {} | {} | {} | {} | {} |",
                    work.title(),
                    size.title(),
                    server.title(),
                    counted.instructions,
                    counted.instructions.saturating_sub(floor.instructions),
                    counted.allocations,
                    counted.allocations.saturating_sub(floor.allocations),
                );
            }
        }
    }
    Ok(())
}

/// The work itself, for callgrind to look at.
pub(crate) async fn profile(server: Server, work: Work, size: Size, operations: usize) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let app = servers::app(server, "").await?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Clients::connect(port, size, 1).await?.run(work, operations).await?;
    Ok(())
}

fn of(server: Server, work: Work, size: Size) -> io::Result<Counted> {
    let (fewer, more) = (run(server, work, size, FEWER)?, run(server, work, size, MORE)?);
    let operations = (MORE - FEWER) as u64;
    Ok(Counted {
        instructions: more.instructions.saturating_sub(fewer.instructions) / operations,
        // Rounded: a table that grows now and then counts for nothing.
        allocations: (more.allocations.saturating_sub(fewer.allocations) + operations / 2) / operations,
    })
}

fn run(server: Server, work: Work, size: Size, operations: usize) -> io::Result<Counted> {
    let file = env::temp_dir().join(format!("bench-{}.callgrind", std::process::id()));
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
    fn callgrinds_file_is_read() {
        let text = "events: Ir\nfn=(1) main\n3 5\ncfn=(2) malloc\ncalls=7 0\n3 70\ncfn=(3) free\ncalls=9 0\n3 9\n\
                    fn=(2)\n1 70\nfn=(3)\n1 4\ncfn=(2)\ncalls=1 0\n1 10\n\ntotals: 84\n";
        let counted = read(text).unwrap();
        assert_eq!((counted.instructions, counted.allocations), (84, 8));
    }
}
