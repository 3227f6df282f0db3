//! The diagrams of the guide are files, which the repository and the registry show, and once more inside of
//! `docs/diagrams.md`, for rustdoc copies no files. Both are the same: `UPDATE_DIAGRAMS=1` writes the page.

#![allow(clippy::unwrap_used, reason = "a test may fail like this")]

use std::{env, fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};

const HEAD: &str = "<!-- The diagrams of the guide: `UPDATE_DIAGRAMS=1 cargo test -p socketioxide-session --test diagrams` -->\n\n";
const ALL: [&str; 3] = ["turn", "request", "socket"];

#[test]
fn the_page_holds_the_files() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let lines = ALL.map(|name| {
        let svg = fs::read(docs.join(name).with_extension("svg")).unwrap();
        format!("[diagram-{name}]: data:image/svg+xml;base64,{}\n", BASE64_STANDARD.encode(svg))
    });
    let (page, is) = (docs.join("diagrams.md"), HEAD.to_owned() + &lines.concat());
    if env::var_os("UPDATE_DIAGRAMS").is_some() {
        fs::write(&page, &is).unwrap();
    }
    assert!(fs::read_to_string(page).unwrap() == is, "write it anew with UPDATE_DIAGRAMS=1");
}
