//! Owners: whose sessions these are, and ending them everywhere.

#![allow(clippy::unwrap_used, reason = "a test that meets what it did not expect fails by a panic")]

mod asked;
mod bad_input;
mod edges;
mod end;
mod find;
mod nodes;
mod races;
mod stage;
