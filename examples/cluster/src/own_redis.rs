//! A `redis-server` that lives as long as this process.

use std::process::{Child, Command, Stdio};

use crate::Outcome;

/// It keeps nothing, and listens on no port: a socket in a directory of its own is there for this user only.
pub(crate) struct OwnRedis {
    pub(crate) url: String,
    /// Whose standard input is open for as long as this process lives.
    _keeper: Child,
}

/// The shell outlives Ctrl-C, and this process if that is killed, by the moment that it takes to tidy up.
const KEEPER: &str = r#"
    trap "" HUP INT TERM
    redis-server --port 0 --unixsocket "$PWD/socket" --save "" --appendonly no --logfile log &
    cat
    kill $! 2>/dev/null
    wait
    rm -rf "$PWD"
"#;

pub(crate) fn start() -> Outcome<OwnRedis> {
    let directory = String::from_utf8(Command::new("mktemp").arg("-d").output()?.stdout)?;
    let directory = directory.trim();
    let keeper = Command::new("sh")
        .args(["-c", KEEPER])
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    Ok(OwnRedis { url: format!("redis+unix://{directory}/socket"), _keeper: keeper })
}
