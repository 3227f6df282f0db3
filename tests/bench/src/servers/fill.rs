//! Many sessions at once: `/fill/{number}/{path}` asks the application itself for that path, that often.

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{Request, StatusCode},
    routing::post,
};
use tower_service::Service;

pub(super) fn with_filling(app: Router) -> Router {
    let inner = app.clone();
    // Not inside of the layers: it is no request of anybody's session.
    app.route("/fill/{number}/{*path}", post(async move |path| fill(inner, path).await))
}

async fn fill(mut app: Router, Path((number, path)): Path<(usize, String)>) -> StatusCode {
    for _ in 0..number {
        let Ok(request) = Request::post(format!("/{path}")).body(Body::empty()) else {
            return StatusCode::BAD_REQUEST;
        };
        let Ok(response) = app.call(request).await;
        if response.status() != StatusCode::OK {
            return response.status();
        }
    }
    StatusCode::OK
}
