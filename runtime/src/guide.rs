//! Pages that go further than the front page.

/// The contract, clause by clause: what holds today, and what does not hold yet.
#[doc = include_str!("../docs/guarantees.md")]
pub mod guarantees {}

/// Sessions in a store of tower-sessions, and in memory: old records, failures, bounds.
#[doc = include_str!("../docs/stores.md")]
pub mod stores {}

/// A release that changes a state, and the sessions that are stored already.
#[doc = include_str!("../docs/changing-a-state.md")]
pub mod changing_a_state {}

/// Owners of sessions: lists of them, ending them, working in them from outside.
#[doc = include_str!("../docs/log-out-everywhere.md")]
pub mod log_out_everywhere {}

/// What holds across several processes and machines.
#[doc = include_str!("../docs/several-machines.md")]
pub mod several_machines {}

/// How a proxy, a front end of another origin, and clients without cookies are set up.
#[doc = include_str!("../docs/behind-a-proxy.md")]
pub mod behind_a_proxy {}

/// Each rule of OWASP for sessions: where it is met, and what is left to the application.
#[doc = include_str!("../docs/owasp.md")]
pub mod owasp {}

/// How the cost of a session grows with their number, with sockets, and with the size of a state.
// The plots first: a link's first definition counts, and the page's own name files, which rustdoc does not copy.
#[doc = include_str!("../docs/plots.md")]
#[doc = include_str!("../docs/speed.md")]
pub mod speed {}
