//! Owners, labels and keys that are none, and a store that cannot be asked: a clear error each, and nothing else happens.
//!
//! Clauses: 16.

use serde_json::json;
use socketioxide_session::{ErrorKind, MemoryBackend, SessionKey, StoreBackend};
use socketioxide_session_tests::{
    app::sessions,
    client::{Client, Socket},
    log::Log,
    stores::TestStore,
};
use tracing::Level;

use crate::stage::{User, app, id_of, key_of, labels, user};

#[tokio::test]
async fn owners_that_are_none() {
    let layer = sessions(MemoryBackend::default());
    let (app, all) = (app(layer.clone()), layer.sessions());
    let client = Client::new(&app);
    for owner in [String::new(), "a".repeat(257), "é".repeat(129)] {
        let refused = client.get(&format!("/login?name={owner}")).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(refused.body.contains("1 to 256 bytes"), "{}", refused.body);
        for error in [
            all.by_owner(&owner, 0).await.unwrap_err(),
            all.end_by_owner(&owner).await.unwrap_err(),
            all.end_of(&owner, &SessionKey::from("x")).await.unwrap_err(),
            all.end_others_of(&owner, &SessionKey::from("x")).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::BadArgument);
        }
    }
    let huge = "x".repeat(10_000_000);
    let error = all.by_owner(&huge, 0).await.unwrap_err();
    assert!(error.to_string().contains("10000000") && error.to_string().len() < 200, "{error}");
    assert_eq!(client.cookie(), None, "no session began");
    for owner in ["a", &"a".repeat(256), "\u{0}\n'\"{}*"] {
        let client = Client::new(&app);
        let escaped = owner.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02x}"));
        client.get(&format!("/login?name={escaped}&label=desk")).await.ok();
        assert_eq!(labels(&all, owner).await, ["desk"], "{owner:?}");
    }
}

#[tokio::test]
async fn keys_that_are_none_or_anothers() {
    let layer = sessions(MemoryBackend::default());
    let (app, all) = (app(layer.clone()), layer.sessions());
    let (ada, bea) = (user(&app, "ada", "desk").await, user(&app, "bea", "sofa").await);
    let others = key_of(&bea).await;
    for key in [SessionKey::from(""), "nonsense".into(), "x".repeat(100_000).into(), others] {
        assert_eq!(all.end_of("ada", &key).await.unwrap_err().kind(), ErrorKind::NoSession);
    }
    for key in [SessionKey::from(""), "nonsense".into()] {
        assert_eq!(all.end(&key).await.unwrap_err().kind(), ErrorKind::NoSession);
        assert_eq!(all.shared::<User>(&key).await.unwrap_err().kind(), ErrorKind::NoSession);
    }
    let ended = key_of(&ada).await;
    all.end(&ended).await.unwrap();
    assert_eq!(all.end(&ended).await.unwrap_err().kind(), ErrorKind::NoSession);
    assert_eq!(bea.get("/owner").await.json(), json!("bea"), "nobody else has ended");
}

#[tokio::test]
async fn a_store_cannot_be_asked_and_says_so() {
    let layer = sessions(StoreBackend::new(TestStore::default()));
    let (app, all) = (app(layer.clone()), layer.sessions());
    let client = Client::new(&app);
    client.get("/visit").await.ok();
    let refused = client.get("/login?name=ada").await;
    assert_eq!(refused.status, 501);
    assert!(refused.body.contains("RedisBackend"), "{}", refused.body);
    assert_eq!(client.get("/visits").await.json(), json!([1, null]), "nothing of the login was saved");
    let key = key_of(&client).await;
    for error in [
        all.by_owner("ada", 0).await.unwrap_err(),
        all.end(&key).await.unwrap_err(),
        all.end_by_owner("ada").await.unwrap_err(),
        all.shared::<User>(&key).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    let mut socket = Socket::connect(&app, client.cookie().as_deref()).await;
    let error = socket.ask("sessions", &[]).await;
    assert!(
        error.to_string().contains("unsupported") || error.to_string().contains("RedisBackend"),
        "{error}"
    );
}

/// Neither an owner nor a label nor an id.
#[tokio::test]
async fn no_owner_is_logged() {
    let (log, _logging) = Log::begin(Level::TRACE);
    let layer = sessions(MemoryBackend::default());
    let (app, all) = (app(layer.clone()), layer.sessions());
    let ada = user(&app, "ada-lovelace", "analytical-engine").await;
    ada.get("/cycle").await.ok();
    let infos = all.by_owner("ada-lovelace", 0).await.unwrap();
    log.add(format!("{infos:?} {all:?}"));
    all.end_by_owner("ada-lovelace").await.unwrap();
    for secret in ["lovelace", "analytical", &id_of(&ada)] {
        assert_eq!(log.lines(secret), 0, "{secret}: {}", log.text());
    }
}
