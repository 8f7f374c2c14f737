//! Any server answers any client: what needs the leader is passed on to it, as it came, and so is the answer.
//!
//! Works on the HTTP/2 requests beneath gRPC, so it knows no messages: deadlines, metadata, streams in both directions and
//! trailers pass through, and whoever goes away ends the request at the other end. [`calls`] says what needs the leader.
//! While no server leads, a request waits about as long as an election takes. It is sent again when nothing was done (the
//! leader could not be reached, or the one asked does not lead any more and said so), or when to do it twice is to do it once.

mod calls;
mod content;
mod link;
mod sending;
mod service;
mod subscription;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bosun_core::refusal::Refusal;
use bosun_host::{Entropy, Host};
use http::{HeaderValue, Request, Response};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tower::{Service, ServiceExt};

use calls::Call;
use content::Content;
use link::LeaderLink;
pub(crate) use service::ForwardingLayer;

use super::grpc::{NOT_LED, REQUEST_ID, UNDECIDED, status_of};
use crate::raft::{Leader, Leadership, NodeId};

/// How long a request waits in all for a leader that takes it: several elections on an idle machine.
const LEADER_SEARCH_MAX: Duration = Duration::from_secs(1);
/// The pause before a request that nobody took is tried again, unless the lead is known to change sooner.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Marks a request that was forwarded, with the number of the server that did; such a one is not forwarded again.
const FORWARDED_BY: &str = "bosun-forwarded-by";

/// What forwarding needs to know. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Forwarder {
    node_id: NodeId,
    leadership: watch::Receiver<Leadership>,
    link: LeaderLink,
    entropy: Arc<dyn Entropy>,
}

/// Who is to answer.
enum Answerer {
    Here,
    There(Leader),
    /// Nobody just now.
    Nobody,
}

/// What came of sending a request once.
enum Attempt {
    Answered(Response<Body>),
    /// Nothing was done; the answer to give if it stays at that.
    NotDone(Response<Body>),
    /// It may have been done, or not; the answer to give if it stays at that.
    Unknown(Response<Body>),
}

impl Forwarder {
    /// A forwarder for the server of that number.
    pub(crate) fn new(node_id: NodeId, leadership: watch::Receiver<Leadership>, host: &Host) -> Self {
        Self {
            node_id,
            leadership,
            link: LeaderLink::new(Arc::clone(&host.network)),
            entropy: Arc::clone(&host.entropy),
        }
    }

    /// Has a request answered by the leader, which may be this server (`inner`).
    async fn answer<S>(&self, inner: S, request: Request<Body>, call: Call) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible> + Clone,
    {
        let (mut head, body) = request.into_parts();
        if call == Call::Write && !head.headers.contains_key(REQUEST_ID) {
            head.headers.insert(REQUEST_ID, self.new_request_id());
        }
        let was_forwarded = head.headers.contains_key(FORWARDED_BY);
        let mut content = match call {
            Call::Upload => Content::Once(Some(body)),
            Call::Write | Call::Change | Call::Harmless | Call::Subscription => {
                match Content::keep(body).await {
                    Ok(content) => content,
                    Err(status) => return status.into_http(),
                }
            }
        };
        let mut leadership = self.leadership.clone();
        let mut deadline = None;
        loop {
            let seen = leadership.borrow_and_update().clone();
            let refused = match self.answerer(&seen) {
                Answerer::Nobody => nobody(),
                Answerer::There(leader) if was_forwarded => elsewhere(&leader),
                answerer => {
                    let Some((body, hold)) = content.take() else {
                        return nobody();
                    };
                    let request = Request::from_parts(head.clone(), body);
                    let attempt = match answerer {
                        Answerer::There(leader) => self.send(&leader, seen.term, request, call, hold).await,
                        Answerer::Here | Answerer::Nobody => here(inner.clone(), request).await,
                    };
                    match attempt {
                        Attempt::Answered(response) => return response,
                        Attempt::NotDone(response) => response,
                        Attempt::Unknown(response) => match call {
                            Call::Write | Call::Harmless | Call::Subscription => response,
                            Call::Change | Call::Upload => return response,
                        },
                    }
                }
            };
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + LEADER_SEARCH_MAX);
            let stays = was_forwarded && !self.may_lead_soon(&seen);
            if stays || !content.is_left() || Instant::now() >= deadline {
                return refused;
            }
            let pause = deadline.min(Instant::now() + RETRY_PAUSE);
            // Whatever ends the wait, who leads is looked up again.
            drop(timeout_at(pause, leadership.changed()).await);
        }
    }

    /// For a client that gave none; it makes the repetitions by this server safe.
    fn new_request_id(&self) -> HeaderValue {
        let id = self.entropy.uuid().to_string();
        HeaderValue::from_str(&id).expect("a UUID is ASCII")
    }

    fn answerer(&self, seen: &Leadership) -> Answerer {
        match &seen.current {
            _ if seen.leader => Answerer::Here,
            Some(leader) if leader.node_id != self.node_id => Answerer::There(leader.clone()),
            // This server is elected, but does not know yet all that was agreed on before, or has lost touch.
            Some(_) | None => Answerer::Nobody,
        }
    }

    fn may_lead_soon(&self, seen: &Leadership) -> bool {
        seen.leader
            || seen
                .current
                .as_ref()
                .is_some_and(|leader| leader.node_id == self.node_id)
    }
}

/// Has this server answer by itself.
async fn here<S>(inner: S, request: Request<Body>) -> Attempt
where
    S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>,
{
    match inner.oneshot(request).await {
        Ok(response) => judged(response),
        Err(never) => match never {},
    }
}

fn judged(response: Response<Body>) -> Attempt {
    let is_marked = |mark| response.headers().contains_key(mark);
    if is_marked(NOT_LED) {
        Attempt::NotDone(response)
    } else if is_marked(UNDECIDED) {
        Attempt::Unknown(response)
    } else {
        Attempt::Answered(response)
    }
}

fn nobody() -> Response<Body> {
    let message = "no server leads just now: try again shortly";
    status_of(Refusal::NotLed(message.into())).into_http()
}

fn elsewhere(leader: &Leader) -> Response<Body> {
    let message = format!(
        "this server does not lead; the leader is at {}",
        leader.server.address
    );
    status_of(Refusal::NotLed(message)).into_http()
}
