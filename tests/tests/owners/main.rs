//! Owners: whose sessions these are, and ending them everywhere.

mod bad_input;
mod end;
mod find;
mod races;
mod stage;
