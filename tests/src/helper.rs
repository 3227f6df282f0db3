//! A client of another language, in a process that this side tells what to do: one JSON object a line.

use std::{
    collections::HashMap,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::Value;
use tokio::{
    io::{AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout},
    sync::{Mutex, oneshot},
};

use crate::{process::Process, soon};

type Answers = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value, String>>>>>;

/// A process that takes commands: `{id, command, ..}`, answered by `{id, value}` or `{id, error}`. It ends when this is
/// dropped.
#[derive(Debug)]
pub(crate) struct Helper {
    _process: Process,
    stdin: Mutex<ChildStdin>,
    answers: Answers,
    next: AtomicU64,
}

impl Helper {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = Process::start_talking(command);
        let (stdin, lines) = process.take_pipes();
        let answers = Answers::default();
        tokio::spawn(listen(lines, Arc::clone(&answers)));
        Self { _process: process, stdin: Mutex::new(stdin), answers, next: AtomicU64::new(0) }
    }

    async fn call(&self, command: &str, mut options: Value) -> Result<Value, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        options["id"] = id.into();
        options["command"] = command.into();
        let (sender, answer) = oneshot::channel();
        self.answers.lock().await.insert(id, sender);
        let line = format!("{options}\n");
        self.stdin.lock().await.write_all(line.as_bytes()).await.expect("a process that listens");
        answer.await.unwrap_or_else(|_| Err("the process ended".to_owned()))
    }

    /// Carries out one command; `Err` is what went wrong there.
    pub(crate) async fn try_done(&self, command: &str, options: Value) -> Result<Value, String> {
        let what = format!("{command} {options}");
        soon(&what, self.call(command, options)).await
    }

    pub(crate) async fn done(&self, command: &str, options: Value) -> Value {
        let what = format!("{command} {options}");
        self.try_done(command, options).await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }
}

async fn listen(mut lines: Lines<BufReader<ChildStdout>>, answers: Answers) {
    while let Ok(Some(line)) = lines.next_line().await {
        let mut line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
        let id = line["id"].as_u64().expect("an answer's number");
        let answer = match line["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(line["value"].take()),
        };
        if let Some(waiting) = answers.lock().await.remove(&id) {
            waiting.send(answer).ok();
        }
    }
    // Whoever still waits is told that nothing more will come.
    answers.lock().await.clear();
}
