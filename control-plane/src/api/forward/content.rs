//! The content of a request that may have to be sent more than once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use tonic::Status;
use tonic::body::Body;

/// A larger request is passed on as it comes, and so cannot be sent again. An object may have one MiB.
const KEPT_BYTES_MAX: usize = 2 << 20;

/// What a request carries.
pub(super) enum Content {
    /// All of it, to be sent as often as needed.
    Kept(Bytes),
    /// To be sent once; `None` when it was.
    Once(Option<Body>),
}

impl Content {
    /// Reads the whole content, unless it is too large to keep. Fails when the sender does.
    pub(super) async fn keep(mut body: Body) -> Result<Self, Status> {
        let mut parts: Vec<Bytes> = Vec::new();
        let mut size = 0;
        while let Some(frame) = body.frame().await {
            // Trailers of a request mean nothing in gRPC.
            let Ok(data) = frame?.into_data() else { continue };
            size += data.len();
            parts.push(data);
            if size > KEPT_BYTES_MAX {
                let read = stream::iter(parts).map(|part| Ok(Frame::data(part)));
                let whole = StreamBody::new(read.chain(BodyStream::new(body)));
                return Ok(Self::Once(Some(Body::new(whole))));
            }
        }
        if let [only] = parts.as_slice() {
            return Ok(Self::Kept(only.clone()));
        }
        let mut whole = BytesMut::with_capacity(size);
        for part in parts {
            whole.extend_from_slice(&part);
        }
        Ok(Self::Kept(whole.freeze()))
    }

    /// The content to send; `None` when it is used up.
    pub(super) fn take(&mut self) -> Option<(Body, Hold)> {
        let body = match self {
            Self::Kept(bytes) => Body::new(Full::new(bytes.clone())),
            Self::Once(body) => body.take()?,
        };
        let hold = Hold::default();
        if body.is_end_stream() {
            // Nothing stands between its headers and whoever acts on them.
            hold.release();
        }
        let held = hold.clone();
        let watched = body.map_frame(move |frame| {
            if held.release() {
                frame
            } else {
                Frame::data(Bytes::new())
            }
        });
        Some((Body::new(watched), hold))
    }

    /// Whether there is something to send (again).
    pub(super) fn is_left(&self) -> bool {
        match self {
            Self::Kept(_) | Self::Once(Some(_)) => true,
            Self::Once(None) => false,
        }
    }
}

/// Decides between sender and connection whether any of the content is handed over. As long as it was not, nobody can have
/// acted on the request.
#[derive(Clone, Default)]
pub(super) struct Hold(Arc<AtomicU8>);

const HELD: u8 = 0;
const RELEASED: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Hold {
    /// Takes the content back, if none of it was handed over; then none will be. True when that succeeds.
    pub(super) fn withdraw(&self) -> bool {
        self.decide(WITHDRAWN) == WITHDRAWN
    }

    /// The connection begins to send. False when the content was withdrawn.
    fn release(&self) -> bool {
        self.decide(RELEASED) == RELEASED
    }

    fn decide(&self, wanted: u8) -> u8 {
        let order = Ordering::AcqRel;
        let before = self.0.compare_exchange(HELD, wanted, order, Ordering::Acquire);
        before.map_or_else(|decided| decided, |_held| wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(parts: &[usize]) -> Body {
        let parts: Vec<_> = parts.iter().map(|size| Bytes::from(vec![7; *size])).collect();
        let frames = stream::iter(parts).map(|part| Ok::<_, Status>(Frame::data(part)));
        Body::new(StreamBody::new(frames))
    }

    async fn size(body: Body) -> usize {
        body.collect().await.unwrap().to_bytes().len()
    }

    #[tokio::test]
    async fn small_content_can_be_sent_again_and_large_content_arrives_whole_but_once() {
        for parts in [vec![], vec![3], vec![1, 2], vec![KEPT_BYTES_MAX - 1, 1]] {
            let mut content = Content::keep(body(&parts)).await.unwrap();
            for _ in 0..2 {
                let (sent, hold) = content.take().unwrap();
                assert_eq!(size(sent).await, parts.iter().sum::<usize>());
                assert!(!hold.withdraw());
            }
        }
        let mut content = Content::keep(body(&[KEPT_BYTES_MAX, 1, 5])).await.unwrap();
        let (sent, _) = content.take().unwrap();
        assert_eq!(size(sent).await, KEPT_BYTES_MAX + 6);
        assert!(content.take().is_none() && !content.is_left());
    }

    #[tokio::test]
    async fn what_was_withdrawn_is_not_sent_any_more() {
        let mut content = Content::keep(body(&[3])).await.unwrap();
        let (sent, hold) = content.take().unwrap();
        assert!(hold.withdraw());
        assert_eq!(size(sent).await, 0);
    }
}
