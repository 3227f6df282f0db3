//! How a handler holds its states: for reading, for writing, or as far as there are any. Loading them and finding what
//! changed runs the application's code: the call catches its panics, once around all of its states. What is held is
//! [`Contained`], so that the drop of one state cannot panic while the panic of another unwinds.

use std::{any::type_name, borrow::Cow, sync::Arc};

use crate::{
    backend::{Backend, Loaded},
    error::Error,
    panics::{Contained, caught},
    session::{
        change::{Changes, change_of},
        diff::Remembered,
        field::StoredFields,
        state::{Lives, Reading, SessionState, changes_between, remember},
        value::{Known, StoredValue},
    },
    turns::Mode,
};

/// One parameter that is session state.
pub trait Access: Sized + Send + Sync + 'static {
    #[doc(hidden)]
    const KEY: &'static str;
    #[doc(hidden)]
    const WRITES: bool;
    /// Whether it may change a state that is sent to sockets.
    #[doc(hidden)]
    const CHANGES_LIVE: bool = false;
    /// What the user's function is given.
    #[doc(hidden)]
    type Lent<'a>;
    #[doc(hidden)]
    fn load(loaded: Option<&Loaded>, backend: &dyn Backend) -> Result<Self, Error>;
    #[doc(hidden)]
    fn lend(&mut self) -> Self::Lent<'_>;
    #[doc(hidden)]
    fn changes(self, changes: &mut Changes) -> Result<(), Error>;
}

/// `&T`.
#[derive(Debug)]
pub struct Read<T>(Contained<Arc<T>>);

/// `&mut T`, with what was loaded, to know at the end what changed.
#[derive(Debug)]
pub struct Write<T> {
    /// This call's own until it is committed.
    state: Contained<Arc<T>>,
    /// A state with the same exact fields, shared with readers where all are exact; none where nothing of it is kept as it is.
    before: Option<Contained<Arc<T>>>,
    /// The encoding of what is not exact.
    remembered: Option<Box<Remembered>>,
    from: Option<StoredValue>,
}

/// `Option<&T>`.
#[derive(Debug)]
pub struct Maybe<T>(Option<Contained<Arc<T>>>);

impl<T: SessionState> Read<T> {
    pub(crate) fn into_owned(self) -> Result<T, Error> {
        match Arc::try_unwrap(self.0.into_inner()) {
            Ok(state) => Ok(state),
            // Only what is exact is shared.
            Err(state) => {
                let state = Contained::new(state);
                caught(|| copy_of(&**state))
            }
        }
    }
}

impl<T: SessionState> Access for Read<T> {
    const KEY: &'static str = T::KEY;
    const WRITES: bool = false;
    type Lent<'a> = &'a T;

    fn load(loaded: Option<&Loaded>, backend: &dyn Backend) -> Result<Self, Error> {
        Ok(Self(stored(loaded, backend)?.unwrap_or_else(first)))
    }

    fn lend(&mut self) -> &T {
        &self.0
    }

    fn changes(self, _: &mut Changes) -> Result<(), Error> {
        drop(self.0.into_inner());
        Ok(())
    }
}

impl<T: SessionState> Access for Write<T> {
    const KEY: &'static str = T::KEY;
    const WRITES: bool = true;
    const CHANGES_LIVE: bool = T::IS_LIVE;
    type Lent<'a> = &'a mut T;

    fn load(loaded: Option<&Loaded>, backend: &dyn Backend) -> Result<Self, Error> {
        let from = loaded.and_then(|loaded| loaded.value(T::KEY)).cloned();
        let before = match &from {
            _ if T::LIVES == Lives::AsItsEncoding => None,
            Some(value) => Some(decoded(value, backend)?),
            None => Some(first()),
        };
        if let (Lives::AsItIs, Some(before)) = (T::LIVES, before.as_ref()) {
            let state = Contained::new(Arc::new(copy_of(&***before)?));
            return Ok(Self { state, before: Some(before.clone()), remembered: None, from });
        }
        let known = before.as_ref().map(|before| &***before);
        let state = match &from {
            Some(value) => value.read(known),
            None => T::read(&Reading::new(known, StoredFields::Nowhere)),
        };
        let state = Contained::new(Arc::new(state?));
        let remembered = Some(Box::new(remember(&**state)?));
        Ok(Self { state, before, remembered, from })
    }

