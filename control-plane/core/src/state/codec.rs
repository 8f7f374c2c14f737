//! Commands to and from the messages of the log.

use bosun_proto::{Key, Kind, Object, api, log};

use super::requests::{Done, RequestId};
use super::write::{Command, Write};

/// The number of the rules by which entries are read and applied, written into each entry. Raised by a change that an older
/// program would carry out in another way without noticing, for example a new field that is a precondition: then that
/// program stops instead of holding another state than the rest.
pub const ENTRY_FORMAT: u32 = 1;

/// A command in the log that this version of the program cannot read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct UnreadableCommand(&'static str);

/// An entry of the log that this version of the program cannot read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnreadableEntry {
    /// It is written by newer rules.
    #[error("it has format {0}, and this bosun knows formats up to {ENTRY_FORMAT}")]
    Format(u32),
    /// A command in it is of no kind that is known here.
    #[error("a command in it is unknown here: {0}")]
    Command(#[from] UnreadableCommand),
}

impl Command {
    /// The message that goes into the log.
    pub fn to_wire(&self) -> log::Command {
        log::Command {
            request_id: self.request_id.to_vec().into(),
            time: Some(self.time),
            writes: self
                .writes
                .iter()
                .map(|write| log::Write {
                    write: Some(write_to_wire(write)),
                })
                .collect(),
        }
    }

    /// The command of a message in the log.
    pub fn from_wire(wire: log::Command) -> Result<Self, UnreadableCommand> {
        Ok(Self {
            request_id: request_id_from_wire(&wire.request_id)?,
            time: wire.time.ok_or(UnreadableCommand("no time"))?,
            writes: wire
                .writes
                .into_iter()
                .map(write_from_wire)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Done {
    /// The message that stands for it in a snapshot.
    pub(super) fn to_wire(&self, request_id: &RequestId) -> log::DoneRequest {
        log::DoneRequest {
            request_id: request_id.to_vec().into(),
            time: Some(self.time),
            key: Some(key_to_wire(&self.key)),
            uid: self.uid.clone(),
            version: self.version,
            removed: self.removed,
        }
    }

    /// The request and what it did, of a message in a snapshot.
    pub(super) fn from_wire(wire: &log::DoneRequest) -> Result<(RequestId, Self), UnreadableCommand> {
        let done = Self {
            time: wire.time.ok_or(UnreadableCommand("no time"))?,
            key: key_from_wire(wire.key.as_ref())?,
            uid: wire.uid.clone(),
            version: wire.version,
            removed: wire.removed,
        };
        Ok((request_id_from_wire(&wire.request_id)?, done))
    }
}

fn request_id_from_wire(bytes: &[u8]) -> Result<RequestId, UnreadableCommand> {
    bytes.try_into().map_err(|_| UnreadableCommand("request id"))
}

fn write_to_wire(write: &Write) -> log::write::Write {
    use log::write::Write as Wire;
    match write {
        Write::Create(object) => Wire::Create(log::Create {
            object: Some(object.to_wire()),
        }),
        Write::Replace {
            object,
            expected_version,
        } => Wire::Replace(log::Replace {
            object: Some(object.to_wire()),
            expected_version: *expected_version,
        }),
        Write::Delete {
            key,
            uid,
            expected_version,
        } => Wire::Delete(log::Delete {
            key: Some(key_to_wire(key)),
            uid: uid.clone(),
            expected_version: *expected_version,
        }),
        Write::Bind {
            pod,
            expected_version,
            node,
        } => Wire::Bind(log::Bind {
            namespace: pod.namespace.to_string(),
            pod: pod.name.to_string(),
            expected_version: *expected_version,
            node: node.clone(),
        }),
        Write::Count(count) => Wire::Count(count.clone()),
        Write::Progress(progress) => Wire::Progress(progress.clone()),
        Write::Expect { key, version } => Wire::Expect(log::Expect {
            key: Some(key_to_wire(key)),
            version: *version,
        }),
    }
}

fn write_from_wire(wire: log::Write) -> Result<Write, UnreadableCommand> {
    use log::write::Write as Wire;
    Ok(
        match wire.write.ok_or(UnreadableCommand("a write of unknown kind"))? {
            Wire::Create(create) => Write::Create(object_from_wire(create.object)?),
            Wire::Replace(replace) => Write::Replace {
                object: object_from_wire(replace.object)?,
                expected_version: replace.expected_version,
            },
            Wire::Delete(delete) => Write::Delete {
                key: key_from_wire(delete.key.as_ref())?,
                uid: delete.uid,
                expected_version: delete.expected_version,
            },
            Wire::Bind(bind) => Write::Bind {
                pod: Key::new(Kind::Pod, &bind.namespace, &bind.pod),
                expected_version: bind.expected_version,
                node: bind.node,
            },
            Wire::Count(count) => Write::Count(count),
            Wire::Progress(progress) => Write::Progress(progress),
            Wire::Expect(expect) => Write::Expect {
                key: key_from_wire(expect.key.as_ref())?,
                version: expect.version,
            },
        },
    )
}

fn object_from_wire(wire: Option<api::Object>) -> Result<Object, UnreadableCommand> {
    wire.and_then(Object::from_wire)
        .ok_or(UnreadableCommand("an object of unknown kind"))
}

fn key_to_wire(key: &Key) -> log::ObjectKey {
    log::ObjectKey {
        kind: api::Kind::from(key.kind).into(),
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
    }
}

fn key_from_wire(wire: Option<&log::ObjectKey>) -> Result<Key, UnreadableCommand> {
    let wire = wire.ok_or(UnreadableCommand("no key"))?;
    let kind = Kind::try_from(wire.kind()).map_err(|_| UnreadableCommand("a key of unknown kind"))?;
    Ok(Key::new(kind, &wire.namespace, &wire.name))
}
