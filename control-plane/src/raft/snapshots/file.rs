//! The bytes of a snapshot file: a head, then checksummed pieces, the first of which says what the snapshot covers and
//! the last of which, empty, marks the end. A cut or damaged file is told from a whole one.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use bosun_host::{Disk, DiskFile, OpenMode, read_fully};
use bosun_proto::log::SnapshotMetadata;
use prost::Message;

use crate::raft::messages::{snapshot_meta_from_wire, snapshot_meta_to_wire};
use crate::raft::types::SnapshotMeta;

/// The version of the format that this code writes and reads.
const FORMAT_VERSION: u32 = 1;
const MAGIC: &[u8; 8] = b"BOSUNSNP";
const HEAD_BYTES: usize = 16;
/// Bytes before a piece: its length and its checksum.
const FRAME_BYTES: usize = 8;
/// Bytes of state per piece.
const PIECE_BYTES: usize = 256 << 10;
/// A piece above this is damage.
const PIECE_BYTES_MAX: usize = 16 << 20;

/// Takes the state of a snapshot, in order.
pub(in crate::raft) struct SnapshotWriter {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    meta: SnapshotMeta,
    /// Bytes in the file.
    end: u64,
    /// Pieces in the file.
    pieces: u64,
    piece: Vec<u8>,
}

impl SnapshotWriter {
    pub(super) fn begin(disk: &dyn Disk, path: PathBuf, meta: SnapshotMeta) -> io::Result<Self> {
        let file = disk.open(&path, OpenMode::WriteOrCreate)?;
        file.set_length(0)?;
        let mut head = [0; HEAD_BYTES];
        head[..8].copy_from_slice(MAGIC);
        head[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        let checksum = crc32fast::hash(&head[..12]);
        head[12..].copy_from_slice(&checksum.to_le_bytes());
        file.write_at(0, &head)?;
        let piece = snapshot_meta_to_wire(&meta).encode_to_vec();
        let mut writer = Self {
            file,
            path,
            meta,
            end: HEAD_BYTES as u64,
            pieces: 0,
            piece,
        };
        writer.write_piece()?;
        Ok(writer)
    }

    /// Writes what is left and the mark of the end, and makes all of it durable.
    pub(super) fn finish(mut self) -> io::Result<(PathBuf, SnapshotMeta)> {
        if !self.piece.is_empty() {
            self.write_piece()?;
        }
        self.write_piece()?;
        self.file.sync()?;
        Ok((self.path, self.meta))
    }

    fn write_piece(&mut self) -> io::Result<()> {
        let length = u32::try_from(self.piece.len()).map_err(io::Error::other)?;
        let mut frame = [0; FRAME_BYTES];
        frame[..4].copy_from_slice(&length.to_le_bytes());
        frame[4..].copy_from_slice(&checksum(self.pieces, &self.piece).to_le_bytes());
        self.file.write_at(self.end, &frame)?;
        self.file.write_at(self.end + FRAME_BYTES as u64, &self.piece)?;
        self.end += (FRAME_BYTES + self.piece.len()) as u64;
        self.pieces += 1;
        self.piece.clear();
        Ok(())
    }
}

impl Write for SnapshotWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..count]);
        if self.piece.len() == PIECE_BYTES {
            self.write_piece()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives back the state of a snapshot, checking each piece before handing it out.
pub(in crate::raft) struct SnapshotReader {
    file: Arc<dyn DiskFile>,
    end: u64,
    pieces: u64,
    piece: Vec<u8>,
    /// Bytes of the piece that were handed out.
    used: usize,
    finished: bool,
}

impl SnapshotReader {
    /// What the snapshot covers, and its state.
    pub(super) fn open(file: Arc<dyn DiskFile>) -> io::Result<(SnapshotMeta, Self)> {
        let mut head = [0; HEAD_BYTES];
        let length = read_fully(&*file, 0, &mut head)?;
        let checksum = u32::from_le_bytes([head[12], head[13], head[14], head[15]]);
        if length < HEAD_BYTES || &head[..8] != MAGIC || crc32fast::hash(&head[..12]) != checksum {
            return Err(damaged("it does not begin as a snapshot does"));
        }
        let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        if version != FORMAT_VERSION {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("it has format version {version}, and this bosun reads version {FORMAT_VERSION}"),
            ));
        }
        let mut reader = Self {
            file,
            end: HEAD_BYTES as u64,
            pieces: 0,
            piece: Vec::new(),
            used: 0,
            finished: false,
        };
        reader.next_piece()?;
        let meta = SnapshotMetadata::decode(reader.piece.as_slice())
            .map_err(|_| damaged("what it covers cannot be read"))?;
        reader.used = reader.piece.len();
        Ok((snapshot_meta_from_wire(meta)?, reader))
    }

    fn next_piece(&mut self) -> io::Result<()> {
        let mut frame = [0; FRAME_BYTES];
        if read_fully(&*self.file, self.end, &mut frame)? < FRAME_BYTES {
            return Err(damaged("its end is missing"));
        }
        let number = |at: usize| u32::from_le_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
        let length = number(0) as usize;
        if length > PIECE_BYTES_MAX {
            return Err(damaged("a length in it is wrong"));
        }
        self.piece.resize(length, 0);
        let read = read_fully(&*self.file, self.end + FRAME_BYTES as u64, &mut self.piece)?;
        if read < length || checksum(self.pieces, &self.piece) != number(4) {
            return Err(damaged("a checksum in it is wrong"));
        }
        self.end += (FRAME_BYTES + length) as u64;
        self.pieces += 1;
        self.used = 0;
        self.finished = length == 0;
        Ok(())
    }
}

impl Read for SnapshotReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.piece.len() && !self.finished {
            self.next_piece()?;
        }
        let count = buffer.len().min(self.piece.len() - self.used);
        buffer[..count].copy_from_slice(&self.piece[self.used..self.used + count]);
        self.used += count;
        Ok(count)
    }
}

/// The number is part of the sum, so that no piece is taken for another.
fn checksum(number: u64, piece: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(&(piece.len() as u64).to_le_bytes());
    hasher.update(piece);
    hasher.finalize()
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
