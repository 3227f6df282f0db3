//! An example, built and running.

use std::{collections::HashMap, fs::File, process::Stdio};

use serde_json::Value;
use socketioxide_session_tests::process::Process;
use tokio::{process::Command, sync::OnceCell};

/// The examples' programs, by their names.
static BUILT: OnceCell<HashMap<String, String>> = OnceCell::const_new();

async fn build_all() -> HashMap<String, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--workspace", "--exclude", "bench", "--bins"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    // What cargo tells this test of its package would have some dependencies built anew, that look at it.
    for (name, _) in std::env::vars() {
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = command.current_dir(directory).stderr(Stdio::inherit()).output().await;
    let output = output.expect("cargo, which built this test");
    assert!(output.status.success(), "the examples are built");
    let messages = String::from_utf8(output.stdout).expect("cargo's JSON");
    let messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).expect("cargo's JSON"));
    let programs = messages.filter_map(|message| {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some((text(&message["target"]["name"])?, text(&message["executable"])?))
    });
    programs.collect()
}

/// A running example; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    process: Process,
    executable: String,
    /// Its address, as it printed it.
    pub(crate) url: String,
}

impl Program {
    /// Builds the example, and starts it.
    pub(crate) async fn start(package: &str) -> Self {
        let (program, [_]) = Self::start_nodes(package).await;
        program
    }

    /// The same with a program that is so many nodes, and prints the address of each.
    pub(crate) async fn start_nodes<const N: usize>(package: &str) -> (Self, [String; N]) {
        Self::start_nodes_with(package, &[]).await
    }

    /// The same in this environment.
    pub(crate) async fn start_nodes_with<const N: usize>(
        package: &str,
        environment: &[(&str, &str)],
    ) -> (Self, [String; N]) {
        let executable = Self::build(package).await;
        let environment = environment.iter().copied();
        Self::launch(executable, |command| _ = command.envs(environment)).await
    }

    /// The same with a log at this level, which is written to the file.
    pub(crate) async fn start_logged(package: &str, level: &str, log: File) -> Self {
        let executable = Self::build(package).await;
        let (program, [_]) =
            Self::launch(executable, |command| _ = command.env("RUST_LOG", level).stderr(log)).await;
        program
    }

    /// Where the example's program is. All are built together, with the tests' own dependencies: alone, each would build anew
    /// what it has with other features. That each can be built alone is checked beside the tests.
    async fn build(package: &str) -> String {
        let built = BUILT.get_or_init(build_all).await;
        built.get(package).expect("an example").clone()
    }

    async fn launch<const N: usize>(
        executable: String,
        set: impl FnOnce(&mut std::process::Command),
    ) -> (Self, [String; N]) {
        let mut command = std::process::Command::new(&executable);
        command.env("PORT", "0").env_remove("RUST_LOG");
        set(&mut command);
        let mut process = Process::start_talking(&mut command);
        let mut urls = [const { String::new() }; N];
        for url in &mut urls {
            *url = process.line().await;
            assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        }
        (Self { process, executable, url: urls[0].clone() }, urls)
    }

    /// Ends it, and starts it again where it was.
    pub(crate) async fn again(self) -> Self {
        let Self { process, executable, url } = self;
        drop(process);
        let port = url.rsplit(':').next().expect("a port");
        let mut process = Process::start_talking(std::process::Command::new(&executable).env("PORT", port));
        assert_eq!(process.line().await, url);
        Self { process, executable, url }
    }
}
