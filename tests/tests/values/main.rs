//! Values: what is told saved can be loaded again, only what changed is written, and nothing undecodable is overwritten.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

mod anew;
mod changes;
mod mutability;
mod refused;
mod undecodable;
mod zoo;
