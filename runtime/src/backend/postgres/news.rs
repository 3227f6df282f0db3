//! What the nodes tell each other: that a session ended or changed its id, so that its sockets are disconnected on every
//! node; that it expires sooner than they know; that the turn of a waiting call has come; and, to who follows a session,
//! that something was committed to it.
//!
//! Messages are lost with a connection. So a node that listens again, or that the others took for dead, looks at every
//! session that has sockets or is followed here; one that cannot listen looks all the time; and one that could do neither
//! for `with_cut_off` disconnects its sockets.

use std::{
    collections::HashMap,
    error::Error as _,
    mem,
    sync::{Arc, Weak},
    time::Duration,
};

use sqlx::{
    Row as _,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    errors::explain,
    followed::Followed,
    node::Node,
    records::get,
    turns::Leases,
    wire::{Message, Wire, moment, span},
};
use crate::backend::BackendError;

/// The pause before the next try to listen.
const PAUSE: Duration = Duration::from_millis(500);

/// How many sessions are asked for at once.
const AT_ONCE: usize = 500;

/// How many sessions are removed at once.
const REMOVED_AT_ONCE: i32 = 500;

/// How a node hears of others.
#[derive(Clone)]
pub(super) enum Hears {
    /// On a connection of its own: by these options, or as the pool connects by then.
    Listening(Option<Box<PgConnectOptions>>),
    /// It looks, so often.
    Looking(Duration),
}

/// Listens, and passes on what it hears.
pub(super) struct News {
    wire: Arc<Wire>,
    node: Node,
    leases: Arc<Leases>,
    followed: Arc<Followed>,
    cut_off: Duration,
    cleanup: Duration,
    hears: Hears,
    is_heard: watch::Sender<bool>,
}

impl News {
    pub(super) fn new(
        wire: Arc<Wire>,
        node: Node,
        leases: Arc<Leases>,
        followed: Arc<Followed>,
        (cut_off, cleanup): (Duration, Duration),
        hears: Hears,
    ) -> Self {
        let looks = matches!(hears, Hears::Looking(_));
        Self { wire, node, leases, followed, cut_off, cleanup, hears, is_heard: watch::Sender::new(looks) }
    }

    /// Waits until this node hears of others.
    pub(super) async fn is_heard(&self) -> Result<(), BackendError> {
        let mut heard = self.is_heard.subscribe();
        match timeout(self.cut_off, heard.wait_for(|is_heard| *is_heard)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(BackendError::failed("the connection on which nodes listen was lost")),
        }
    }

    fn hear(&self, message: &str) {
        match Message::parse(message) {
            Some(Message::Ended { ending, node, hidden }) => self.node.told_of_end(hidden, ending, node),
            Some(Message::ExpiresSooner { hidden, expires }) => self.node.expires(hidden, expires),
            Some(Message::Committed { node, hidden }) => self.node.told_of_commit(hidden, node),
            Some(Message::Wake { ticket }) => self.leases.wake(ticket),
            None => {}
        }
    }

    /// Looks at every session that has sockets here or is followed, for what nobody told. `missed`: commits to those that
    /// are followed may have been missed, however many there were.
    async fn look(&self, missed: bool) -> Result<(), BackendError> {
        let ids = self.node.sessions_with_sockets();
        let ids: HashMap<_, _> = ids.into_iter().map(|id| (self.wire.hidden(id), id)).collect();
        let mut all = self.followed.all();
        all.retain(|hidden| !ids.contains_key(hidden));
        all.extend(ids.keys());
        for part in all.chunks(AT_ONCE) {
            let asked: Vec<_> = part.iter().map(|hidden| hidden.as_bytes().to_vec()).collect();
            let look = || sqlx::query(&self.wire.statements.look).bind(asked.clone());
            let found = self.wire.link.ask_all(look).await?;
            // In the order in which they were asked for, as a rule: but nothing says so.
            let mut rows: HashMap<&[u8], _> = HashMap::new();
            for row in &found {
                rows.insert(get(row, "hidden")?, row);
            }
            for hidden in part {
                let Some(row) = rows.get(&hidden.as_bytes()[..]) else { continue };
                let expires: Option<i64> = get(row, "expires")?;
                if let Some(expires) = expires.and_then(moment) {
                    self.node.expires(*hidden, expires);
                    let commits: Option<i64> = get(row, "commits")?;
                    if self.followed.has_new(hidden, commits.unwrap_or(0)) || missed {
                        self.node.may_have_missed(*hidden);
                    }
                } else {
                    self.node.found_gone(*hidden, get(row, "kind")?, get(row, "node")?);
                    if let Some(id) = ids.get(hidden) {
                        self.node.is_gone(*id);
                    } else {
                        self.node.may_have_missed(*hidden);
                    }
                }
            }
        }
        Ok(())
    }

    async fn catch_up(self: Arc<Self>) {
        let begun = Instant::now();
        while self.look(true).await.is_err() && begun.elapsed() < self.cut_off {
            sleep(PAUSE).await;
        }
    }
}

/// Hears of others until the backend is gone.
pub(super) async fn hear(weak: Weak<News>) {
    let Some(hears) = weak.upgrade().map(|news| news.hears.clone()) else { return };
    match hears {
        Hears::Listening(options) => listen(weak, options.as_deref()).await,
        Hears::Looking(pause) => look_often(weak, pause).await,
    }
}

