//! Annotated handlers where routers are typed or described: axum-extra's typed routes, utoipa's descriptions.
//!
//! Clauses: 2.

use axum::{Json, Router, extract::State};
use axum_extra::routing::{RouterExt as _, TypedPath};
use serde::{Deserialize, Serialize};
use serde_json::json;
use socketioxide_session::{MemoryBackend, SessionControl, http_handler, session_state};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::Client,
};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

#[session_state]
struct Shelf {
    books: Vec<String>,
}

#[derive(Clone)]
struct Library(&'static str);

#[derive(Deserialize, TypedPath)]
#[typed_path("/shelf/{book}")]
struct Book {
    book: String,
}

#[derive(Deserialize, TypedPath)]
#[typed_path("/shelf")]
struct AllBooks;

#[http_handler(shelf)]
async fn put(Book { book }: Book, shelf: &mut Shelf) {
    shelf.books.push(book);
}

/// The state stands between extractors, and the body's is the last.
#[http_handler(shelf)]
async fn rename(Book { book }: Book, shelf: &mut Shelf, control: SessionControl, Json(name): Json<String>) {
    let _ = control;
    shelf.books.retain(|known| *known != book);
    shelf.books.push(name);
}

/// With a state of axum's.
#[http_handler(shelf)]
async fn all(_: AllBooks, shelf: &Shelf, State(library): State<Library>) -> String {
    format!("{}: {}", library.0, shelf.books.join(", "))
}

#[tokio::test]
async fn the_path_of_a_typed_route_stands_before_the_states() {
    let routes = Router::new().typed_put(rename).typed_post(put).typed_get(all);
    let routes = routes.with_state(Library("of Ada's")).layer(sessions(MemoryBackend::default()));
    let app = App::new(routes);
    let browser = Client::new(&app);
    let ada = app.here().client();
    assert_eq!(ada.post_json("/shelf/Notes", &()).await.status(), 200);
    let request = axum::http::Request::put("/shelf/Notes").header("content-type", "application/json");
    let request = request.body("\"More notes\"").expect("a request");
    assert_eq!(ada.request(request).await.status(), 200);
    assert_eq!(ada.get("/shelf").await.text(), "of Ada's: More notes");
    assert_eq!(browser.get("/shelf").await.ok(), "of Ada's: ");
}

#[derive(Serialize, ToSchema)]
struct Count {
    books: usize,
}

/// How many books are on the shelf.
#[utoipa::path(get, path = "/count", responses((status = 200, body = Count)))]
#[http_handler(shelf)]
async fn count(shelf: &Shelf) -> Json<Count> {
    Json(Count { books: shelf.books.len() })
}

#[derive(OpenApi)]
struct Described;

#[tokio::test]
async fn an_annotated_handler_is_described() {
    let described = OpenApiRouter::with_openapi(Described::openapi()).routes(routes!(count));
    let (routes, description) = described.split_for_parts();
    let description = serde_json::to_value(&description).expect("JSON");
    let get = &description["paths"]["/count"]["get"];
    assert_eq!(get["summary"], "How many books are on the shelf.");
    assert_eq!(get.get("requestBody"), None, "a state is no body");
    let app = App::new(routes.layer(sessions(MemoryBackend::default())));
    assert_eq!(Client::new(&app).get("/count").await.json(), json!({ "books": 0 }));
}
