//! The scripts that run in Redis, one round trip each. Beside each Lua file stands a Rust file that writes its keys and
//! arguments by name and reads its answer.

mod call;
mod commit;
mod forget;
mod hear;
mod messages;
mod release;
mod renew;
mod take;

pub(crate) use self::{
    commit::{
        CommitAction, CommitAnswer, From, Operation, Refusal, SendAttributes, SendCommit, SendExpires,
        UnderLease,
    },
    forget::Forget,
    hear::Hear,
    messages::{HEARTBEAT, Message, Tombstone},
    release::Release,
    renew::Renew,
    take::{Take, TakeAnswer},
};
