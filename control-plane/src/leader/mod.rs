//! What only the leader does: run the controllers and the scheduler, and watch over the nodes.

mod carry_out;
mod driver;
mod node_settings;
mod nodes;

use bosun_host::Host;
use tokio_util::sync::CancellationToken;

use crate::nodes::Sessions;
use crate::replica::Replica;
pub use node_settings::NodeSettings;

/// Leads whenever this server is the leader, until the server stops.
pub(crate) async fn run(
    replica: Replica,
    sessions: Sessions,
    host: Host,
    settings: NodeSettings,
    stop: CancellationToken,
) {
    let mut leadership = replica.leadership();
    tokio::select! {
        () = stop.cancelled() => return,
        () = replica.accepts_writes() => {}
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            leads = leadership.wait_for(|leadership| leadership.leader) => {
                if leads.is_err() {
                    return;
                }
            }
        }
        let term = leadership.borrow().term;
        tracing::info!(term, "leading");
        sessions.begin_lead(term);
        tokio::select! {
            () = stop.cancelled() => return,
            () = driver::run(&replica, &host) => {}
            () = nodes::run(&replica, &sessions, &host, &settings) => {}
            _ = leadership.wait_for(|leadership| !leadership.leader || leadership.term != term) => {}
        }
        // Agents come back to whoever leads now.
        sessions.end_lead();
        tracing::info!(term, "no longer leading");
    }
}
