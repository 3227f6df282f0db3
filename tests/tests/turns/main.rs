//! Turns: one writer of a state at a time, first come, first served, each short, and no one held up by another state.

mod deadlock;
mod flood;
mod independence;
mod interleavings;
mod limits;
mod nested;
mod not_polled;
mod order;
mod shared;
