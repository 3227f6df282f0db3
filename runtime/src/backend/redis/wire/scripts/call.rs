//! What all scripts share: how one is called, and how its answer is taken apart.

use std::vec;

use redis::{Cmd, ErrorKind, FromRedisValue, ParsingError, Script, ServerErrorKind, ToRedisArgs, Value};

use crate::backend::redis::wire::{Wire, link::Failure, source::Connection};

/// A script of these parts. What is needed seldom comes last: Lua makes a function when it comes by.
pub(super) fn script(parts: &[&str]) -> Script {
    Script::new(&parts.concat())
}

/// Room for a call as most are.
const USUAL_ARGUMENTS: usize = 24;
const USUAL_BYTES: usize = 1024;

/// A script with its keys and arguments, in the order in which its head reads them. The names are those of the head.
pub(super) struct Call {
    script: &'static Script,
    command: Cmd,
    #[cfg(test)]
    names: (Vec<&'static str>, Vec<&'static str>),
}

impl Call {
    /// With so many keys.
    pub(super) fn of(script: &'static Script, keys: usize) -> Self {
        let mut command = Cmd::with_capacity(USUAL_ARGUMENTS, USUAL_BYTES);
        command.arg("EVALSHA").arg(script.get_hash()).arg(keys);
        Self {
            script,
            command,
            #[cfg(test)]
            names: Default::default(),
        }
    }

    #[cfg_attr(not(test), allow(unused_variables, reason = "a test holds the names against the script's"))]
    pub(super) fn key(mut self, name: &'static str, key: impl ToRedisArgs) -> Self {
        #[cfg(test)]
        self.names.0.push(name);
        self.command.arg(key);
        self
    }

    #[cfg_attr(not(test), allow(unused_variables, reason = "a test holds the names against the script's"))]
    pub(super) fn arg(mut self, name: &'static str, value: impl ToRedisArgs) -> Self {
        #[cfg(test)]
        self.names.1.push(name);
        self.command.arg(value);
        self
    }

    /// Arguments of any number, after those with names.
    pub(super) fn more(mut self, values: impl ToRedisArgs) -> Self {
        self.command.arg(values);
        self
    }
}

/// Runs a script by its hash; Redis gets the text only where it does not know it (any more). `prepare` is told whether
/// an earlier try may have been carried out.
pub(super) async fn run<A: FromRedisValue>(
    wire: &Wire,
    prepare: impl Fn(bool) -> Call,
) -> Result<A, Failure> {
    let run = |mut connection: Connection, retried| {
        let Call { script, command, .. } = prepare(retried);
        async move {
            match command.query_async::<Value>(&mut connection).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    script.load_async(&mut connection).await?;
                    command.query_async(&mut connection).await
                }
                answer => answer,
            }
        }
    };
    let answer = wire.link.call(run).await?;
    // Only here: a try whose answer is not understood would count as lost, and be sent again.
    A::from_redis_value(answer).map_err(Failure::of_answer)
}

/// An answer is a word and what comes with it.
pub(super) struct Answer {
    pub(super) word: Vec<u8>,
    rest: vec::IntoIter<Value>,
}

impl Answer {
    pub(super) fn new(value: Value) -> Result<Self, ParsingError> {
        let mut values = match value {
            Value::Array(values) => values,
            one => vec![one],
        }
        .into_iter();
        let word = values.next().unwrap_or(Value::Nil);
        Ok(Self { word: Vec::from_redis_value(word)?, rest: values })
    }

    /// What comes next with the word; nil where nothing does.
    pub(super) fn take<T: FromRedisValue>(&mut self) -> Result<T, ParsingError> {
        T::from_redis_value(self.rest.next().unwrap_or(Value::Nil))
    }

    /// All that comes with the word.
    pub(super) fn rest<T: FromRedisValue>(self) -> Result<Vec<T>, ParsingError> {
        T::from_redis_values(self.rest.collect())
    }

    /// The script never says this word.
    pub(super) fn unexpected<T>(self) -> Result<T, ParsingError> {
        let word = String::from_utf8_lossy(&self.word);
        Err(format!("Redis gave an answer that was not expected: `{word}`").into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redis::Client;

    use super::{super::*, *};
    use crate::{
        backend::{
            Keys, Load,
            redis::wire::{link::Link, names::SessionKeys, source::Source},
            relay::Keep,
        },
        session::id::SessionId,
    };

    /// The names that the head of a script gives to its keys or arguments, and how many it reads.
    fn head<'a>(lua: &'a str, table: &str) -> Vec<&'a str> {
        let (before, after) = lua.split_once(&format!(" = unpack({table}, 1, ")).unwrap();
        let (_, names) = before.rsplit_once("local ").unwrap();
        let names: Vec<_> = names.split(',').map(str::trim).collect();
        let (count, _) = after.split_once(')').unwrap();
        assert_eq!(count.parse(), Ok(names.len()));
        names
    }

