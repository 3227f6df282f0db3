//! What was found by trying to break it: sessions that are worked on by their key inside of their own calls, changed ids
//! beside changed ids, lists with what is gone.
//!
//! Clauses: 4, 10, 11, 14, 15, 16.

use std::time::{Duration, Instant};

use axum::{Router, extract::Path, routing::get};
use futures_util::StreamExt;
use serde_json::json;
use socketioxide_session::{
    Backend, Ending, Error, ErrorKind, EventRouter, Expiry, MemoryBackend, Page, RedisBackend,
    SessionControl, SessionKey, Sessions, Shared, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    redis_server::RedisServer,
    soak::short_or_long,
    soon,
};

use crate::stage::{User, app, key_of, labels, user};

#[session_state(emit = "cart")]
struct Cart {
    items: u32,
}

/// What its own turn would have to end for.
#[http_handler(user)]
async fn itself(user: &mut User, control: SessionControl, sessions: Sessions) -> String {
    user.visits += 1;
    code_of(sessions.shared::<Cart>(&control.key()).await, async |cart| {
        cart.update(|cart| cart.items += 1).await
    })
    .await
}

#[http_handler(user)]
async fn reads_itself(user: &mut User, control: SessionControl, sessions: Sessions) -> String {
    user.visits += 1;
    code_of(sessions.shared::<User>(&control.key()).await, async |user| user.read().await.map(drop)).await
}

async fn code_of<T>(
    shared: Result<Shared<T>, Error>,
    act: impl AsyncFnOnce(Shared<T>) -> Result<(), Error>,
) -> String {
    let done = match shared {
        Ok(shared) => act(shared).await,
        Err(error) => Err(error),
    };
    done.map_or_else(|error| error.kind().code().to_owned(), |()| "done".to_owned())
}

#[http_handler(user)]
async fn ends_all(user: &mut User, control: SessionControl, sessions: Sessions) -> Result<String, Error> {
    user.visits += 1;
    let owner = control.owner().await?.unwrap_or_default();
    sessions.end_by_owner(&owner).await.map(|ended| ended.to_string())
}

#[http_handler]
async fn nobodys(control: SessionControl) -> Result<(), Error> {
    control.set_owner(None)?;
    control.set_label(None)
}

#[http_handler]
async fn expires(control: SessionControl, Path(seconds): Path<i64>) -> Result<(), Error> {
    control.set_expiry(Expiry::OnInactivity(time::Duration::seconds(seconds)))
}

#[socket_handler(cart)]
async fn count(cart: &Cart) -> u32 {
    cart.items
}

fn edges(backend: impl Backend) -> (App, Sessions) {
    let layer = sessions(backend).with_live::<Cart>();
    let all = layer.sessions();
    let routes = Router::new()
        .route("/itself", get(itself))
        .route("/reads-itself", get(reads_itself))
        .route("/ends-all", get(ends_all))
        .route("/nobodys", get(nobodys))
        .route("/expires/{seconds}", get(expires))
        .route("/login", get(login));
    let sockets = with_sockets(routes, (), |io| {
        io.ns("/", EventRouter::new().on("count", count));
    });
    (App::new(sockets.layer(layer)), all)
}

#[http_handler(user)]
async fn login(user: &mut User, control: SessionControl) -> Result<String, Error> {
    control.set_owner("ada")?;
    user.name = Some("ada".to_owned());
    Ok(control.key().to_string())
}

