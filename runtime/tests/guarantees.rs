//! Each clause of the contract has a test: the end-to-end tests say in their heads which clauses they try
//! (`//! Clauses: 3, 4.`), and here that is held against the headings of `docs/guarantees.md`.

#![allow(clippy::unwrap_used, reason = "a test may fail like this")]

use std::{collections::BTreeSet, fs, path::Path};

/// A number in the heading of a clause, and whether the clause is only planned.
struct Clause {
    number: usize,
    is_reserved: bool,
}

/// The clauses of the page, in its order: `## 3. Turns`, or `## 15. Reserved: live state`.
fn clauses(page: &str) -> Vec<Clause> {
    let headings = page.lines().filter_map(|line| line.strip_prefix("## ")?.split_once(". "));
    let clauses = headings.filter_map(|(number, title)| {
        Some(Clause { number: number.parse().ok()?, is_reserved: title.starts_with("Reserved: ") })
    });
    clauses.collect()
}

/// The clauses that the head of a test file names: in lines such as `//! Clauses: 3, 4.`
fn named(text: &str) -> Result<Vec<usize>, String> {
    let head = text.lines().map_while(|line| line.strip_prefix("//!"));
    let mut numbers = Vec::new();
    for line in head.filter(|line| line.trim_start().to_lowercase().starts_with("clause")) {
        let list = line.strip_prefix(" Clauses: ").and_then(|list| list.strip_suffix('.'));
        let read = list.map(|list| list.split(", ").map(str::parse::<usize>).collect::<Result<Vec<_>, _>>());
        let Some(Ok(read)) = read else {
            return Err(format!("`//!{line}` is to be written as `//! Clauses: 3, 4.`"));
        };
        numbers.extend(read);
    }
    Ok(numbers)
}

/// What is wrong between the page and the test files, each given as its path and its text.
fn mistakes(page: &str, files: &[(String, String)]) -> Vec<String> {
    let clauses = clauses(page);
    let mut mistakes = Vec::new();
    if !clauses.iter().map(|clause| clause.number).eq(1..=clauses.len()) {
        mistakes.push("the page's clauses are not numbered 1, 2, 3 and so on".to_owned());
    }
    let stated: BTreeSet<_> =
        clauses.iter().filter(|clause| !clause.is_reserved).map(|clause| clause.number).collect();
    let mut tried = BTreeSet::new();
    for (path, text) in files {
        match named(text) {
            Ok(numbers) => {
                let unknown = numbers.iter().filter(|number| !stated.contains(number));
                mistakes.extend(
                    unknown.map(|number| {
                        format!("{path}: clause {number} is not on the page, or only reserved")
                    }),
                );
                tried.extend(numbers);
            }
            Err(mistake) => mistakes.push(format!("{path}: {mistake}")),
        }
    }
    mistakes.extend(stated.difference(&tried).map(|number| format!("no test names clause {number}")));
    mistakes
}

/// Reads all Rust files below a folder.
fn read(folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn each_clause_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/guarantees.md")).unwrap();
    let mut files = Vec::new();
    read(&root.join("../tests/tests"), &mut files);
    // The module `testing` is tried beside the crate.
    files.push(("testing.rs".to_owned(), include_str!("testing.rs").to_owned()));
    let found = mistakes(&page, &files);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

const PAGE: &str = "# What holds\n\n## 1. One\n\n## 2. Two\n\n### 7. Not a clause\n\n## 3. Reserved: three\n";

fn mistakes_in(page: &str, heads: &[&str]) -> Vec<String> {
    let file = |(number, head): (usize, &&str)| (format!("{number}.rs"), (*head).to_owned());
    mistakes(page, &heads.iter().enumerate().map(file).collect::<Vec<_>>())
}

#[test]
fn named_clauses_are_read_from_the_head_of_a_file() {
    assert_eq!(named("//! A test.\n//!\n//! Clauses: 3, 14.\n\nuse std::fs;\n"), Ok(vec![3, 14]));
    assert_eq!(named("//! Clauses: 3.\n//! Clauses: 4.\n"), Ok(vec![3, 4]));
    assert_eq!(named("//! A test.\n\nuse std::fs;\n//! Clauses: 3.\n// Clauses: 4.\n"), Ok(vec![]));
}

#[test]
fn a_line_that_is_not_of_the_form_is_a_mistake() {
    for line in
        ["Clauses: 3", "Clauses: 3 and 4.", "Clauses: 3,4.", "Clauses: .", "Clause: 3.", "clauses: 3."]
    {
        assert!(named(&format!("//! {line}\n")).is_err(), "{line}");
    }
    assert_eq!(mistakes_in(PAGE, &["//! Clauses: 1, 2.", "//! Clauses: 1"]).len(), 1);
}

#[test]
fn clauses_without_a_test_and_numbers_without_a_clause_are_listed() {
    assert_eq!(mistakes_in(PAGE, &["//! Clauses: 1.", "//! Clauses: 2, 1."]), Vec::<String>::new());
    assert_eq!(
        mistakes_in(PAGE, &["//! Clauses: 2."]),
        ["no test names clause 1"],
        "a reserved clause needs no test"
    );
    assert_eq!(
        mistakes_in(PAGE, &["//! Clauses: 1, 2.", "//! Clauses: 3, 7."]),
        [
            "1.rs: clause 3 is not on the page, or only reserved",
            "1.rs: clause 7 is not on the page, or only reserved"
        ]
    );
}

#[test]
fn a_page_with_a_gap_is_a_mistake() {
    assert_eq!(mistakes_in("## 1. One\n\n## 3. Three\n", &["//! Clauses: 1, 3."]).len(), 1);
}
