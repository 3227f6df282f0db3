//! The Node server: its packages are installed into the target directory, in the versions of the lock file.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    broken,
    process::{Pinned, Process},
};

/// What is installed, and what is run.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../node/package.json")),
    ("package-lock.json", include_str!("../node/package-lock.json")),
    ("server.mjs", include_str!("../node/server.mjs")),
];

#[derive(Debug)]
pub(crate) struct Node {
    folder: PathBuf,
}

impl Node {
    /// `None` where there is no npm.
    pub(crate) fn install() -> io::Result<Option<Self>> {
        if Command::new("npm").arg("--version").output().is_err() {
            return Ok(None);
        }
        let program = env::current_exe()?;
        let folder = program.parent().unwrap_or(Path::new(".")).join("bench-node");
        fs::create_dir_all(&folder)?;
        let installed = folder.join("node_modules/.installed-lock.json");
        for (name, text) in FILES {
            fs::write(folder.join(name), text)?;
        }
        if fs::read_to_string(&installed).is_ok_and(|lock| lock == FILES[1].1) {
            return Ok(Some(Self { folder }));
        }
        eprintln!("installing the Node server's packages");
        let npm = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--silent"])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .status()?;
        if !npm.success() {
            return Err(broken("npm could not install the Node server's packages"));
        }
        fs::write(installed, FILES[1].1)?;
        Ok(Some(Self { folder }))
    }

    pub(crate) fn serve(&self, session: bool, pinned: Pinned) -> io::Result<Process> {
        let mut command = pinned.command(0, "node");
        let kind = if session { "session" } else { "plain" };
        command.args(["server.mjs", kind]).current_dir(&self.folder);
        Process::start(command)
    }
}
