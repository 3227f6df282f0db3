//! Programs over all of `Session`'s methods, several requests long: how they are made up, and how they read.

use std::fmt;

use proptest::prelude::*;
use serde_json::{Value, json};

/// The keys that programs write. The first ones are what smallest programs are made of.
pub(super) const KEYS: [&str; 3] = ["user", "is_admin", "cart"];

/// What a request does to its `Session`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Op {
    Insert(&'static str, Value),
    Get(&'static str),
    GetValue(&'static str),
    InsertValue(&'static str, Value),
    /// Of a value that does not serialise.
    InsertBroken(&'static str),
    Remove(&'static str),
    RemoveValue(&'static str),
    Clear,
    IsEmpty,
    IsModified,
    Id,
    Expiry,
    Load,
    Save,
    /// A save on which the store fails.
    SaveFails,
    CycleId,
    Flush,
    Delete,
    SetExpiry(Option<Life>),
}

/// An `Expiry`, in minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Life {
    SessionEnd,
    Inactivity(i64),
    /// At a moment so long after it was set.
    At(i64),
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    Answer(u16),
    /// Its client goes away before the handler has answered.
    Dropped,
}

/// The cookie that a request shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shows {
    /// What the browser has.
    Own,
    Nothing,
    /// The id that was the so-many-th to be seen, whatever became of it.
    Id(usize),
}

#[derive(Clone, PartialEq)]
pub(super) struct Request {
    pub(super) shows: Shows,
    pub(super) ops: Vec<Op>,
    pub(super) end: End,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Alone(Request),
    /// Both begin. After that each entry of `turns` lets one of them do its next step (`false`: the first one), then
    /// the first goes on to its end, then the second.
    Both {
        first: Request,
        second: Request,
        turns: Vec<bool>,
    },
    /// So many seconds pass.
    Wait(u64),
}

#[derive(Clone, PartialEq)]
pub(super) struct Program {
    /// The layer's expiry, where it is given one.
    pub(super) expiry: Option<Life>,
    pub(super) always_save: bool,
    pub(super) steps: Vec<Step>,
}

impl Request {
    pub(super) fn new(ops: impl Into<Vec<Op>>) -> Self {
        Self { shows: Shows::Own, ops: ops.into(), end: End::Answer(200) }
    }

    pub(super) fn showing(self, shows: Shows) -> Self {
        Self { shows, ..self }
    }

    pub(super) fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }
}

impl Program {
    pub(super) fn new(steps: impl Into<Vec<Step>>) -> Self {
        Self { expiry: None, always_save: false, steps: steps.into() }
    }

    pub(super) fn expiring(self, expiry: Life) -> Self {
        Self { expiry: Some(expiry), ..self }
    }

    pub(super) fn always_saving(self) -> Self {
        Self { always_save: true, ..self }
    }

    /// The requests in the order in which they begin: what a trace calls them by.
    pub(super) fn requests<'a>(&'a self) -> Vec<&'a Request> {
        let of_step = |step: &'a Step| match step {
            Step::Alone(request) => vec![request],
            Step::Both { first, second, .. } => vec![first, second],
            Step::Wait(_) => vec![],
        };
        self.steps.iter().flat_map(of_step).collect()
    }

    /// Every program that is one thing shorter. proptest shrinks inside of what it made up, and leaves a lone request
    /// as one of two.
    pub(super) fn shorter(&self) -> Vec<Self> {
        let mut shorter = Vec::new();
        if self.always_save {
            shorter.push(Self { always_save: false, ..self.clone() });
        }
        if self.expiry.is_some() {
            shorter.push(Self { expiry: None, ..self.clone() });
        }
        for (at, step) in self.steps.iter().enumerate() {
            let with = |step: Option<Step>| {
                let mut shorter = self.clone();
                shorter.steps.splice(at..=at, step);
                shorter
            };
            shorter.push(with(None));
            shorter.extend(shorter_steps(step).into_iter().map(|step| with(Some(step))));
        }
        shorter
    }

    /// Whether a store must fail for it.
    pub(super) fn needs_a_store_that_fails(&self) -> bool {
        self.requests().iter().any(|request| request.ops.contains(&Op::SaveFails))
    }
}

