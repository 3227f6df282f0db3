//! The scripts that run in Redis, each of them one round trip, and what they answer.

use std::sync::LazyLock;

use redis::{RedisResult, Script, ScriptInvocation, Value};

use crate::backend::redis::wire::source::Connection;

/// Turns are taken, or a place in the line for them.
pub(crate) static TAKE: LazyLock<Script> = LazyLock::new(|| script(include_str!("take.lua")));
pub(crate) static RENEW: LazyLock<Script> = LazyLock::new(|| script(include_str!("renew.lua")));
pub(crate) static RELEASE: LazyLock<Script> = LazyLock::new(|| script(include_str!("release.lua")));
pub(crate) static COMMIT: LazyLock<Script> = LazyLock::new(|| script(include_str!("commit.lua")));

fn script(text: &str) -> Script {
    Script::new(&[include_str!("common.lua"), text].concat())
}

/// Runs a script by its hash; Redis is sent the text only where it does not know it (any more).
pub(crate) async fn run(
    invocation: &ScriptInvocation<'_>,
    mut connection: Connection,
) -> RedisResult<Answer> {
    invocation.invoke_async::<Value>(&mut connection).await.map(Answer::from)
}

/// A script's answer: a word, and what comes with it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) word: String,
    pub(crate) rest: Vec<Value>,
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        let mut values = match value {
            Value::Array(values) => values.into_iter(),
            other => vec![other].into_iter(),
        };
        let word = values.next().as_ref().and_then(bytes).unwrap_or_default();
        Self { word: String::from_utf8_lossy(&word).into_owned(), rest: values.collect() }
    }
}

/// A string that Redis gave, if it is one.
pub(crate) fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes.clone()),
        Value::SimpleString(text) => Some(text.clone().into_bytes()),
        Value::Int(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}

/// The fields of a hash, as a script gives them.
pub(crate) fn fields(value: Option<&Value>) -> Vec<(Vec<u8>, Vec<u8>)> {
    match value {
        Some(Value::Array(flat)) => {
            flat.chunks_exact(2).filter_map(|pair| Some((bytes(&pair[0])?, bytes(&pair[1])?))).collect()
        }
        Some(Value::Map(pairs)) => {
            pairs.iter().filter_map(|(field, value)| Some((bytes(field)?, bytes(value)?))).collect()
        }
        _ => Vec::new(),
    }
}
