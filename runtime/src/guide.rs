//! Pages that go further than the front page.

/// What holds across several processes and machines.
#[doc = include_str!("../docs/several-machines.md")]
pub mod several_machines {}

/// Each rule of OWASP for sessions: where it is met, and what is left to the application.
#[doc = include_str!("../docs/owasp.md")]
pub mod owasp {}