    fn lend(&mut self) -> &mut T {
        match Arc::get_mut(&mut self.state) {
            Some(state) => state,
            None => unreachable!("nobody else has it before it is committed"),
        }
    }

    fn changes(self, changes: &mut Changes) -> Result<(), Error> {
        let Self { state, before, remembered, from } = self;
        let remembered = remembered.map(|remembered| *remembered).unwrap_or_default();
        let known = before.as_ref().map_or(&**state, |before| &***before);
        let fields = changes_between(known, remembered, &**state)?;
        if fields.is_empty() {
            drop(state.into_inner());
        } else {
            let after = if T::LIVES == Lives::AsItsEncoding {
                drop(state.into_inner());
                None
            } else {
                Some(Contained::new(state.into_inner() as _))
            };
            changes.push((Cow::Borrowed(T::KEY), change_of(fields, from, after)));
        }
        drop(before.map(Contained::into_inner));
        Ok(())
    }
}

impl<T: SessionState> Access for Maybe<T> {
    const KEY: &'static str = T::KEY;
    const WRITES: bool = false;
    type Lent<'a> = Option<&'a T>;

    fn load(loaded: Option<&Loaded>, backend: &dyn Backend) -> Result<Self, Error> {
        stored(loaded, backend).map(Self)
    }

    fn lend(&mut self) -> Option<&T> {
        self.0.as_ref().map(|state| &***state)
    }

    fn changes(self, _: &mut Changes) -> Result<(), Error> {
        drop(self.0.map(Contained::into_inner));
        Ok(())
    }
}

fn stored<T: SessionState>(
    loaded: Option<&Loaded>,
    backend: &dyn Backend,
) -> Result<Option<Contained<Arc<T>>>, Error> {
    let Some(value) = loaded.and_then(|loaded| loaded.value(T::KEY)) else { return Ok(None) };
    if T::LIVES == Lives::AsItIs {
        return decoded(value, backend).map(Some);
    }
    let known = known(value, backend);
    let own = value.read(known.as_ref().map(|known| &***known))?;
    Ok(Some(Contained::new(Arc::new(own))))
}

/// The value as a state that others may have, too: of it only exact fields count.
fn decoded<T: SessionState>(value: &StoredValue, backend: &dyn Backend) -> Result<Contained<Arc<T>>, Error> {
    match known(value, backend) {
        Some(known) => Ok(known),
        None => value.decode().map(Contained::new),
    }
}

fn known<T: SessionState>(value: &StoredValue, backend: &dyn Backend) -> Option<Contained<Arc<T>>> {
    let note = |name| backend.registry().structs().note(T::KEY, name);
    match value.known::<T>() {
        Known::Decoded(state) => return Some(Contained::new(state)),
        Known::Other(name) => note(name),
        Known::Nothing => {}
    }
    note(type_name::<T>());
    None
}

/// A copy of a state whose fields are all exact.
fn copy_of<T: SessionState>(state: &T) -> Result<T, Error> {
    T::read(&Reading::new(Some(state), StoredFields::Nowhere))
}

/// The state where nothing is stored.
fn first<T: SessionState>() -> Contained<Arc<T>> {
    Contained::new(Arc::default())
}