async fn look_often(weak: Weak<News>, pause: Duration) {
    let (mut heard, mut is_told) = (Instant::now(), false);
    loop {
        sleep(pause).await;
        let Some(news) = weak.upgrade() else { return };
        match news.look(false).await {
            Ok(()) => (heard, is_told) = (Instant::now(), false),
            Err(error) => {
                tell_of_deafness(&mut is_told, &reason(&error));
                if heard.elapsed() >= news.cut_off {
                    news.node.cut_off();
                }
            }
        }
    }
}

async fn listen(weak: Weak<News>, own: Option<&PgConnectOptions>) {
    let (mut heard, mut is_told) = (Instant::now(), false);
    loop {
        let Some(news) = weak.upgrade() else { return };
        let (cut_off, patience) = (news.cut_off, news.cut_off * 2 / 5);
        match timeout(patience, begin(&news, own)).await {
            Ok(Ok(listener)) => {
                news.is_heard.send_replace(true);
                news.leases.wake_all();
                tokio::spawn(Arc::clone(&news).catch_up());
                drop(news);
                (heard, is_told) = (Instant::now(), false);
                hear_while_connected(&weak, listener, cut_off, &mut heard).await;
                tracing::debug!("the connection on which nodes hear of each other's sessions was lost");
                let Some(news) = weak.upgrade() else { return };
                news.is_heard.send_replace(false);
            }
            failed => {
                let reason = match &failed {
                    Ok(Err(error)) => reason(error),
                    _ => "no answer in time".to_owned(),
                };
                tell_of_deafness(&mut is_told, &reason);
                if heard.elapsed() >= cut_off {
                    news.node.cut_off();
                }
                drop(news);
                sleep(PAUSE).await;
            }
        }
    }
}

/// Once until it hears again.
fn tell_of_deafness(is_told: &mut bool, error: &str) {
    if !mem::replace(is_told, true) {
        tracing::warn!(error, "this node does not hear of sessions that end on others");
    }
}

/// An error with what lies behind it.
fn reason(error: &BackendError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn failed(error: sqlx::Error) -> BackendError {
    BackendError::Failed(explain(error))
}

/// Listens on a connection of its own, and says so.
async fn begin(news: &News, own: Option<&PgConnectOptions>) -> Result<PgListener, BackendError> {
    // Their password may be another one than the last time.
    let options = own.map_or_else(|| (*news.wire.link.pool.connect_options()).clone(), Clone::clone);
    let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let pool = pool.connect_with(options).await.map_err(failed)?;
    let mut listener = PgListener::connect_with(&pool).await.map_err(failed)?;
    listener.ignore_pool_close_event(true);
    listener.eager_reconnect(false);
    let schema = &news.wire.link.schema;
    let channels = [schema.channel(), schema.node_channel(&news.wire.node)];
    listener.listen_all(channels.iter().map(String::as_str)).await.map_err(failed)?;
    beat(news, &mut listener).await?;
    news.followed.begin_anew().await?;
    Ok(listener)
}

/// Says that this node lives, on the connection on which it listens. Whether the others knew so until now.
async fn beat(news: &News, listener: &mut PgListener) -> Result<bool, BackendError> {
    let beat = sqlx::query(&news.wire.statements.beat).bind(&*news.wire.node).bind(span(news.cut_off));
    let row = beat.fetch_one(listener).await.map_err(failed)?;
    row.try_get(0).map_err(failed)
}

async fn hear_while_connected(
    weak: &Weak<News>,
    mut listener: PgListener,
    cut_off: Duration,
    heard: &mut Instant,
) {
    let mut beats = interval(cut_off / 6);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let patience = cut_off * 2 / 5;
    loop {
        tokio::select! {
            message = listener.try_recv() => {
                let (Ok(Some(message)), Some(news)) = (message, weak.upgrade()) else { return };
                *heard = Instant::now();
                news.hear(message.payload());
            }
            _ = beats.tick() => {
                let Some(news) = weak.upgrade() else { return };
                match timeout(patience, beat(&news, &mut listener)).await {
                    Ok(Ok(true)) => {}
                    Ok(Ok(false)) => {
                        if news.followed.begin_anew().await.is_err() {
                            return;
                        }
                        tokio::spawn(Arc::clone(&news).catch_up());
                    }
                    _ => return,
                }
                *heard = Instant::now();
            }
        }
    }
}

/// Looks for sessions that went without a word, until the backend is gone.
pub(super) async fn look_for_gone(weak: Weak<News>) {
    while let Some(cut_off) = weak.upgrade().map(|news| news.cut_off) {
        sleep(cut_off / 2).await;
        let Some(news) = weak.upgrade() else { return };
        news.look(false).await.ok();
    }
}

/// Removes what has expired, until the backend is gone.
pub(super) async fn tidy(weak: Weak<News>) {
    while let Some(pause) = weak.upgrade().map(|news| news.cleanup) {
        sleep(pause).await;
        let Some(news) = weak.upgrade() else { return };
        loop {
            let tidy = || sqlx::query(&news.wire.statements.tidy).bind(REMOVED_AT_ONCE);
            let row = news.wire.link.ask(tidy).await;
            let removed: i64 = row.ok().flatten().and_then(|row| row.try_get(0).ok()).unwrap_or(0);
            if removed < i64::from(REMOVED_AT_ONCE) {
                break;
            }
        }
    }
}