async fn inside_its_own_call(backend: impl Backend) {
    let (app, _) = edges(backend);
    let client = Client::new(&app);
    client.get("/login").await.ok();
    for path in ["/itself", "/reads-itself"] {
        let began = Instant::now();
        assert_eq!(client.get(path).await.ok(), "nested_turn", "{path}");
        assert!(began.elapsed() < Duration::from_secs(5), "at once: {path} took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn by_its_key_inside_its_own_call_is_an_error_at_once() {
    inside_its_own_call(MemoryBackend::default()).await;
}

/// There the key gives an id that stands for the session's own.
#[tokio::test]
async fn by_its_key_inside_its_own_call_is_an_error_at_once_on_redis() {
    let server = RedisServer::start().await;
    inside_its_own_call(RedisBackend::connect(server.url()).await.unwrap()).await;
}

async fn ends_its_own(backend: impl Backend) {
    let (app, _) = edges(backend);
    let client = Client::new(&app);
    client.get("/login").await.ok();
    let ended = soon("an answer", client.get("/ends-all")).await;
    assert_eq!(ended.status, 409, "{}", ended.body);
    assert!(ended.body.contains("the session has ended; nothing was saved"), "{}", ended.body);
}

#[tokio::test]
async fn who_ends_all_from_inside_is_told_that_its_own_ended() {
    ends_its_own(MemoryBackend::default()).await;
    let server = RedisServer::start().await;
    ends_its_own(RedisBackend::connect(server.url()).await.unwrap()).await;
}

/// A double click on "log in", on whichever nodes.
async fn changed_ids_beside_each_other(backends: [RedisBackend; 2]) {
    let [(first, all), (second, _)] = backends.map(|backend| {
        let layer = sessions(backend);
        (app(layer.clone()), layer.sessions())
    });
    for round in 0..short_or_long(20, 1_000) {
        let ada = user(&first, "ada", "desk").await;
        let key = key_of(&ada).await;
        let cookie = ada.cookie();
        let others: Vec<_> = (0..6)
            .map(|number| {
                let node = if number % 2 == 0 { &first } else { &second };
                let client = Client::new(node);
                client.keep(cookie.as_deref().unwrap());
                client
            })
            .collect();
        let answers = futures_util::future::join_all(others.iter().map(|client| client.get("/cycle"))).await;
        let changed = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(changed, 1, "round {round}: one of them has changed it");
        assert_eq!(labels(&all, "ada").await, ["desk"], "round {round}");
        all.end(&key).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_is_found_after_changes_of_its_id_beside_each_other() {
    let server = RedisServer::start().await;
    let backend = async || RedisBackend::connect(server.url()).await.unwrap();
    changed_ids_beside_each_other([backend().await, backend().await]).await;
}

#[tokio::test]
async fn a_session_is_found_after_changes_of_its_id_beside_each_other_in_a_cluster() {
    let server = RedisServer::start_cluster().await;
    let backend = async || RedisBackend::connect_cluster([server.url()]).await.unwrap();
    changed_ids_beside_each_other([backend().await, backend().await]).await;
}

/// What has gone long since takes nobody's place, on no page.
#[tokio::test]
async fn pages_are_full_although_sessions_have_gone() {
    let server = RedisServer::start().await;
    let layer = sessions(RedisBackend::connect(server.url()).await.unwrap());
    let (app, all) = (app(layer.clone()), layer.sessions());
    let mut lives = Vec::new();
    for number in 0..6 {
        lives.push(key_of(&user(&app, "ada", &format!("tab{number}")).await).await);
    }
    let index = server.keys("*owner:*").await.remove(0);
    // Before and between them are some that went without a word, all long ago.
    for (number, key) in lives.iter().enumerate() {
        let _: () = server.command(&["ZADD", &index, &(1_000 + 10 * number).to_string(), key.as_ref()]).await;
    }
    for gone in [1_095, 1_094, 1_093, 1_092, 1_045, 1_035, 1_005_u32] {
        let key = format!("gone{gone}");
        let _: () = server.command(&["ZADD", &index, &gone.to_string(), &key]).await;
    }
    let mut found = Vec::new();
    for number in 0.. {
        let page = all.by_owner("ada", Page::new(number, 2)).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(|info| info.key));
    }
    lives.reverse();
    assert_eq!(found, lives);
}

/// Whoever logs in anew is the newest.
#[tokio::test]
async fn the_last_login_comes_first_also_of_the_same_owner() {
    let server = RedisServer::start().await;
    for layer in
        [sessions(MemoryBackend::default()), sessions(RedisBackend::connect(server.url()).await.unwrap())]
    {
        let (app, all) = (app(layer.clone()), layer.sessions());
        let first = user(&app, "ada", "phone").await;
        // The time of day is read to the millisecond.
        tokio::time::sleep(Duration::from_millis(2)).await;
        user(&app, "ada", "desk").await;
        assert_eq!(labels(&all, "ada").await, ["desk", "phone"]);
        tokio::time::sleep(Duration::from_millis(2)).await;
        first.get("/label/tablet").await.ok();
        assert_eq!(labels(&all, "ada").await, ["desk", "tablet"]);
        first.get("/login?name=ada&label=phone").await.ok();
        assert_eq!(labels(&all, "ada").await, ["phone", "desk"]);
    }
}

#[tokio::test]
async fn a_page_that_is_far_away_is_empty() {
    let server = RedisServer::start().await;
    for layer in
        [sessions(MemoryBackend::default()), sessions(RedisBackend::connect(server.url()).await.unwrap())]
    {
        let (app, all) = (app(layer.clone()), layer.sessions());
        for _ in 0..20 {
            user(&app, "ada", "desk").await;
        }
        for number in [usize::MAX, usize::MAX / 100, usize::MAX / 8, (1 << 60) - 1, 1 << 40] {
            for size in [1, 8, 100, 1000] {
                let page = all.by_owner("ada", Page::new(number, size)).await.unwrap();
                assert_eq!(page.len(), 0, "{number} of {size}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_is_no_reason_for_a_session() {
    let (app, _) = edges(MemoryBackend::default());
    let client = Client::new(&app);
    client.get("/nobodys").await.ok();
    assert_eq!(client.cookie(), None);
}

/// As its sockets are, whoever follows a session by its key is told in time.
#[tokio::test]
async fn who_waits_by_the_key_hears_of_a_sooner_expiry_on_another_node() {
    let server = RedisServer::start().await;
    let (first, _) = edges(RedisBackend::connect(server.url()).await.unwrap());
    // This long it does not look by itself at what it cannot have missed.
    let never = Duration::from_mins(10);
    let backend = RedisBackend::builder(server.url()).with_cut_off(never).connect().await.unwrap();
    let (_second, all) = edges(backend);
    let client = Client::new(&first);
    let key = SessionKey::from(client.get("/login").await.ok());
    let shared = all.shared::<User>(&key).await.unwrap();
    let waits = tokio::spawn(async move { shared.ended().await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    client.get("/expires/2").await.ok();
    let began = Instant::now();
    soon("the end", waits).await.unwrap();
    println!("told after {:?}", began.elapsed());
}

/// It was found before the login, and listened to after it.
async fn follows_what_changed_before(backend: impl Backend) {
    let layer = sessions(backend);
    let (app, all) = (app(layer.clone()), layer.sessions());
    let visitor = Client::new(&app);
    visitor.get("/visit").await.ok();
    let key = key_of(&visitor).await;
    let (changing, ending) =
        (all.shared::<User>(&key).await.unwrap(), all.shared::<User>(&key).await.unwrap());
    visitor.get("/login?name=ada&label=desk").await.ok();
    let mut changes = changing.changes();
    assert_eq!(soon("a state", changes.next()).await.expect("it goes on").visits, 1);
    let ended = tokio::spawn(async move { ending.ended().await });
    // What listens under an id is looked at within a second.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    visitor.get("/visit").await.ok();
    while soon("a state", changes.next()).await.expect("it goes on").visits != 2 {}
    assert!(!ended.is_finished(), "it lives");
    visitor.get("/logout").await.ok();
    assert_eq!(soon("the end", ended).await.unwrap(), Some(Ending::Ended));
    while soon("the end", changes.next()).await.is_some() {}
}

#[tokio::test]
async fn who_listens_by_the_key_after_a_login_goes_on_under_the_new_id() {
    follows_what_changed_before(MemoryBackend::default()).await;
}

#[tokio::test]
async fn who_listens_by_the_key_after_a_login_goes_on_under_the_new_id_on_redis() {
    let server = RedisServer::start().await;
    follows_what_changed_before(RedisBackend::connect(server.url()).await.unwrap()).await;
}

/// So that it can be made again, and is not taken for the end of all.
async fn is_overtaken_by_a_login(backend: impl Backend) {
    let layer = sessions(backend);
    let (app, all) = (app(layer.clone()), layer.sessions());
    let visitor = Client::new(&app);
    visitor.get("/visit").await.ok();
    let shared = all.shared::<User>(&key_of(&visitor).await).await.unwrap();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let (go_on, waits) = std::sync::mpsc::channel();
    let webhook = shared.clone();
    let overtaken = tokio::spawn(async move {
        webhook
            .update(move |user| {
                begun.send(()).unwrap();
                user.visits += 10;
                tokio::task::block_in_place(|| waits.recv().unwrap());
            })
            .await
    });
    begins.await.unwrap();
    visitor.get("/cycle").await.ok();
    go_on.send(()).unwrap();
    assert_eq!(overtaken.await.unwrap().unwrap_err().kind(), ErrorKind::IdChanged);
    shared.update(|user| user.visits += 10).await.unwrap();
    assert_eq!(visitor.get("/visits").await.json(), json!([11, null]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_overtakes_who_has_the_key_is_told() {
    is_overtaken_by_a_login(MemoryBackend::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_overtakes_who_has_the_key_is_told_on_redis() {
    let server = RedisServer::start().await;
    is_overtaken_by_a_login(RedisBackend::connect(server.url()).await.unwrap()).await;
}

/// A webhook on the node that has the tab.
#[tokio::test]
async fn a_tab_is_sent_what_is_committed_by_the_key() {
    let server = RedisServer::start().await;
    for cache in [0, 100] {
        let backend = RedisBackend::connect(server.url()).await.unwrap().with_read_cache(cache).unwrap();
        let (app, all) = edges(backend);
        let client = Client::new(&app);
        let key = SessionKey::from(client.get("/login").await.ok());
        let mut socket = Socket::connect(&app, client.cookie().as_deref()).await;
        assert_eq!(socket.event("cart").await, [json!({ "items": 0 })]);
        let cart = all.shared::<Cart>(&key).await.unwrap();
        for number in 1..=20 {
            cart.update(|cart| cart.items += 1).await.unwrap();
            assert_eq!(socket.ask("count", &[]).await, json!(number), "what was saved is read");
            while soon("a push", socket.event("cart")).await != [json!({ "items": number })] {}
        }
    }
}

#[tokio::test]
async fn a_thousand_sessions_on_redis_end() {
    let server = RedisServer::start().await;
    let layer = sessions(RedisBackend::connect(server.url()).await.unwrap());
    let (app, all) = (app(layer.clone()), layer.sessions());
    for number in 0..1_000 {
        user(&app, "crawler", &format!("number{number}")).await;
    }
    let began = Instant::now();
    assert_eq!(all.by_owner("crawler", Page::new(0, 1000)).await.unwrap().len(), 1_000);
    println!("listed in {:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(all.end_by_owner("crawler").await.unwrap(), 1_000);
    println!("ended in {:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(all.end_by_owner("crawler").await.unwrap(), 0);
    println!("nothing to end in {:?}", began.elapsed());
    assert_eq!(labels(&all, "crawler").await, [""; 0]);
}
