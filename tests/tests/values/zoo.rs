//! Types of every kind, with values of every kind, on every backend: what is told saved is what is loaded; what is refused
//! leaves what was there; and all backends say the same.
//!
//! Clauses: 6.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    fmt::Debug,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use axum::{Extension, Router, routing::get};
use proptest::{
    collection::{btree_map, btree_set, hash_map, hash_set, vec},
    num, option,
    prelude::*,
    test_runner::TestRunner,
};
use serde::{Deserialize, Serialize};
use socketioxide_session::{
    MemoryBackend, RedisBackend, StoreBackend, http_handler, session_state, session_value,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::Client,
    redis_server::RedisServer,
    soak::cases,
    stores::TestStore,
};

/// A way for a value into a handler, and out of one, past every encoding.
type Slot<T> = Arc<Mutex<Option<T>>>;

/// How what is loaded is compared with what was saved.
#[derive(Clone, Copy, PartialEq)]
enum Loads {
    /// To the last bit, as `Debug` shows them.
    TheSame,
    /// The same in any order.
    InAnyOrder,
    /// Another value, by what the type says to serde: the same one everywhere.
    AnotherOne,
}

use Loads::{AnotherOne, InAnyOrder, TheSame};

/// Tries a field of each type: its first value, and the values that it is given.
macro_rules! zoo {
    ($($name:ident: $type:ty = $first:expr, $loads:expr, $values:expr;)*) => {
        $(mod $name {
            use super::*;

            #[session_state(key = "animal")]
            struct Animal {
                name: Option<String>,
                #[session(default = $first)]
                value: $type,
            }

            #[http_handler(animal)]
            async fn put(animal: &mut Animal, Extension(slot): Extension<Slot<$type>>) {
                animal.value = slot.lock().unwrap().take().unwrap();
            }

            #[http_handler(animal)]
            async fn look(animal: &Animal, Extension(slot): Extension<Slot<$type>>) {
                *slot.lock().unwrap() = Some(animal.value.clone());
            }

            #[test]
            fn is_loaded_as_it_was_saved() {
                let routes = || Router::new().route("/put", get(put)).route("/look", get(look));
                try_on_all::<$type>(routes, $first, $loads, $values);
            }
        })*
    };
}

/// A backend with a visitor, and what must have been loaded last.
struct Place<T> {
    name: &'static str,
    _app: App,
    visitor: Client,
    slot: Slot<T>,
}

impl<T: Send + 'static> Place<T> {
    fn new(name: &'static str, routes: Router, layer: socketioxide_session::SessionLayer) -> Self {
        let slot = Slot::default();
        let app = App::new(routes.layer(Extension(Arc::clone(&slot))).layer(layer));
        let visitor = Client::new(&app);
        Self { name, _app: app, visitor, slot }
    }

    /// Whether it is told saved.
    async fn put(&self, value: T) -> bool {
        *self.slot.lock().unwrap() = Some(value);
        let answer = self.visitor.get("/put").await;
        let refused = answer.body.contains("state `Animal` cannot be stored: field `value");
        assert!(answer.status == 200 || answer.status == 500 && refused, "{}: {}", self.name, answer.body);
        answer.status == 200
    }

    async fn look(&self) -> T {
        let answer = self.visitor.get("/look").await;
        assert_eq!(answer.status, 200, "{}: {}", self.name, answer.body);
        self.slot.lock().unwrap().take().unwrap()
    }
}

fn try_on_all<T>(routes: impl Fn() -> Router, first: T, loads: Loads, values: impl Strategy<Value = T>)
where
    T: Clone + Debug + PartialEq + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _context = runtime.enter();
    let server = runtime.block_on(RedisServer::start());
    let redis = runtime.block_on(RedisBackend::connect(server.url())).unwrap();
    let cached = runtime.block_on(RedisBackend::connect(server.url())).unwrap().with_read_cache(10).unwrap();
    let places = [
        Place::new("memory", routes(), sessions(MemoryBackend::default())),
        Place::new("store", routes(), sessions(StoreBackend::new(TestStore::default()))),
        Place::new("Redis", routes(), sessions(redis)),
        Place::new("Redis with a read cache", routes(), sessions(cached)),
    ];
    let last = Mutex::new(first);
    let same = |one: &T, other: &T| {
        one == other && (loads == InAnyOrder || format!("{one:?}") == format!("{other:?}"))
    };
    let tried = TestRunner::new(cases(24, 2000)).run(&values, |value| {
        runtime.block_on(async {
            let mut loaded: Vec<(bool, T)> = Vec::new();
            for place in &places {
                loaded.push((place.put(value.clone()).await, place.look().await));
            }
            let (saved, now) = loaded[0].clone();
            for ((also_saved, there), place) in loaded.iter().zip(&places) {
                prop_assert_eq!(*also_saved, saved, "told by {}", place.name);
                prop_assert!(same(there, &now), "memory has {:?}, {} {:?}", now, place.name, there);
            }
            let mut last = last.lock().unwrap();
            if !saved {
                prop_assert!(same(&now, &last), "refused, and it was {:?} and is {:?}", last, now);
            } else if loads != AnotherOne {
                prop_assert!(same(&now, &value), "saved, and it is {:?}", now);
            }
            *last = now;
            Ok(())
        })
    });
    if let Err(failure) = tried {
        panic!("{failure}");
    }
}

