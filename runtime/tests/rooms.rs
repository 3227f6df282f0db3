//! The rooms of the crate point one way: a test that reads their `use` lines keeps it so.

#![allow(clippy::unwrap_used, reason = "a test may fail like this")]

use std::{fs, path::Path};

/// Which crates may be named where, and which rooms may not know each other.
fn mistakes(file: &str, text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let names = |word: &str| {
        code.match_indices(word).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            let after = &code[at + word.len()..];
            !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '/')
                && after.starts_with("::")
        })
    };
    let of_crate =
        |room: &str| code.contains(&format!("crate::{room}::")) || code.contains(&format!("\n    {room}::"));
    let (http, socket) = (file.starts_with("http"), file.starts_with("socket"));
    let outer = matches!(file, "lib.rs" | "private.rs" | "guide.rs") || file.starts_with("testing");
    let mut mistakes = Vec::new();
    let mut check = |wrong: bool, what: &str| {
        if wrong {
            mistakes.push(format!("{file}: {what}"));
        }
    };
    check(names("axum_core") && !http, "axum is named only in the HTTP rooms");
    check(
        (names("socketioxide") || names("socketioxide_core")) && !socket,
        "socketioxide is named only in the socket rooms",
    );
    check(names("redis") && !file.starts_with("backend/redis"), "redis is named only in its driver");
    check(http && of_crate("socket"), "the HTTP rooms do not know the socket rooms");
    check(socket && of_crate("http"), "the socket rooms do not know the HTTP rooms");
    check(!outer && !http && !socket && of_crate("http"), "nothing below knows the HTTP rooms");
    check(!outer && !http && !socket && of_crate("socket"), "nothing below knows the socket rooms");
    check(!outer && of_crate("private"), "nothing below knows what the macros name");
    mistakes
}

fn visit(folder: &Path, root: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, root, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = path.strip_prefix(root).unwrap().to_str().unwrap();
            found.extend(mistakes(file, &fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn rooms_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    visit(&root, &root, &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn a_wrong_arrow_is_seen() {
    assert_eq!(mistakes("http/service.rs", "use crate::socket::peer::Reply;").len(), 1);
    assert_eq!(mistakes("http/service.rs", "use crate::{\n    socket::peer::Reply,\n};").len(), 1);
    assert_eq!(mistakes("unit.rs", "use axum_core::body::Body;").len(), 1);
    assert_eq!(mistakes("unit.rs", "// use axum_core::body::Body;"), Vec::<String>::new());
    assert_eq!(mistakes("socket/peer.rs", "use socketioxide::socket::Socket;"), Vec::<String>::new());
}
