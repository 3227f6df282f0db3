//! The methods of `MemoryBackend`.

use std::borrow::Cow;

use divan::Bencher;
use socketioxide_session::{
    MemoryBackend,
    backend::{Action, Attributes, Backend, Change, Commit, Expires, Keys, Load, SessionId},
    time,
};

use crate::{
    bench, runtime,
    state::{CONTENTS, Content, Countable, State},
};

#[divan::bench(args = CONTENTS)]
fn load(bencher: Bencher<'_, '_>, content: Content) {
    let (runtime, backend, id) = (runtime(), MemoryBackend::default(), SessionId::random());
    runtime.block_on(create(&backend, id, content));
    let load = Load::read(Keys::Only(&["state"]));
    bench(bencher, &runtime, async || backend.load(id, load).await.is_ok());
}

#[divan::bench(args = CONTENTS)]
fn commit_a_whole_value(bencher: Bencher<'_, '_>, content: Content) {
    let (runtime, backend, id) = (runtime(), MemoryBackend::default(), SessionId::random());
    runtime.block_on(create(&backend, id, content));
    let mut commit = commit(Action::Update, id, content);
    commit.expires = None;
    bench(bencher, &runtime, async || backend.commit(commit.clone()).await.is_ok());
}

async fn create(backend: &MemoryBackend, id: SessionId, content: Content) {
    backend.commit(commit(Action::Create(Attributes::new(id)), id, content)).await.expect("a session");
}

fn commit(action: Action, id: SessionId, content: Content) -> Commit {
    let value = serde_json::to_value(State::of(content)).expect("a state that serialises");
    let mut commit = Commit::new(id, action);
    commit.changes = [(Cow::Borrowed("state"), Change::Set(value))].into();
    let attributes = Attributes::new(id);
    commit.expires = Some(Expires::reckoned(attributes.created + time::Duration::DAY, &attributes));
    commit
}
