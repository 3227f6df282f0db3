use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
    routing::post,
};
use socketioxide::{SocketIo, adapter::Adapter, extract::SocketRef};
use socketioxide_session::{connect_handler, connect_middleware, http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

// Each has one mistake, and is registered all the same.

#[http_handler(user)]
async fn login(user: User) -> String {
    user.name.unwrap_or_default()
}

#[http_handler(user)]
async fn only_users(user: User, request: Request, next: Next) -> Response {
    next.run(request).await
}

#[socket_handler(usr)]
async fn logout<A: Adapter>(user: &mut User, socket: SocketRef<A>) {
    user.name = None;
}

#[connect_handler(user)]
fn connected(user: &User) {}

#[connect_middleware(user)]
async fn let_in(user: &User) {}

// A struct that is being typed.
#[session_state]
struct Cart {
    items: Vec<String>,
    coup
}

#[http_handler(cart)]
async fn clear(cart: &mut Cart) {
    cart.items.clear();
}

fn main() {
    let (_, io) = SocketIo::new_layer();
    io.ns("/", connected.on("logout", logout).on_disconnect(logout).with(let_in));
    let _: Router<u8> =
        Router::new().route("/login", post(login)).route("/clear", post(clear)).layer(from_fn(only_users));
}
