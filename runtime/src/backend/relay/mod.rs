//! Relays: calls of one process that go one after the other under one lease of an engine, and whose commits travel
//! together. Knows no engine; each gives it an [`Engine`].

mod engine;
mod one;
mod relays;
mod told;

pub(super) use self::{
    engine::{Asked, Done, Engine, Held, HeldLeases, Keep, LeaseAfter, Stored, UnderLease},
    relays::Relays,
};
