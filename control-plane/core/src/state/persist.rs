//! The state as bytes, for raft snapshots: a header, the objects and the remembered requests, each with its length in front.
//!
//! The history is not part of it: a server that starts from a snapshot answers older watches with "too old".

use std::io::{self, Read, Write};

use bosun_proto::{Kind, Object, api, log};
use prost::Message;

use super::codec::UnreadableCommand;
use super::requests::Done;
use super::snapshot::Snapshot;

/// A longer message cannot be one of ours: it would be a damaged length.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// A snapshot whose bytes do not hold what its header says.
#[derive(Debug, thiserror::Error)]
pub enum DamagedSnapshot {
    /// It cannot be read, or ends early.
    #[error("the snapshot of the state cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A message in it does not decode.
    #[error("the snapshot of the state does not decode: {0}")]
    Undecodable(#[from] prost::DecodeError),
    /// A length in it makes no sense.
    #[error("the snapshot of the state says that a message in it has {0} bytes")]
    ImpossibleLength(usize),
    /// A remembered request in it makes no sense.
    #[error("the snapshot of the state holds a request that cannot be read: {0}")]
    Request(#[from] UnreadableCommand),
    /// An object in it is of a kind this version does not know.
    #[error(
        "the snapshot of the state holds an object of a kind this version does not know (written by a newer version?)"
    )]
    UnknownKind,
}

/// Writes the bytes of a state. The same state always gives the same bytes.
pub fn encode_snapshot(state: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let object_count = Kind::ALL.iter().map(|kind| state.count(*kind) as u64).sum();
    let header = log::StateHeader {
        version: state.version(),
        object_count,
        request_count: state.requests().len() as u64,
    };
    write_message(&header, out)?;
    for object in Kind::ALL.iter().flat_map(|kind| state.list(*kind, None)) {
        write_message(&object.to_wire(), out)?;
    }
    for (request_id, done) in state.requests().iter() {
        write_message(&done.to_wire(request_id), out)?;
    }
    Ok(())
}

impl Snapshot {
    /// The state that [`encode_snapshot`] made these bytes from.
    pub fn decode(bytes: &mut dyn Read) -> Result<Self, DamagedSnapshot> {
        let header: log::StateHeader = read_message(bytes)?;
        let mut state = Self::empty_at(header.version);
        for _ in 0..header.object_count {
            let wire: api::Object = read_message(bytes)?;
            state.restore(Object::from_wire(wire).ok_or(DamagedSnapshot::UnknownKind)?);
        }
        for _ in 0..header.request_count {
            let wire: log::DoneRequest = read_message(bytes)?;
            let (request_id, done) = Done::from_wire(&wire)?;
            state.requests_mut().remember(request_id, done);
        }
        Ok(state)
    }
}

fn write_message(message: &impl Message, out: &mut dyn Write) -> io::Result<()> {
    let bytes = message.encode_to_vec();
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&bytes)
}

fn read_message<M: Message + Default>(bytes: &mut dyn Read) -> Result<M, DamagedSnapshot> {
    let mut length = [0; 4];
    bytes.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MESSAGE_BYTES_MAX {
        return Err(DamagedSnapshot::ImpossibleLength(length));
    }
    let mut message = vec![0; length];
    bytes.read_exact(&mut message)?;
    Ok(M::decode(message.as_slice())?)
}
