//! Messages over a byte stream: each preceded by its length in four bytes, the lowest first. Reading and writing go on at
//! the same time, so that two sides that both have much to say do not wait for each other.

use std::io;

use bosun_host::ByteStream;
use bytes::{Buf, BufMut, BytesMut};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};

/// The longest message, in bytes. A container's command and environment are the most there is, and the kernel takes 2 MiB.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Whoever has a choice puts nothing more into a wire in which so many bytes wait.
pub(super) const WAITING_BYTES_MAX: usize = 256 << 10;
/// Buffers longer than this, in bytes, are given back when they are empty.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// Bytes of a length.
const LENGTH_BYTES: usize = 4;

pub(super) struct Wire {
    reader: ReadHalf<Box<dyn ByteStream>>,
    writer: WriteHalf<Box<dyn ByteStream>>,
    incoming: BytesMut,
    outgoing: BytesMut,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn ByteStream>) -> Self {
        let (reader, writer) = split(stream);
        Self {
            reader,
            writer,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
        }
    }

    /// Takes a message to be written while [`Wire::get`] or [`Wire::flush`] is waited for.
    pub(super) fn put(&mut self, message: &impl Message) {
        let length = message.encoded_len();
        debug_assert!(length <= MESSAGE_BYTES_MAX, "callers see to it");
        self.outgoing.reserve(LENGTH_BYTES + length);
        self.outgoing
            .put_u32_le(u32::try_from(length).unwrap_or(u32::MAX));
        message
            .encode(&mut self.outgoing)
            .expect("the buffer was made long enough");
    }

    /// Bytes that wait to be written.
    pub(super) fn waiting(&self) -> usize {
        self.outgoing.len()
    }

    /// The next message; `None` when the other side has closed. Nothing is lost when the wait is given up.
    pub(super) async fn get<M: Message + Default>(&mut self) -> io::Result<Option<M>> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(message));
            }
            tokio::select! {
                biased;
                count = self.reader.read_buf(&mut self.incoming) => match count? {
                    0 if self.incoming.is_empty() => return Ok(None),
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    _ => {}
                },
                count = self.writer.write(&self.outgoing), if !self.outgoing.is_empty() => {
                    self.outgoing.advance(count?);
                    give_back(&mut self.outgoing);
                }
            }
        }
    }

    /// Writes everything that waits.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.writer.write_all_buf(&mut self.outgoing).await
    }

    fn take<M: Message + Default>(&mut self) -> io::Result<Option<M>> {
        let Some(length) = self.incoming.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(io::Error::other)?;
        if length > MESSAGE_BYTES_MAX {
            let problem =
                format!("a message of {length} bytes was announced; {MESSAGE_BYTES_MAX} is the limit");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        if self.incoming.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.incoming.advance(LENGTH_BYTES);
        let message = M::decode(self.incoming.split_to(length));
        give_back(&mut self.incoming);
        message.map(Some).map_err(io::Error::other)
    }
}

fn give_back(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > KEPT_BYTES_MAX {
        *buffer = BytesMut::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bosun_proto::supervisor::{LogPiece, Retain};

    #[tokio::test]
    async fn messages_cross_in_both_directions_at_once_although_neither_fits_the_pipe() {
        let (near, far) = tokio::io::duplex(64);
        let (mut near, mut far) = (Wire::new(Box::new(near)), Wire::new(Box::new(far)));
        let retain = Retain {
            pod_uids: (0..1000).map(|number| number.to_string()).collect(),
        };
        let piece = LogPiece {
            data: vec![7; 100_000].into(),
            ..LogPiece::default()
        };
        near.put(&retain);
        near.put(&Retain::default());
        far.put(&piece);
        let (from_far, from_near) = tokio::join!(near.get::<LogPiece>(), async {
            let first = far.get::<Retain>().await.unwrap().unwrap();
            let second = far.get::<Retain>().await.unwrap().unwrap();
            // Nothing is written but while somebody waits.
            far.flush().await.unwrap();
            (first, second)
        });
        assert_eq!(from_far.unwrap().unwrap(), piece);
        assert_eq!(from_near, (retain, Retain::default()));
        drop(near);
        assert!(far.get::<Retain>().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_absurd_length_and_a_cut_message_are_errors() {
        for bytes in [&[255_u8, 255, 255, 255][..], &[9, 0, 0, 0, 1]] {
            let (mut near, far) = tokio::io::duplex(64);
            near.write_all(bytes).await.unwrap();
            drop(near);
            assert!(Wire::new(Box::new(far)).get::<Retain>().await.is_err());
        }
    }
}