fn shorter_steps(step: &Step) -> Vec<Step> {
    match step {
        Step::Alone(request) => shorter_requests(request).into_iter().map(Step::Alone).collect(),
        Step::Both { first, second, turns } => {
            let both = |first: &Request, second: &Request, turns: &[bool]| Step::Both {
                first: first.clone(),
                second: second.clone(),
                turns: turns.to_vec(),
            };
            let mut shorter = vec![Step::Alone(first.clone()), Step::Alone(second.clone())];
            shorter.extend(shorter_requests(first).iter().map(|first| both(first, second, turns)));
            shorter.extend(shorter_requests(second).iter().map(|second| both(first, second, turns)));
            shorter.extend(without_one(turns).iter().map(|turns| both(first, second, turns)));
            shorter
        }
        Step::Wait(_) => vec![],
    }
}

fn shorter_requests(request: &Request) -> Vec<Request> {
    let mut shorter: Vec<_> =
        without_one(&request.ops).into_iter().map(|ops| Request { ops, ..request.clone() }).collect();
    if request.end != End::Answer(200) {
        shorter.push(request.clone().ending(End::Answer(200)));
    }
    if request.shows != Shows::Own {
        shorter.push(request.clone().showing(Shows::Own));
    }
    shorter
}

fn without_one<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
    let without = |at: usize| {
        let mut list = list.to_vec();
        list.remove(at);
        list
    };
    (0..list.len()).map(without).collect()
}

pub(super) fn alone(ops: impl Into<Vec<Op>>) -> Step {
    Step::Alone(Request::new(ops))
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (1..4_u64).prop_map(Value::from),
        1 => Just(json!("bob")),
        1 => Just(json!({ "name": "ada", "visits": [1, 2] })),
        1 => Just(Value::Null),
    ]
}

fn keys() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&KEYS[..])
}

fn lives() -> impl Strategy<Value = Life> {
    prop_oneof![
        Just(Life::SessionEnd),
        prop_oneof![Just(30_i64), Just(120)].prop_map(Life::Inactivity),
        prop_oneof![4 => Just(60_i64), 4 => Just(30 * 24 * 60), 1 => Just(-5)].prop_map(Life::At),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (keys(), values()).prop_map(|(key, value)| Op::Insert(key, value)),
        2 => (keys(), values()).prop_map(|(key, value)| Op::InsertValue(key, value)),
        1 => keys().prop_map(Op::InsertBroken),
        3 => keys().prop_map(Op::Get),
        3 => keys().prop_map(Op::GetValue),
        2 => keys().prop_map(Op::Remove),
        2 => keys().prop_map(Op::RemoveValue),
        2 => Just(Op::Clear),
        1 => Just(Op::IsEmpty),
        1 => Just(Op::IsModified),
        1 => Just(Op::Id),
        1 => Just(Op::Expiry),
        2 => Just(Op::Load),
        3 => Just(Op::Save),
        1 => Just(Op::SaveFails),
        3 => Just(Op::CycleId),
        2 => Just(Op::Flush),
        1 => Just(Op::Delete),
        2 => prop::option::weighted(0.8, lives()).prop_map(Op::SetExpiry),
    ]
}

fn ends() -> impl Strategy<Value = End> {
    prop_oneof![
        12 => Just(End::Answer(200)),
        2 => Just(End::Answer(404)),
        1 => Just(End::Answer(500)),
        1 => Just(End::Dropped),
    ]
}

fn requests() -> impl Strategy<Value = Request> {
    let shows = prop_oneof![
        18 => Just(Shows::Own),
        1 => Just(Shows::Nothing),
        1 => (0..4_usize).prop_map(Shows::Id),
    ];
    let ops = prop::collection::vec(ops(), 0..6);
    (shows, ops, ends()).prop_map(|(shows, ops, end)| Request { shows, ops, end })
}

