//! This crate.

use axum::{
    Router,
    extract::Path,
    routing::{get, post},
};
use socketioxide::extract::SocketRef;
use socketioxide_session::{
    Backend, Error, Expiry, SessionControl, SessionLayer, connect_handler, http_handler, socket_handler,
    time::Duration,
};

use crate::state::{Size, State, StateWithClone};

macro_rules! application {
    ($state:ty) => {
        #[http_handler(state)]
        async fn begin(state: &mut $state, Path(size): Path<Size>) {
            *state = <$state>::of(size);
        }

        /// A session that ends by itself.
        #[http_handler(state)]
        async fn begin_for(
            state: &mut $state,
            control: SessionControl,
            Path((size, seconds)): Path<(Size, i64)>,
        ) -> Result<(), Error> {
            *state = <$state>::of(size);
            control.set_expiry(Some(Expiry::OnInactivity(Duration::seconds(seconds))))
        }

        async fn idle() -> String {
            1_u64.to_string()
        }

        #[http_handler(state)]
        async fn read(state: &$state) -> String {
            state.count.to_string()
        }

        #[http_handler(state)]
        async fn write(state: &mut $state) -> String {
            state.count += 1;
            state.count.to_string()
        }

        #[socket_handler(state)]
        async fn read_by_event(state: &$state) -> u64 {
            state.count
        }

        #[socket_handler(state)]
        async fn write_by_event(state: &mut $state) -> u64 {
            state.count += 1;
            state.count
        }

        #[connect_handler]
        async fn connected(socket: SocketRef) {
            socket.on("read", read_by_event);
            socket.on("write", write_by_event);
        }

        pub(in crate::servers) fn app(backend: impl Backend) -> Router {
            let (sockets, io) = crate::servers::sockets();
            io.ns("/", connected);
            Router::new()
                .route("/begin/{size}", post(begin))
                .route("/begin/{size}/{seconds}", post(begin_for))
                .route("/idle", get(idle))
                .route("/read", get(read))
                .route("/write", post(write))
                .layer(sockets)
                .layer(SessionLayer::new(backend).with_secure(false))
        }
    };
}

application!(State);

/// The same on a state that has `Clone`.
pub(super) mod with_clone {
    #[allow(clippy::wildcard_imports, reason = "what the module above uses, for another state")]
    use super::*;

    application!(StateWithClone);
}
