//! 2: what each mistake is told. A case is a program with one mistake and, beside it, the compiler's words.

#[test]
fn every_mistake_is_told_what_to_write() {
    trybuild::TestCases::new().compile_fail("*/*.rs");
}