/// Any bits.
fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![any::<u64>().prop_map(f64::from_bits), num::f64::ANY, Just(-0.0), Just(f64::NAN)]
}

#[session_value]
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Unit {
    One,
    #[serde(rename = "2")]
    Two,
}

/// With everything that serde's default tagging has.
#[session_value]
#[derive(Debug, PartialEq)]
enum Exact {
    Unit,
    New(Option<f64>),
    Tuple(u8, Option<()>),
    Named { a: i64, unit: Option<Unit> },
    Deep(Box<Exact>, Vec<Exact>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum External {
    Unit,
    New(Option<f64>),
    Tuple(u8, Option<()>),
    Named { a: i64, big: i128 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Unit,
    Named {
        a: Option<u64>,
        float: f64,
    },
    /// serde reads no integer of 128 bits here, not even a small one.
    Big {
        big: u128,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "what")]
enum Adjacent {
    Unit,
    #[allow(clippy::option_option, reason = "what JSON cannot tell apart")]
    New(Option<Option<u8>>),
    Named {
        a: BTreeMap<u8, char>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i32),
    Text(String),
    Named { a: f32 },
    Nothing,
}

/// Of one text there are two readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Ambiguous {
    Small(u8),
    Large(u32),
    Text(String),
    Letter(char),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Skipping {
    kept: u8,
    #[serde(skip)]
    skipped: u8,
    #[serde(with = "tens")]
    tens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u8>,
}

mod tens {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(number: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        (number / 10).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        u32::deserialize(deserializer).map(|tens| tens.saturating_mul(10))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Flat {
    a: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

/// What it writes it does not read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct OneWay(u8);

impl Serialize for OneWay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(2) { self.0.serialize(serializer) } else { "odd".serialize(serializer) }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct List {
    next: Option<Box<List>>,
}

impl List {
    /// Each element is a level.
    fn of(levels: usize) -> Self {
        (1..levels).fold(Self::default(), |next, _| Self { next: Some(Box::new(next)) })
    }
}

#[session_value]
#[derive(Debug, Default, PartialEq)]
struct Nest(Vec<Nest>);

impl Nest {
    fn of(levels: usize) -> Self {
        (1..levels).fold(Self::default(), |inside, _| Self(vec![inside]))
    }
}

fn exact() -> impl Strategy<Value = Exact> {
    let unit = prop_oneof![Just(Unit::One), Just(Unit::Two)];
    let leaf = prop_oneof![
        Just(Exact::Unit),
        option::of(floats()).prop_map(Exact::New),
        (any::<u8>(), option::of(Just(()))).prop_map(|(a, b)| Exact::Tuple(a, b)),
        (any::<i64>(), option::of(unit)).prop_map(|(a, unit)| Exact::Named { a, unit }),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        (inner.clone(), vec(inner, 0..3)).prop_map(|(one, more)| Exact::Deep(Box::new(one), more))
    })
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        num::f64::NORMAL.prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Into::into),
            btree_map(any::<String>(), inner, 0..4)
                .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn moments() -> impl Strategy<Value = (i64, u32)> {
    (-50_000_000_000_i64..50_000_000_000, 0..1_000_000_000_u32)
}

zoo! {
    bools: bool = false, TheSame, any::<bool>();
    bytes: u8 = 0, TheSame, any::<u8>();
    signed: i64 = 0, TheSame, any::<i64>();
    unsigned: u64 = 0, TheSame, any::<u64>();
    of_128_bits: u128 = 0, TheSame, prop_oneof![any::<u128>(), any::<u64>().prop_map(u128::from)];
    signed_of_128_bits: i128 = 0, TheSame, prop_oneof![any::<i128>(), any::<i64>().prop_map(i128::from)];
    single_floats: f32 = 0.0, TheSame, any::<u32>().prop_map(f32::from_bits);
    double_floats: f64 = 0.0, TheSame, floats();
    letters: char = 'a', TheSame, any::<char>();
    texts: String = String::new(), TheSame, any::<String>();
    boxed_texts: Box<str> = "".into(), TheSame, any::<String>().prop_map(Into::into);
    shared_texts: Arc<str> = "".into(), TheSame, any::<String>().prop_map(Into::into);
    units: () = (), TheSame, Just(());
    options: Option<u8> = None, TheSame, option::of(any::<u8>());
    nested_options: Option<Option<u8>> = None, TheSame, option::of(option::of(any::<u8>()));
    options_of_units: Option<()> = None, TheSame, option::of(Just(()));
    options_of_floats: Option<f64> = None, TheSame, option::of(floats());
    lists: Vec<Option<String>> = Vec::new(), TheSame, vec(option::of(any::<String>()), 0..5);
    queues: VecDeque<(u8, i8)> = VecDeque::new(), TheSame, vec(any::<(u8, i8)>(), 0..5).prop_map(Into::into);
    tuples: (u8, String, Option<f32>, [i16; 3]) = <_>::default(), TheSame,
        (any::<u8>(), any::<String>(), option::of(any::<f32>()), any::<[i16; 3]>());
    results: Result<u8, String> = Ok(0), TheSame, prop_oneof![any::<u8>().prop_map(Ok), any::<String>().prop_map(Err)];
    maps: BTreeMap<String, f64> = BTreeMap::new(), TheSame, btree_map(any::<String>(), floats(), 0..4);
    maps_by_number: BTreeMap<i64, u8> = BTreeMap::new(), TheSame, btree_map(any::<i64>(), any::<u8>(), 0..4);
    maps_by_128_bits: BTreeMap<u128, u8> = BTreeMap::new(), TheSame, btree_map(any::<u128>(), any::<u8>(), 0..4);
    maps_by_letter: BTreeMap<char, u8> = BTreeMap::new(), TheSame, btree_map(any::<char>(), any::<u8>(), 0..4);
    maps_by_bool: HashMap<bool, u8> = HashMap::new(), InAnyOrder, hash_map(any::<bool>(), any::<u8>(), 0..3);
    maps_by_variant: HashMap<Unit, u8> = HashMap::new(), InAnyOrder,
        hash_map(prop_oneof![Just(Unit::One), Just(Unit::Two)], any::<u8>(), 0..3);
    maps_by_option: BTreeMap<Option<u8>, u8> = BTreeMap::new(), TheSame, btree_map(any::<Option<u8>>(), any::<u8>(), 0..3);
    maps_by_list: BTreeMap<Vec<u8>, u8> = BTreeMap::new(), TheSame, btree_map(vec(any::<u8>(), 0..3), any::<u8>(), 0..3);
    maps_by_unit: BTreeMap<(), u8> = BTreeMap::new(), TheSame, btree_map(Just(()), any::<u8>(), 0..2);
    maps_by_id: HashMap<uuid::Uuid, u8> = HashMap::new(), InAnyOrder,
        hash_map(any::<u128>().prop_map(uuid::Uuid::from_u128), any::<u8>(), 0..4);
    sets: HashSet<String> = HashSet::new(), InAnyOrder, hash_set(any::<String>(), 0..5);
    sorted_sets: BTreeSet<(u8, char)> = BTreeSet::new(), TheSame, btree_set(any::<(u8, char)>(), 0..5);
    sets_of_ids: HashSet<uuid::Uuid> = HashSet::new(), InAnyOrder, hash_set(any::<u128>().prop_map(uuid::Uuid::from_u128), 0..5);
    durations: Duration = Duration::ZERO, TheSame, any::<Duration>();
    times: SystemTime = SystemTime::UNIX_EPOCH, TheSame, any::<SystemTime>();
    paths: PathBuf = PathBuf::new(), TheSame, any::<PathBuf>();
    addresses: IpAddr = Ipv6Addr::LOCALHOST.into(), TheSame, any::<IpAddr>();
    sockets: SocketAddr = "[::1]:1".parse().unwrap(), AnotherOne, any::<SocketAddr>();
    exact_enums: Exact = Exact::Unit, TheSame, exact();
    lists_of_exact_enums: Vec<Exact> = Vec::new(), TheSame, vec(exact(), 0..3);
    external_enums: External = External::Unit, TheSame, prop_oneof![
        Just(External::Unit),
        option::of(floats()).prop_map(External::New),
        (any::<u8>(), option::of(Just(()))).prop_map(|(a, b)| External::Tuple(a, b)),
        (any::<i64>(), any::<i128>()).prop_map(|(a, big)| External::Named { a, big }),
    ];
    internal_enums: Internal = Internal::Unit, TheSame, prop_oneof![
        Just(Internal::Unit),
        (any::<Option<u64>>(), floats()).prop_map(|(a, float)| Internal::Named { a, float }),
        any::<u64>().prop_map(|big| Internal::Big { big: big.into() }),
    ];
    adjacent_enums: Adjacent = Adjacent::Unit, TheSame, prop_oneof![
        Just(Adjacent::Unit),
        option::of(option::of(any::<u8>())).prop_map(Adjacent::New),
        btree_map(any::<u8>(), any::<char>(), 0..3).prop_map(|a| Adjacent::Named { a }),
    ];
    untagged_enums: Untagged = Untagged::Nothing, TheSame, prop_oneof![
        Just(Untagged::Nothing),
        any::<i32>().prop_map(Untagged::Number),
        any::<String>().prop_map(Untagged::Text),
        any::<f32>().prop_map(|a| Untagged::Named { a }),
    ];
    ambiguous_enums: Ambiguous = Ambiguous::Small(0), AnotherOne, prop_oneof![
        any::<u8>().prop_map(Ambiguous::Small),
        (0..1000_u32).prop_map(Ambiguous::Large),
        any::<String>().prop_map(Ambiguous::Text),
        any::<char>().prop_map(Ambiguous::Letter),
    ];
    skipped_fields: Skipping = Skipping::default(), AnotherOne, (any::<u8>(), any::<u8>(), any::<u32>(), any::<Option<u8>>())
        .prop_map(|(kept, skipped, tens, left_out)| Skipping { kept, skipped, tens, left_out });
    flattened_maps: Flat = Flat::default(), TheSame,
        (any::<u8>(), btree_map("[a-c]", any::<u8>(), 0..3)).prop_map(|(a, rest)| Flat { a, rest });
    one_way: OneWay = OneWay(0), TheSame, any::<u8>().prop_map(OneWay);
    deep_lists: List = List::default(), TheSame, (1..140_usize).prop_map(List::of);
    deep_exact: Nest = Nest::default(), TheSame, (1..140_usize).prop_map(Nest::of);
    deepest: Vec<Nest> = Vec::new(), TheSame, (120..128_usize).prop_map(|levels| vec![Nest::of(levels)]);
    decimals: rust_decimal::Decimal = rust_decimal::Decimal::ZERO, TheSame, (any::<i64>(), 0..28_u32)
        .prop_map(|(number, scale)| rust_decimal::Decimal::new(number, scale));
    ids: uuid::Uuid = uuid::Uuid::nil(), TheSame, any::<u128>().prop_map(uuid::Uuid::from_u128);
    chrono_moments: chrono::DateTime<chrono::Utc> = chrono::DateTime::UNIX_EPOCH, TheSame, moments()
        .prop_map(|(seconds, nanos)| chrono::DateTime::from_timestamp(seconds, nanos).unwrap());
    chrono_days: chrono::NaiveDate = chrono::NaiveDate::MIN, TheSame, (-90_000_000..90_000_000_i32)
        .prop_map(|days| chrono::NaiveDate::from_num_days_from_ce_opt(days).unwrap());
    time_moments: time::OffsetDateTime = time::OffsetDateTime::UNIX_EPOCH, TheSame, moments().prop_map(|(seconds, nanos)| {
        time::OffsetDateTime::from_unix_timestamp(seconds).unwrap() + Duration::from_nanos(nanos.into())
    });
    time_days: time::Date = time::Date::MIN, TheSame, (-1_900_000..5_300_000_i32)
        .prop_map(|day| time::Date::from_julian_day(day).unwrap());
    json_values: serde_json::Value = serde_json::Value::Null, TheSame, json();
    options_of_json: Option<serde_json::Value> = None, TheSame, option::of(json());
}
