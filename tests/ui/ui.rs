//! 2: what each mistake is told. A case is a program with one mistake and, beside it, the compiler's words.

use std::process::Command;

/// The texts beside the cases are this compiler's.
const TEXTS_ARE_OF: &str = "rustc 1.95";

#[test]
fn every_mistake_is_told_what_to_write() {
    let version =
        Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output();
    let version =
        version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if !version.starts_with(TEXTS_ARE_OF) {
        // Not skipped: that each case is a mistake is so on every compiler.
        eprintln!(
            "the texts are those of {TEXTS_ARE_OF}, and this is {}: where rustc's own words differ below, that is why; \
             what our own messages say must be the same",
            version.trim()
        );
    }
    trybuild::TestCases::new().compile_fail("*/*.rs");
}
