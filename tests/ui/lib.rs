//! A catalogue of mistakes, a folder for each kind: programs, each beside the compiler's words to it, which `ui.rs`
//! checks. `TRYBUILD=overwrite cargo test -p ui` writes them anew, to be read before they are believed.
//!
//! One mistake shows only when code is made of a function, which those programs are spared: a handler that is generic
//! over a state, used with a state that it holds already.
//!
//! ```
//! use axum::{Router, routing::post};
//! use socketioxide_session::{SessionState, http_handler, session_state};
//!
//! #[session_state]
//! struct User {
//!     name: Option<String>,
//! }
//!
//! #[session_state]
//! struct Cart {
//!     items: Vec<u32>,
//! }
//!
//! #[http_handler(user, other)]
//! async fn forget<T: SessionState>(user: &mut User, other: &mut T) {
//!     user.name = None;
//!     *other = T::default();
//! }
//!
//! let app: Router = Router::new().route("/forget", post(forget::<Cart>));
//! ```
//!
//! ```compile_fail,E0080
//! use axum::{Router, routing::post};
//! use socketioxide_session::{SessionState, http_handler, session_state};
//!
//! #[session_state]
//! struct User {
//!     name: Option<String>,
//! }
//!
//! #[http_handler(user, other)]
//! async fn forget<T: SessionState>(user: &mut User, other: &mut T) {
//!     user.name = None;
//!     *other = T::default();
//! }
//!
//! let app: Router = Router::new().route("/forget", post(forget::<User>));
//! ```
