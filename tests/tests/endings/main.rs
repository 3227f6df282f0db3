//! Endings: logout and expiry end a session everywhere, sockets live and die with it, and activity keeps it alive.

mod activity;
mod beside;
mod bindings;
mod end;
mod expiry;
mod gone;
mod kept_alive;
mod late;
mod shutdown;
mod slow_connect;
mod told;
mod touches;