/// The states of a handler: a tuple of [`Access`]es.
pub trait States: Sized + Send + Sync + 'static {
    #[doc(hidden)]
    const PLAN: &'static [(&'static str, Mode)];
    #[doc(hidden)]
    const KEYS: &'static [&'static str];
    #[doc(hidden)]
    const READS: bool;
    #[doc(hidden)]
    const WRITES: bool;
    /// The keys of those that are written.
    #[doc(hidden)]
    const TURNS: &'static [&'static str];
    /// Whether states that are sent to sockets may change, by their keys.
    #[doc(hidden)]
    const LIVE: &'static [(&'static str, bool)];
    /// What the user's function is given.
    #[doc(hidden)]
    type Lent<'a>;
    #[doc(hidden)]
    fn load(loaded: Option<&Loaded>, backend: &dyn Backend) -> Result<Self, Error>;
    #[doc(hidden)]
    fn lend(&mut self) -> Self::Lent<'_>;
    #[doc(hidden)]
    fn changes(self) -> Result<Changes, Error>;
}

/// The keys of the states that are written, and after them the others; how many are written.
const fn writes_first<const N: usize>(states: [(&'static str, bool); N]) -> ([&'static str; N], usize) {
    let mut keys = [""; N];
    let (mut next, mut written) = (0, 0);
    let mut writes = true;
    loop {
        let mut at = 0;
        while at < N {
            if states[at].1 == writes {
                keys[next] = states[at].0;
                next += 1;
            }
            at += 1;
        }
        if !writes {
            return (keys, written);
        }
        written = next;
        writes = false;
    }
}

const fn mode(writes: bool) -> Mode {
    if writes { Mode::Write } else { Mode::Read }
}

/// Whether no two of these keys are the same.
pub const fn distinct(keys: &[&str]) -> bool {
    let mut first = 0;
    while first < keys.len() {
        let mut second = first + 1;
        while second < keys.len() {
            if same(keys[first].as_bytes(), keys[second].as_bytes()) {
                return false;
            }
            second += 1;
        }
        first += 1;
    }
    true
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

macro_rules! states {
    ($($access:ident)*) => {
        impl<$($access: Access,)*> States for ($($access,)*) {
            const PLAN: &'static [(&'static str, Mode)] = {
                assert!(distinct(Self::KEYS), "two parameters of a handler hold the state under the same key");
                &[$(($access::KEY, mode($access::WRITES)),)*]
            };
            const KEYS: &'static [&'static str] = &[$($access::KEY,)*];
            const TURNS: &'static [&'static str] = {
                const fn first(keys: &'static [&'static str], written: usize) -> &'static [&'static str] {
                    keys.split_at(written).0
                }
                first(
                    &const { writes_first([$(($access::KEY, $access::WRITES),)*]) }.0,
                    writes_first([$(($access::KEY, $access::WRITES),)*]).1,
                )
            };
            const LIVE: &'static [(&'static str, bool)] = &[$(($access::KEY, $access::CHANGES_LIVE),)*];
            const READS: bool = false $(|| !$access::WRITES)*;
            const WRITES: bool = false $(|| $access::WRITES)*;
            type Lent<'a> = ($($access::Lent<'a>,)*);

            fn load(loaded: Option<&Loaded>, backend: &dyn Backend) -> Result<Self, Error> {
                let _ = (loaded, backend);
                Ok(($($access::load(loaded, backend)?,)*))
            }

            #[allow(non_snake_case, reason = "the types' names serve as the variables'")]
            #[allow(clippy::unused_unit, reason = "a handler without states")]
            fn lend(&mut self) -> Self::Lent<'_> {
                let ($($access,)*) = self;
                ($($access.lend(),)*)
            }

            #[allow(non_snake_case, unused_mut, reason = "the types' names serve as the variables'")]
            fn changes(self) -> Result<Changes, Error> {
                let mut changes = Changes::new();
                let ($($access,)*) = self;
                $($access.changes(&mut changes)?;)*
                Ok(changes)
            }
        }
    };
}

states!();
states!(A);
states!(A B);
states!(A B C);
states!(A B C D);
states!(A B C D E);
states!(A B C D E F);
states!(A B C D E F G);
states!(A B C D E F G H);
