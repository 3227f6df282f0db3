//! Values: only what changed is written, and nothing undecodable is overwritten.

mod changes;
mod undecodable;
