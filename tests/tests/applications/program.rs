//! An example, built and running.

use std::{fs::File, process::Stdio};

use socketioxide_session_tests::process::Process;
use tokio::{process::Command, sync::Mutex};

/// One build at a time; cargo would wait anyway, and say so.
static BUILD: Mutex<()> = Mutex::const_new(());

/// A running example; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    process: Process,
    executable: String,
    /// Its address, as it printed it.
    pub(crate) url: String,
}

impl Program {
    /// Builds the package alone, so that nothing of the workspace's other packages helps it, and starts it.
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

    async fn build(package: &str) -> String {
        let building = BUILD.lock().await;
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--package", package, "--message-format", "json-render-diagnostics"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .stderr(Stdio::inherit())
            .output()
            .await
            .expect("cargo, which built this test");
        assert!(built.status.success(), "cargo build --package {package}");
        drop(building);

        let messages = String::from_utf8(built.stdout).expect("cargo's JSON");
        messages
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("cargo's JSON"))
            .find_map(|message| message["executable"].as_str().map(str::to_owned))
            .expect("the program that was built")
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
