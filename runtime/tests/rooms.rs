//! The rooms of the crate point one way: every use of another room is held against the list in ARCHITECTURE.md.

#![allow(clippy::unwrap_used, reason = "a test may fail like this")]

use std::{collections::HashMap, fs, path::Path};

/// The place of each room in the list, by its path: `call/commit`.
struct Ranks(HashMap<String, usize>);

impl Ranks {
    /// Of the lines of a drawing: names, indented below the folder that they are in, and after two spaces what they are.
    /// Names on one line follow each other.
    fn read(drawing: &str) -> Self {
        let mut ranks = HashMap::new();
        let mut folders: Vec<&str> = Vec::new();
        for line in drawing.lines() {
            let depth = (line.len() - line.trim_start().len()) / 2;
            folders.truncate(depth);
            let names = line.trim_start().split("  ").next().unwrap();
            for name in names.split(", ") {
                let path = folders.iter().copied().chain([name.trim_end_matches('/')]).collect::<Vec<_>>();
                ranks.insert(path.join("/"), ranks.len());
            }
            if let Some(folder) = names.strip_suffix('/') {
                folders.push(folder);
            }
        }
        Self(ranks)
    }

    /// The room that a path of modules leads to: the longest that is listed.
    fn room<'a>(&self, path: &'a [String]) -> Option<(String, usize, &'a [String])> {
        (1..=path.len()).rev().find_map(|end| {
            let room = path[..end].join("/");
            self.0.get(&room).map(|rank| (room, *rank, &path[end..]))
        })
    }
}

/// The modules that lead to a file, and whether it is the front door of its folder.
fn module_of(file: &str) -> (Vec<String>, bool) {
    let path = file.strip_suffix(".rs").unwrap();
    let door = path.ends_with("/mod");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    (path.split('/').map(str::to_owned).collect(), door)
}

/// The code without comments, strings' contents and the tests at its end.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text.lines().map(|line| match line.find("//") {
        Some(at) if !line[..at].contains('"') => &line[..at],
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// All paths that begin with `crate`, `self` or `super`, groups written out, each with whether it is given on
/// (`pub use`).
fn paths_of(code: &str) -> Vec<(Vec<String>, bool)> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                continue;
            }
            let statement = code[..at].rsplit(['\n', ';']).next().unwrap().trim_start();
            let given_on = statement.starts_with("pub") && statement.contains("use ");
            for path in written_out(&code[at..]) {
                found.push((path, given_on));
            }
        }
    }
    found
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn written_out(tree: &str) -> Vec<Vec<String>> {
    let end = tree.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(tree.len());
    let (head, rest) = tree.split_at(end);
    let head: Vec<String> = head.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let Some(group) = rest.strip_prefix('{').filter(|_| tree[..end].ends_with("::")) else {
        return vec![head];
    };
    let mut paths = Vec::new();
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let branch = group[begin..at].trim();
                if !branch.is_empty() {
                    paths.extend(written_out(branch).into_iter().map(|tail| [head.clone(), tail].concat()));
                }
                begin = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    paths
}

/// From the crate's root.
fn absolute(path: &[String], module: &[String]) -> Vec<String> {
    let mut at = module.to_vec();
    let mut rest = path;
    match path[0].as_str() {
        "crate" => {
            at.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        _ => {}
    }
    while rest.first().is_some_and(|name| name == "super") {
        at.pop();
        rest = &rest[1..];
    }
    at.extend(rest.iter().cloned());
    at
}

/// Which uses of one file point the wrong way, and which crates it may not name.
fn mistakes(ranks: &Ranks, file: &str, text: &str) -> Vec<String> {
    if file == "lib.rs" || file.ends_with("/tests.rs") {
        return Vec::new();
    }
    let mut mistakes = Vec::new();
    let code = code_of(text);
    let (module, door) = module_of(file);
    let Some((own, rank, _)) = ranks.room(&module) else {
        return vec![format!("{file} is in no room of ARCHITECTURE.md")];
    };
    for (path, given_on) in paths_of(&code) {
        let used = absolute(&path, &module);
        let Some((room, used_rank, _)) = ranks.room(&used) else { continue };
        // A folder's front door gives on what its rooms have, and puts them together.
        let own_inside = door && room.starts_with(&format!("{own}/"));
        let strangers = own.starts_with("socket") && room.starts_with("http");
        if strangers || (used_rank > rank && !own_inside && !(given_on && door)) {
            mistakes.push(format!("{file}: `{own}` may not use `{room}` (`{}`)", path.join("::")));
        }
    }
    let names = |word: &str| {
        code.match_indices(word).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || "_:/.".contains(c))
                && code[at + word.len()..].starts_with("::")
        })
    };
    for (krate, place) in
        [("axum", "testing"), ("axum_core", "http"), ("socketioxide", "socket"), ("redis", "backend/redis")]
    {
        let inside = own.starts_with(place) || (own == "testing" && krate == "axum_core")
            // The route of a request is axum's own.
            || (own == "http/handler" && krate == "axum");
        if names(krate) && !inside {
            mistakes.push(format!("{file}: `{krate}` is named only in `{place}`"));
        }
    }
    mistakes
}

fn ranks() -> Ranks {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md")).unwrap();
    let (_, rest) = text.split_once("## The rooms").unwrap();
    let (_, rest) = rest.split_once("```text\n").unwrap();
    Ranks::read(rest.split_once("\n```").unwrap().0)
}

fn visit(folder: &Path, visitor: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, visitor);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visitor(&path);
        }
    }
}

#[test]
fn rooms_point_one_way() {
    let (root, ranks) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), ranks());
    let mut found = Vec::new();
    visit(&root, &mut |path| {
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap();
        found.extend(mistakes(&ranks, file, &fs::read_to_string(path).unwrap()));
    });
    found.sort();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn each_room_of_the_list_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for room in ranks().0.into_keys() {
        assert!(root.join(&room).is_dir() || root.join(format!("{room}.rs")).is_file(), "{room}");
    }
}

#[test]
fn a_wrong_arrow_is_seen() {
    let ranks = ranks();
    let seen = |file: &str, text: &str| mistakes(&ranks, file, text).len();
    assert_eq!(seen("http/service.rs", "use crate::socket::reply::Reply;"), 1);
    assert_eq!(seen("http/service.rs", "use crate::{\n    error::Error,\n    socket::reply::Reply,\n};"), 1);
    assert_eq!(seen("socket/reply.rs", "use crate::{error::Error, http::{cookie::{A, B}, layer}};"), 3);
    assert_eq!(seen("socket/backlog.rs", "fn f() { super::reply::tell() }"), 1);
    assert_eq!(seen("session/field.rs", "use super::{id::SessionId, state::SessionState};"), 1);
    assert_eq!(seen("turns/ticket.rs", "fn f(backend: &dyn crate::backend::Backend) {}"), 1);
    assert_eq!(seen("turns/ticket.rs", "use super::Queue; // crate::backend::Backend"), 0);
    assert_eq!(seen("backend/memory/mod.rs", "use super::redis::wire::Wire;"), 1);
    assert_eq!(seen("backend/mod.rs", "pub use self::redis::RedisBackend;"), 0);
    assert_eq!(seen("call/commit.rs", "use axum_core::body::Body;"), 1);
    assert_eq!(seen("socket/reply.rs", "use socketioxide::socket::Socket;"), 0);
    assert_eq!(seen("lost/room.rs", ""), 1);
}
