//! What the attributes cost a compiler: a hundred HTTP and a hundred socket handlers, annotated and by hand, each in a
//! program of its own; how long cargo takes for it, all that it depends on being there, and how large it becomes.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use crate::{broken, statistics::Spread};

/// Of each kind.
const HANDLERS: usize = 100;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

const MANIFEST: &str = r#"[package]
name = "NAME"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
socketioxide-session = { path = "ROOT/runtime" }
axum = "0.8.4"
serde = { version = "1", features = ["derive"] }
serde_json = "1"
socketioxide = { version = "0.18.9", features = ["extensions"] }
tokio = { version = "1.51", features = ["macros", "net", "rt-multi-thread"] }
tower-sessions = { version = "0.14", default-features = false, features = ["axum-core", "memory-store"] }
"#;

/// What both have: `N` is a handler's number.
struct Program {
    name: &'static str,
    head: &'static str,
    http: [&'static str; 2],
    socket: [&'static str; 2],
    connected: &'static str,
    layer: &'static str,
}

const PROGRAMS: [Program; 2] = [BY_HAND, ANNOTATED];

const BY_HAND: Program = Program {
    name: "by-hand",
    head: r"
use axum::{Json, Router, extract::Query, http::StatusCode, routing::{get, post}};
use serde::{Deserialize, Serialize};
use socketioxide::{SocketIo, extract::{AckSender, Data, SocketRef}};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct User {
    name: Option<String>,
    visits: u32,
}

fn failed(_: tower_sessions::session::Error) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn session_of(socket: &SocketRef) -> Option<Session> {
    let session = socket.req_parts().extensions.get::<Session>().cloned()?;
    session.load().await.ok()?;
    Some(session)
}
",
    http: [
        r#"
async fn http_N(session: Session, Query(wish): Query<Wish>) -> Result<Json<u32>, StatusCode> {
    let user: User = session.get("user").await.map_err(failed)?.unwrap_or_default();
    Ok(Json(user.visits + wish.by + N))
}
"#,
        r#"
async fn http_N(session: Session, Query(wish): Query<Wish>) -> Result<Json<u32>, StatusCode> {
    let mut user: User = session.get("user").await.map_err(failed)?.unwrap_or_default();
    user.visits += wish.by + N;
    session.insert("user", &user).await.map_err(failed)?;
    Ok(Json(user.visits))
}
"#,
    ],
    socket: [
        r#"
async fn socket_N(socket: SocketRef, Data(wish): Data<Wish>, ack: AckSender) {
    let Some(session) = session_of(&socket).await else { return };
    let Ok(user) = session.get::<User>("user").await else { return };
    ack.send(&(user.unwrap_or_default().visits + wish.by + N)).ok();
}
"#,
        r#"
async fn socket_N(socket: SocketRef, Data(wish): Data<Wish>, ack: AckSender) {
    let Some(session) = session_of(&socket).await else { return };
    let Ok(user) = session.get::<User>("user").await else { return };
    let mut user = user.unwrap_or_default();
    user.visits += wish.by + N;
    if session.insert("user", &user).await.is_ok() && session.save().await.is_ok() {
        ack.send(&user.visits).ok();
    }
}
"#,
    ],
    connected: "async fn connected(socket: SocketRef) {",
    layer: "SessionManagerLayer::new(MemoryStore::default())",
};

const ANNOTATED: Program = Program {
    name: "annotated",
    head: r"
use axum::{Json, Router, extract::Query, routing::{get, post}};
use serde::Deserialize;
use socketioxide::{SocketIo, extract::{Data, SocketRef}};
use socketioxide_session::{
    MemoryBackend, SessionLayer, connect_handler, http_handler, session_state, socket_handler,
};

#[session_state]
struct User {
    name: Option<String>,
    visits: u32,
}
",
    http: [
        r"
#[http_handler(user)]
async fn http_N(user: &User, Query(wish): Query<Wish>) -> Json<u32> {
    Json(user.visits + wish.by + N)
}
",
        r"
#[http_handler(user)]
async fn http_N(user: &mut User, Query(wish): Query<Wish>) -> Json<u32> {
    user.visits += wish.by + N;
    Json(user.visits)
}
",
    ],
    socket: [
        r"
#[socket_handler(user)]
async fn socket_N(user: &User, Data(wish): Data<Wish>) -> u32 {
    user.visits + wish.by + N
}
",
        r"
#[socket_handler(user)]
async fn socket_N(user: &mut User, Data(wish): Data<Wish>) -> u32 {
    user.visits += wish.by + N;
    user.visits
}
",
    ],
    connected: "#[connect_handler]\nasync fn connected(socket: SocketRef) {",
    layer: "SessionLayer::new(MemoryBackend::default())",
};

const WISH: &str = "
#[derive(Deserialize)]
struct Wish {
    by: u32,
}
";

impl Program {
    /// The whole of it. Those that differ by `version` differ in the body of one handler.
    fn text(&self, version: usize) -> String {
        let mut text = format!("{}{WISH}", self.head);
        let (mut routes, mut events) = (String::new(), String::new());
        for number in 0..HANDLERS {
            let value = if number == 0 { number + version } else { number };
            for template in [self.http[number % 2], self.socket[number % 2]] {
                let handler = template.replace("_N", &format!("_{number}")).replace('N', &value.to_string());
                text.push_str(&handler);
            }
            let method = if number % 2 == 0 { "get" } else { "post" };
            writeln!(routes, "        .route(\"/{number}\", {method}(http_{number}))").ok();
            writeln!(events, "    socket.on(\"{number}\", socket_{number});").ok();
        }
        let Self { connected, layer, .. } = self;
        write!(
            text,
            "\n{connected}\n{events}}}\n\n#[tokio::main]\nasync fn main() -> std::io::Result<()> {{\n    let (sockets, io) = \
             SocketIo::new_layer();\n    io.ns(\"/\", connected);\n    let app = Router::new()\n{routes}        \
             .layer(sockets)\n        .layer({layer});\n    let listener = \
             tokio::net::TcpListener::bind(\"127.0.0.1:0\").await?;\n    axum::serve(listener, app).await\n}}\n"
        )
        .ok();
        text
    }
}

/// A program's package, and what cargo does with it.
struct Package {
    program: &'static Program,
    folder: PathBuf,
    target: PathBuf,
    version: usize,
}

/// How long cargo took, in seconds, and the size of the program in megabytes.
#[derive(Default)]
struct Measured {
    check: Vec<f64>,
    build: Vec<f64>,
    again: Vec<f64>,
    size: f64,
}

impl Package {
    fn new(program: &'static Program, all: &Path) -> io::Result<Self> {
        let folder = all.join(program.name);
        fs::create_dir_all(folder.join("src"))?;
        fs::write(folder.join("Cargo.toml"), MANIFEST.replace("NAME", program.name).replace("ROOT", ROOT))?;
        fs::copy(Path::new(ROOT).join("Cargo.lock"), folder.join("Cargo.lock"))?;
        let mut package = Self { program, folder, target: all.join("target"), version: 0 };
        package.change()?;
        // What it depends on is built once, for both.
        package.cargo(&["check"])?;
        package.cargo(&["build"])?;
        Ok(package)
    }

    fn change(&mut self) -> io::Result<()> {
        self.version += 1;
        fs::write(self.folder.join("src/main.rs"), self.program.text(self.version))
    }

    fn cargo(&self, arguments: &[&str]) -> io::Result<f64> {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(arguments).arg("--quiet").current_dir(&self.folder).stdin(Stdio::null());
        // What cargo tells a program that it runs is not for the one that this runs.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_")) {
            cargo.env_remove(name);
        }
        cargo.env("CARGO_TARGET_DIR", &self.target);
        let began = Instant::now();
        let status = cargo.status()?;
        let took = began.elapsed().as_secs_f64();
        if status.success() {
            Ok(took)
        } else {
            Err(broken("a program that was to be measured did not compile"))
        }
    }

    fn measure(&mut self, measured: &mut Measured) -> io::Result<()> {
        self.cargo(&["clean", "--package", self.program.name])?;
        measured.check.push(self.cargo(&["check"])?);
        measured.build.push(self.cargo(&["build"])?);
        self.change()?;
        measured.again.push(self.cargo(&["build"])?);
        let bytes = fs::metadata(self.target.join("debug").join(self.program.name))?.len();
        measured.size = bytes as f64 / 1e6;
        Ok(())
    }
}

/// Measures both, one after the other, that often, and prints a table.
pub(crate) fn run(cycles: usize) -> io::Result<()> {
    let all = Path::new(ROOT).join("target/compile");
    let mut packages = Vec::new();
    for program in &PROGRAMS {
        packages.push((Package::new(program, &all)?, Measured::default()));
    }
    for _ in 0..cycles {
        for (package, measured) in &mut packages {
            package.measure(measured)?;
        }
    }
    println!(
        "| {HANDLERS} + {HANDLERS} handlers | clean check, s | clean build, s | build after a change, s | program, MB |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (package, Measured { check, build, again, size }) in &packages {
        let [check, build, again] = [check, build, again].map(|all| Spread::of(all.iter().copied()).median);
        println!("| {} | {check:.2} | {build:.2} | {again:.2} | {size:.1} |", package.program.name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_versions_differ_in_one_line() {
        for program in &PROGRAMS {
            let (first, second) = (program.text(1), program.text(2));
            let differing = first.lines().zip(second.lines()).filter(|(first, second)| first != second);
            assert!((1..=2).contains(&differing.count()), "{}", program.name);
            assert_eq!(first.matches("async fn http_").count(), HANDLERS);
            assert_eq!(first.matches("async fn socket_").count(), HANDLERS);
        }
    }
}
