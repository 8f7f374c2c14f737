//! One forwarding of a request to one leader.

use bosun_core::refusal::Refusal;
use http::{HeaderValue, Request, Response};
use tonic::body::Body;
use tower::ServiceExt;

use super::calls::Call;
use super::content::Hold;
use super::{Attempt, FORWARDED_BY, Forwarder, judged, subscription};
use crate::api::grpc::status_of;
use crate::raft::{Leader, NodeId};

impl Forwarder {
    /// Sends a request to the leader of `term`. Given up when another server is seen to lead: this one may never answer.
    pub(super) async fn send(
        &self,
        leader: &Leader,
        term: u64,
        mut request: Request<Body>,
        call: Call,
        hold: Hold,
    ) -> Attempt {
        let mark = HeaderValue::from(self.node_id);
        request.headers_mut().insert(FORWARDED_BY, mark);
        let sent = match self.link.to(&leader.server.address) {
            Ok(channel) => tokio::select! {
                answer = channel.oneshot(request) => answer,
                () = self.led_by_another(leader.node_id, term) => {
                    return unanswered(leader, "it has lost the lead", &hold, call);
                }
            },
            Err(error) => Err(error),
        };
        let response = match sent {
            Ok(response) => response,
            Err(error) => return unanswered(leader, &innermost(&error), &hold, call),
        };
        judged(match call {
            Call::Write | Call::Change | Call::Harmless | Call::Upload => response,
            Call::Subscription => {
                let forwarder = self.clone();
                let node_id = leader.node_id;
                let over = async move {
                    forwarder.led_by_another(node_id, term).await;
                    status_of(Refusal::NotLed("the lead has changed: ask again".into()))
                };
                response.map(|body| subscription::ended_by(body, over))
            }
        })
    }

    /// Returns once that server is not known to lead that term any more.
    async fn led_by_another(&self, node_id: NodeId, term: u64) {
        let mut leadership = self.leadership.clone();
        let changed = leadership.wait_for(|seen| {
            let still = seen
                .current
                .as_ref()
                .is_some_and(|leader| leader.node_id == node_id);
            !still || seen.term != term
        });
        // It fails when raft has ended here; then nothing is known of leaders.
        drop(changed.await);
    }
}

fn unanswered(leader: &Leader, why: &str, hold: &Hold, call: Call) -> Attempt {
    let server = &leader.server;
    if !hold.withdraw() {
        let why = format!("the leader, {server}, did not answer: {why}");
        return Attempt::Unknown(undecided(call, why));
    }
    let message = format!("the leader, {server}, cannot be reached: {why}");
    Attempt::NotDone(status_of(Refusal::NotLed(message)).into_http())
}

fn undecided(call: Call, why: String) -> Response<Body> {
    let refusal = match call {
        Call::Write | Call::Change => {
            Refusal::Undecided(format!("{why}; whether the change was made is not known"))
        }
        Call::Harmless | Call::Subscription | Call::Upload => Refusal::Unavailable(why),
    };
    status_of(refusal).into_http()
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut link = error;
    while let Some(source) = link.source() {
        link = source;
    }
    link.to_string()
}
