//! Owns what a verb works with: the client, the namespace, the terminal, the world.

use crate::args::{Global, Selection};
use crate::environment::Environment;
use crate::output::terminal::Terminal;
use anyhow::Result;
use bosun_client::{Client, Query, endpoint};
use bosun_host::Host;
use bosun_proto::{Kind, Time};

/// Where a cluster listens unless told otherwise.
pub(crate) const DEFAULT_SERVER: &str = "127.0.0.1:7600";
/// The namespace of objects whose manifest names none.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// One call of the program.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The world.
    pub(crate) host: Host,
    /// Where output goes.
    pub(crate) terminal: Terminal,
    /// What the environment says.
    pub(crate) environment: Environment,
    /// The options all verbs share.
    pub(crate) global: Global,
}

impl Session {
    /// The namespace to work in.
    pub(crate) fn namespace(&self) -> &str {
        self.global.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }

    /// The addresses to talk to, from the command line or the environment.
    pub(crate) fn addresses(&self) -> Result<Vec<String>> {
        let text = self.global.server.as_ref().or(self.environment.server.as_ref());
        Ok(endpoint::parse_addresses(
            text.map_or(DEFAULT_SERVER, String::as_str),
        )?)
    }

    /// A client for those addresses. Nothing is dialled yet.
    pub(crate) fn client(&self) -> Result<Client> {
        self.client_of(&self.addresses()?)
    }

    /// A client for given addresses.
    pub(crate) fn client_of(&self, addresses: &[String]) -> Result<Client> {
        Ok(Client::new(&self.host, addresses)?)
    }

    /// The time, for ages.
    pub(crate) fn now(&self) -> Time {
        Time::from(self.host.clock.wall())
    }

    /// The namespace in which objects of a kind are looked for; empty for cluster-scoped kinds.
    pub(crate) fn namespace_of(&self, kind: Kind) -> &str {
        if kind.info().namespaced {
            self.namespace()
        } else {
            ""
        }
    }

    /// What a list of a kind asks for.
    pub(crate) fn query(&self, kind: Kind, selection: &Selection) -> Query {
        let namespace = if selection.all_namespaces {
            ""
        } else {
            self.namespace_of(kind)
        };
        Query::new(kind, namespace)
            .labels(selection.selector.as_deref().unwrap_or_default())
            .fields(selection.field_selector.as_deref().unwrap_or_default())
    }

    /// Prints what a server wants said about an object.
    pub(crate) fn warn_all(&self, object: &str, warnings: &[String]) {
        for warning in warnings {
            self.terminal.warning(&format!("{object}: {warning}"));
        }
    }
}
