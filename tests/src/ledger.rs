//! A state that tells afterwards which of many calls took place: each client numbers its calls, and each call notes its
//! number.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use socketioxide::extract::Data;
use socketioxide_session::{
    Error, Session, SessionControl, Shared, http_handler, session_state, socket_handler,
};
use tokio::time::sleep;

#[session_state]
#[derive(Clone)]
pub struct Ledger {
    /// How many notes there are.
    pub notes: u64,
    pub clients: BTreeMap<String, Noted>,
}

/// The numbers that a client's calls have noted: all up to the last one but some.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    pub last: u64,
    pub missing: Vec<u64>,
}

impl Ledger {
    /// How many notes there are with this one; `None` if this number or a later one is there already.
    fn note(&mut self, client: &str, number: u64) -> Option<u64> {
        let noted = self.clients.entry(client.to_owned()).or_default();
        if number <= noted.last {
            return None;
        }
        noted.missing.extend(noted.last + 1..number);
        noted.last = number;
        self.notes += 1;
        Some(self.notes)
    }

    pub fn has(&self, client: &str, number: u64) -> bool {
        self.clients.get(client).is_some_and(|noted| number <= noted.last && !noted.missing.contains(&number))
    }
}

/// Some hold their turn for longer, so that it can be lost.
async fn note_slowly(ledger: &mut Ledger, client: &str, number: u64) -> Option<u64> {
    let noted = ledger.note(client, number);
    if number.is_multiple_of(16) {
        sleep(Duration::from_millis(30)).await;
    }
    noted
}

#[http_handler(ledger)]
async fn note(ledger: &mut Ledger, Path((client, number)): Path<(String, u64)>) -> Json<Option<u64>> {
    Json(note_slowly(ledger, &client, number).await)
}

async fn shared_note(
    ledger: Shared<Ledger>,
    Path((client, number)): Path<(String, u64)>,
) -> Result<Json<Option<u64>>, Error> {
    ledger.update(|ledger| ledger.note(&client, number)).await.map(Json)
}

#[http_handler(ledger)]
async fn read(ledger: &Ledger) -> Json<Ledger> {
    Json(ledger.clone())
}

#[http_handler(ledger)]
async fn enter(
    ledger: &mut Ledger,
    Path((client, number)): Path<(String, u64)>,
    control: SessionControl,
) -> Result<Json<Option<u64>>, Error> {
    control.cycle_id()?;
    Ok(Json(ledger.note(&client, number)))
}

#[http_handler]
async fn leave(control: SessionControl) -> Result<(), Error> {
    control.flush()
}

/// As middleware of others does that knows nothing of turns.
async fn plain(session: Session, Path(number): Path<u64>) -> Result<Json<Option<u64>>, StatusCode> {
    let cannot = |_| StatusCode::SERVICE_UNAVAILABLE;
    let before = session.get("plain").await.map_err(cannot)?;
    session.insert("plain", number).await.map_err(cannot)?;
    Ok(Json(before))
}

#[socket_handler(ledger)]
pub async fn socket_note(ledger: &mut Ledger, Data((client, number)): Data<(String, u64)>) -> Option<u64> {
    note_slowly(ledger, &client, number).await
}

/// Its requests.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/ledger", get(read))
        .route("/note/{client}/{number}", post(note))
        .route("/shared-note/{client}/{number}", post(shared_note))
        .route("/enter/{client}/{number}", post(enter))
        .route("/leave", post(leave))
        .route("/plain/{number}", post(plain))
}
