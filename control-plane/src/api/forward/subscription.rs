//! A forwarded stream belongs to one leader and ends with its lead.

use futures::{StreamExt, stream};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyStream, StreamBody};
use tonic::Status;
use tonic::body::Body;

/// The same body, ended with the status that `over` gives, if that comes first.
pub(super) fn ended_by(body: Body, over: impl Future<Output = Status> + Send + 'static) -> Body {
    let state = Some((BodyStream::new(body), Box::pin(over)));
    let frames = stream::unfold(state, |state| async move {
        let (mut frames, mut over) = state?;
        tokio::select! {
            frame = frames.next() => frame.map(|frame| (frame, Some((frames, over)))),
            status = &mut over => Some((Ok(Frame::trailers(trailers(&status))), None)),
        }
    });
    Body::new(StreamBody::new(frames))
}

/// A status as it ends a stream.
fn trailers(status: &Status) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Err(unfit) = status.add_header(&mut headers) {
        tracing::error!(%unfit, "a status that cannot be sent");
    }
    headers
}