fn steps() -> impl Strategy<Value = Step> {
    let both = (requests(), requests(), prop::collection::vec(any::<bool>(), 0..12));
    prop_oneof![
        10 => requests().prop_map(Step::Alone),
        2 => both.prop_map(|(first, second, turns)| Step::Both { first, second, turns }),
        2 => prop::sample::select(vec![40, 20 * 60, 3 * 3600, 15 * 24 * 3600]).prop_map(Step::Wait),
    ]
}

/// Programs of up to six steps, under layers of several settings.
pub(super) fn programs() -> impl Strategy<Value = Program> {
    let expiry = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Life::SessionEnd)),
        2 => Just(Some(Life::Inactivity(30))),
    ];
    let steps = prop::collection::vec(steps(), 1..7);
    (expiry, prop::bool::weighted(0.15), steps).prop_map(|(expiry, always_save, steps)| Program {
        expiry,
        always_save,
        steps,
    })
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Insert(key, value) => write!(f, "insert({key:?}, {value})"),
            Self::InsertValue(key, value) => write!(f, "insert_value({key:?}, {value})"),
            Self::InsertBroken(key) => write!(f, "insert({key:?}, what does not serialise)"),
            Self::Get(key) => write!(f, "get({key:?})"),
            Self::GetValue(key) => write!(f, "get_value({key:?})"),
            Self::Remove(key) => write!(f, "remove({key:?})"),
            Self::RemoveValue(key) => write!(f, "remove_value({key:?})"),
            Self::Clear => f.write_str("clear()"),
            Self::IsEmpty => f.write_str("is_empty()"),
            Self::IsModified => f.write_str("is_modified()"),
            Self::Id => f.write_str("id()"),
            Self::Expiry => f.write_str("expiry()"),
            Self::Load => f.write_str("load()"),
            Self::Save => f.write_str("save()"),
            Self::SaveFails => f.write_str("save() on a store that fails"),
            Self::CycleId => f.write_str("cycle_id()"),
            Self::Flush => f.write_str("flush()"),
            Self::Delete => f.write_str("delete()"),
            Self::SetExpiry(Some(life)) => write!(f, "set_expiry({life})"),
            Self::SetExpiry(None) => f.write_str("set_expiry(None)"),
        }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionEnd => f.write_str("OnSessionEnd"),
            Self::Inactivity(minutes) => write!(f, "OnInactivity({minutes} min)"),
            Self::At(minutes) => write!(f, "AtDateTime(now + {minutes} min)"),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shows {
            Shows::Own => {}
            Shows::Nothing => f.write_str("[no cookie] ")?,
            Shows::Id(which) => write!(f, "[shows id {which}] ")?,
        }
        for op in &self.ops {
            write!(f, "{op}; ")?;
        }
        match self.end {
            End::Answer(status) => write!(f, "-> {status}"),
            End::Dropped => f.write_str("-> dropped"),
        }
    }
}

/// As somebody would write it down, for a failure is read in this form.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expiry = self.expiry.map_or_else(|| "no expiry".to_owned(), |life| life.to_string());
        let always = if self.always_save { ", always_save" } else { "" };
        writeln!(f, "a program (layer: {expiry}{always})")?;
        let mut who = 0..;
        let mut next = || who.next().unwrap_or_default();
        for step in &self.steps {
            match step {
                Step::Alone(request) => writeln!(f, "  request {}: {request}", next())?,
                Step::Both { first, second, turns } => {
                    let turns: String = turns.iter().map(|second| if *second { '2' } else { '1' }).collect();
                    writeln!(f, "  two at once, in the order {turns}..")?;
                    writeln!(f, "    request {}: {first}", next())?;
                    writeln!(f, "    request {}: {second}", next())?;
                }
                Step::Wait(seconds) => writeln!(f, "  {seconds} s pass")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
