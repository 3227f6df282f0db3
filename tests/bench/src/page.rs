//! The page of the documentation that shows the last run: its tables, its plots, and what it ran on.

use std::{fs, io, path::PathBuf, process::Command};

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{broken, plot::Plot};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../runtime/docs");

const FIRST_LINE: &str =
    "<!-- The plots of speed.md, written by `cargo run --release -p bench -- scale`. -->";

/// Puts the text between the page's `<!-- name -->` and the next `<!-- end -->`.
pub(crate) fn put(name: &str, text: &str) -> io::Result<()> {
    let file = PathBuf::from(FOLDER).join("speed.md");
    let page = fs::read_to_string(&file)?;
    let page =
        replaced(&page, name, text).ok_or_else(|| broken(&format!("the page has no place `{name}`")))?;
    fs::write(file, page)
}

fn replaced(page: &str, name: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(&format!("<!-- {name} -->\n"))?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}<!-- {name} -->\n\n{}\n\n<!-- end -->{after}", text.trim()))
}

/// Writes the plot as a file, and once more as the definition of a link: rustdoc copies no files, so its page shows
/// the plot out of the definition, while others find the file.
pub(crate) fn draw(name: &str, plot: &Plot) -> io::Result<()> {
    let svg = plot.svg();
    let folder = PathBuf::from(FOLDER);
    fs::write(folder.join(format!("{name}.svg")), &svg)?;
    let data = BASE64_STANDARD.encode(svg);
    let definition = format!("[plot-{name}]: data:image/svg+xml;base64,{data}");
    let file = folder.join("plots.md");
    let known = fs::read_to_string(&file).unwrap_or_default();
    let (start, other) = (format!("[plot-{name}]:"), |line: &&str| line.starts_with("[plot-"));
    let mut lines: Vec<_> =
        known.lines().filter(other).filter(|line| !line.starts_with(&start)).chain([&*definition]).collect();
    lines.sort_unstable();
    fs::write(file, format!("{FIRST_LINE}\n\n{}\n", lines.join("\n")))
}

/// On what it ran: so many processors, and the commit.
pub(crate) fn machine() -> String {
    // Asked of the system: this process itself is on one of them.
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processors = processors.lines().filter(|line| line.starts_with("processor")).count();
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(["-C", REPOSITORY]).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|text| !text.is_empty())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed = git(&["status", "--porcelain", "--", "macros", "runtime/src"]).is_some();
    let remark = if changed { ", with changes" } else { "" };
    format!("{processors} processors, commit {commit}{remark}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_gives_way() {
        let page = "a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\nstays\n<!-- end -->\n";
        let new = replaced(page, "one", "new").unwrap();
        assert_eq!(new, "a\n<!-- one -->\n\nnew\n\n<!-- end -->\nb\n<!-- two -->\nstays\n<!-- end -->\n");
        assert_eq!(replaced(&new, "one", "new").unwrap(), new);
        assert!(replaced(page, "three", "new").is_none());
    }
}
