//! Pages that go further than the front page.

/// A page and a socket that share one number; the client; states and sessions.
#[doc = include_str!("../docs/first-application.md")]
pub mod first_application {}

/// What a handler may take; turns; connecting, presence, and which sockets end with their session.
// The diagrams first: a link's first definition counts, and the page's own name files, which rustdoc does not copy.
#[doc = include_str!("../docs/diagrams.md")]
#[doc = include_str!("../docs/handlers.md")]
pub mod handlers {}

/// Login, logout, remember me, private pages.
#[doc = include_str!("../docs/logging-in.md")]
pub mod logging_in {}

/// What is saved, and what clients see: outcomes, acknowledgements, errors, pages of your own.
#[doc = include_str!("../docs/errors.md")]
pub mod errors {}

/// `Shared`: handlers that wait long, uploads, background jobs.
#[doc = include_str!("../docs/long-waits.md")]
pub mod long_waits {}

/// Live states, what happens after a commit, rooms, server-sent events.
#[doc = include_str!("../docs/pushing-to-tabs.md")]
pub mod pushing_to_tabs {}

/// Middleware of your own, the plain `Session` of others', axum-login.
#[doc = include_str!("../docs/middleware.md")]
pub mod middleware {}

/// Tests of an application that is driven in process, with feature `testing`.
// Its program needs the feature.
#[cfg_attr(feature = "testing", doc = include_str!("../docs/testing-an-application.md"))]
pub mod testing_an_application {}

/// Every setting of the layer, with its default.
#[doc = include_str!("../docs/settings.md")]
pub mod settings {}

/// What takes the place of what, and what differs.
#[doc = include_str!("../docs/coming-from-express.md")]
pub mod coming_from_express {}

/// What takes the place of what, and what differs.
#[doc = include_str!("../docs/coming-from-tower-sessions.md")]
pub mod coming_from_tower_sessions {}

/// Messages that come from others' macros and traits.
#[doc = include_str!("../docs/if-the-compiler-says.md")]
pub mod if_the_compiler_says {}

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
// The plots first, for the same reason.
#[doc = include_str!("../docs/plots.md")]
#[doc = include_str!("../docs/speed.md")]
pub mod speed {}

/// What an operator sees: spans, the log, metrics.
#[doc = include_str!("../docs/observability.md")]
pub mod observability {}