    #[test]
    fn each_script_reads_what_it_is_sent() {
        let keys = SessionKeys::of_hidden("app:", SessionId::random().hidden());
        let second = Duration::from_secs(1);
        let client = Client::open("redis://127.0.0.1/").unwrap();
        let wire = Wire::new(Link::new(Source::One(Box::new(client)), second, None), "app:".to_owned());
        let ticket = "ticket";
        let load = Load::read(Keys::All);
        let text = Some("ticket 1000 1000 a");
        let under = UnderLease {
            keys: &keys,
            ticket,
            text,
            states: &["a"],
            keep: Keep::No,
            length: second,
            hold: second,
        };
        let commit = SendCommit {
            keys: &keys,
            new_record: Some("new"),
            action: CommitAction::Change,
            token: "token",
            under: Some(under),
            lasting: None,
            attributes: &SendAttributes::default(),
            operations: &[Operation::Remove("v:a".to_owned())],
        };
        let usual = SendCommit {
            new_record: None,
            action: CommitAction::Update,
            attributes: &SendAttributes {
                expires: Some(SendExpires::default()),
                ..SendAttributes::default()
            },
            operations: &[Operation::Merge { field: "v:a".to_owned(), from: From::Held, to: Vec::new() }],
            ..commit
        };
        let calls = [
            (Take { keys: &keys, ticket, lease: second, load }.call(&wire), include_str!("take.lua")),
            (Renew { keys: &keys, ticket, lease: second }.call(), include_str!("renew.lua")),
            (Release { keys: &keys, ticket }.call(&wire), include_str!("release.lua")),
            (Hear { keys: &keys }.call(), include_str!("hear.lua")),
            (Forget { index: "index", entries: &[] }.call(), include_str!("forget.lua")),
            (commit.call(&wire, false), include_str!("commit.lua")),
            (usual.call(&wire, false), include_str!("commit_usual.lua")),
        ];
        for (Call { names: (keys, arguments), .. }, lua) in calls {
            let table = if lua.contains("unpack(arguments, ") { "arguments" } else { "ARGV" };
            assert!(keys.starts_with(&head(lua, "KEYS")));
            assert_eq!(if arguments.is_empty() { Vec::new() } else { head(lua, table) }, arguments);
        }
    }

    #[test]
    fn an_answer_has_a_known_word() {
        let word = |word: &str| Value::Array(vec![Value::BulkString(word.into())]);
        assert!(matches!(TakeAnswer::from_redis_value(word("broken")), Ok(TakeAnswer::Broken)));
        assert!(matches!(TakeAnswer::from_redis_value(word("gone")), Ok(TakeAnswer::Gone(None))));
        assert!(matches!(
            CommitAnswer::from_redis_value(word("exists")),
            Ok(CommitAnswer::Refused(Refusal::Exists))
        ));
        for nonsense in [word("nonsense"), word("wait"), Value::Array(Vec::new()), Value::Nil, Value::Int(1)]
        {
            assert!(TakeAnswer::from_redis_value(nonsense).is_err());
        }
        assert!(CommitAnswer::from_redis_value(word("nonsense")).is_err());
    }

    /// The error of an answer whose word nobody knows.
    fn is_unexpected<A>(answer: Result<A, ParsingError>) -> bool {
        answer.is_err_and(|error| error.to_string().contains("not expected"))
    }

    #[test]
    fn every_word_of_a_script_is_known() {
        let words = |lua: &'static str| {
            let said = |before| lua.split(before).skip(1).map(|said: &str| said.split_once('\'').unwrap().0);
            said("return { '")
                .chain(said("return refuse('"))
                .map(|word| Value::Array(vec![Value::BulkString(word.into())]))
                .collect::<Vec<_>>()
        };
        let take = words(include_str!("take.lua"));
        let commit = words(include_str!("commit.lua"));
        assert!(take.len() > 3 && commit.len() > 8);
        assert!(!take.into_iter().map(TakeAnswer::from_redis_value).any(is_unexpected));
        assert!(!commit.into_iter().map(CommitAnswer::from_redis_value).any(is_unexpected));
        assert!(is_unexpected(TakeAnswer::from_redis_value(Value::Array(vec![Value::BulkString(
            b"?".into()
        )]))));
    }
}
