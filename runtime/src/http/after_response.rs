//! Sockets whose session ended or changed its id are disconnected when the response that says so is out: a page
//! that reconnects then shows what the response set.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum_core::body::Body;
use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::process::disconnects::{Cause, LONGEST_RESPONSE, Sockets, disconnect};

/// Disconnects these sockets when the response is out, or was dropped, or after [`LONGEST_RESPONSE`].
pub(super) fn after_response(sockets: Sockets, response: Response<Body>) -> Response<Body> {
    if sockets.is_empty() {
        return response;
    }
    let (sent, is_sent) = oneshot::channel::<()>();
    tokio::spawn(async move {
        tokio::time::timeout(LONGEST_RESPONSE, is_sent).await.ok();
        disconnect(sockets, Cause::Response);
    });
    response.map(|body| Body::new(WatchedBody { body, _sent: sent }))
}

/// A body whose end drops `sent`.
struct WatchedBody {
    body: Body,
    _sent: oneshot::Sender<()>,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum_core::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
