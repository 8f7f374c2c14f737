//! The bytes of a segment: a head of fixed size, then framed records. Pure; docs/log-format.md is its description.

use bosun_proto::log::LogRecord;
use prost::Message;

/// The version of the format that this code writes and reads. Raised by a change that an older program would misread.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Bytes before the first record of a segment.
pub(super) const HEAD_BYTES: usize = 64;

/// Bytes before a record's content: its length and its checksum.
pub(super) const FRAME_BYTES: usize = 8;

/// Records start at multiples of this, so that the search behind damage has fewer places to try.
pub(super) const ALIGNMENT: usize = 8;

/// The largest record that is believed; more is damage. Far above what is proposed at once.
pub(in crate::raft) const RECORD_BYTES_MAX: usize = 256 << 20;

const MAGIC: &[u8; 8] = b"BOSUNLOG";

/// The head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Where the segment begins in the log: the positions of all segments form one sequence of bytes.
    pub(super) base: u64,
    /// The length of the file, fixed when it is made. A shorter file has been cut by someone else.
    pub(super) length: u64,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    /// These are not the first bytes of a segment, or they are damaged.
    Damaged,
    /// The segment was written in another version of the format.
    OtherVersion(u32),
}

impl Head {
    pub(super) fn encode(self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.base.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.length.to_le_bytes());
        let checksum = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeadError> {
        let mut head: [u8; HEAD_BYTES] = bytes
            .get(..HEAD_BYTES)
            .and_then(|head| head.try_into().ok())
            .ok_or(HeadError::Damaged)?;
        let checksum = four(&head, 12);
        head[12..16].fill(0);
        if &head[..8] != MAGIC || crc32fast::hash(&head) != checksum {
            return Err(HeadError::Damaged);
        }
        match four(&head, 8) {
            FORMAT_VERSION => Ok(Self {
                base: eight(&head, 16),
                length: eight(&head, 24),
            }),
            other => Err(HeadError::OtherVersion(other)),
        }
    }
}

/// Appends `record` to `buffer`, framed to stand at `position` of the log. Returns the bytes it takes.
pub(super) fn encode_record(buffer: &mut Vec<u8>, position: u64, record: &LogRecord) -> usize {
    let start = buffer.len();
    let length = record.encoded_len();
    buffer.reserve(FRAME_BYTES + length + ALIGNMENT);
    let stored_length = u32::try_from(length).expect("a record is far below 4 GiB: proposals are limited");
    buffer.extend_from_slice(&stored_length.to_le_bytes());
    buffer.extend_from_slice(&[0; 4]);
    record.encode(buffer).expect("a Vec grows as needed");
    let checksum = checksum(position, &buffer[start + FRAME_BYTES..]);
    buffer[start + 4..start + FRAME_BYTES].copy_from_slice(&checksum.to_le_bytes());
    buffer.resize(start + framed_bytes(length), 0);
    buffer.len() - start
}

/// The bytes that a record with `length` bytes of content takes.
pub(super) fn framed_bytes(length: usize) -> usize {
    (FRAME_BYTES + length).next_multiple_of(ALIGNMENT)
}

/// The record that starts at the beginning of `bytes`, which stand at `position` of the log, and the bytes it takes.
/// `None` if there is no whole, undamaged record.
pub(super) fn decode_record(bytes: &[u8], position: u64) -> Option<(LogRecord, usize)> {
    if bytes.len() < FRAME_BYTES {
        return None;
    }
    let length = usize::try_from(four(bytes, 0))
        .ok()
        .filter(|length| (1..=RECORD_BYTES_MAX).contains(length))?;
    let content = bytes.get(FRAME_BYTES..FRAME_BYTES + length)?;
    if checksum(position, content) != four(bytes, 4) {
        return None;
    }
    let record = LogRecord::decode(content).ok()?;
    Some((record, framed_bytes(length)))
}

/// The position is part of the sum, so that a record left over from an earlier life of these bytes is never taken for
/// one that belongs here.
fn checksum(position: u64, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&position.to_le_bytes());
    hasher.update(&(content.len() as u64).to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}

fn four(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn eight(bytes: &[u8], at: usize) -> u64 {
    u64::from(four(bytes, at)) | u64::from(four(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use bosun_proto::log::Vote;
    use bosun_proto::log::log_record::Record;

    fn record(term: u64) -> LogRecord {
        LogRecord {
            synced_to: 7,
            record: Some(Record::Vote(Vote {
                term,
                node_id: 2,
                committed: true,
            })),
        }
    }

    #[test]
    fn a_head_comes_back_and_any_flipped_bit_is_noticed() {
        let head = Head {
            base: 1 << 40,
            length: 16 << 20,
        };
        let bytes = head.encode();
        assert_eq!(Head::decode(&bytes), Ok(head));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::decode(&damaged), Err(HeadError::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_head_of_another_version_is_told_from_damage() {
        let mut bytes = Head { base: 0, length: 64 }.encode();
        bytes[8..12].copy_from_slice(&9_u32.to_le_bytes());
        bytes[12..16].fill(0);
        let checksum = crc32fast::hash(&bytes);
        bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Head::decode(&bytes), Err(HeadError::OtherVersion(9)));
    }

    #[test]
    fn a_record_comes_back_only_whole_undamaged_and_in_its_place() {
        let mut buffer = Vec::new();
        let size = encode_record(&mut buffer, 640, &record(5));
        assert_eq!(size % ALIGNMENT, 0);
        assert_eq!(decode_record(&buffer, 640), Some((record(5), size)));
        assert_eq!(decode_record(&buffer, 648), None, "another position");
        let content = buffer.len() - 8;
        for bit in 0..content * 8 {
            let mut damaged = buffer.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_record(&damaged, 640), None, "bit {bit}");
        }
        for length in 0..content {
            assert_eq!(decode_record(&buffer[..length], 640), None, "cut to {length}");
        }
    }
}
