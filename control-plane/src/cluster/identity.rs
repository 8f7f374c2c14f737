//! Who this server is: the file `identity` in its data directory, written before the server takes part in anything.
//!
//! It says to which cluster the log beside it belongs and under which number its votes were cast. docs/log-format.md
//! describes the bytes.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use bosun_host::Disk;

use crate::raft::NodeId;

/// The name of the file inside the data directory.
const FILE_NAME: &str = "identity";
/// The first line, with the version of the format.
const HEAD: &str = "bosun-server 1";

/// How far this server has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It forms a new cluster, and may not have written the first entry yet: it does so at the next start.
    Forming,
    /// It has formed a cluster, and takes no writes before the majority of its list votes.
    Gathering,
    /// It was given its number by a cluster, and may not have a log yet.
    Joining,
    /// It has a log. If that is missing, so are its votes, and it must not go on under its number.
    Member,
    /// The cluster has taken it out.
    Removed,
}

impl Stage {
    const ALL: [Self; 5] = [
        Self::Forming,
        Self::Gathering,
        Self::Joining,
        Self::Member,
        Self::Removed,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Forming => "forming",
            Self::Gathering => "gathering",
            Self::Joining => "joining",
            Self::Member => "member",
            Self::Removed => "removed",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.word() == word)
    }
}

/// Who a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Which cluster it belongs to. Goes with every message between servers.
    pub(crate) cluster_id: String,
    /// Its number.
    pub(crate) server_id: NodeId,
    /// The name people use for it.
    pub(crate) name: String,
    /// How far it has come.
    pub(crate) stage: Stage,
}

impl Identity {
    /// The identity kept in a data directory, if there is one.
    pub(crate) fn read(disk: &dyn Disk, directory: &Path) -> io::Result<Option<Self>> {
        let path = path_in(directory);
        let damaged = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let content = match disk.read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(format!("{} cannot be read: {error}", path.display()))),
        };
        Self::decode(&content).map(Some).map_err(|why| {
            damaged(format!(
                "{} cannot be used: {why}. Restore it from a copy or, if other servers of the cluster are alive, move \
                 {} away and start again, so that this server joins anew",
                path.display(),
                directory.display()
            ))
        })
    }

    /// Makes this the identity kept in a data directory. Durable when it returns.
    pub(crate) fn write(&self, disk: &dyn Disk, directory: &Path) -> io::Result<()> {
        let path = path_in(directory);
        disk.write_atomically(&path, self.encode().as_bytes())
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("{} cannot be written: {error}", path.display()),
                )
            })
    }

    fn encode(&self) -> String {
        let mut text = format!(
            "{HEAD}\ncluster {}\nserver {}\nname {}\nstage {}\n",
            self.cluster_id,
            self.server_id,
            self.name,
            self.stage.word()
        );
        let checksum = crc32fast::hash(text.as_bytes());
        writeln!(text, "checksum {checksum:08x}").expect("a String takes everything");
        text
    }

    fn decode(content: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(content).map_err(|_| "it is no text")?;
        if !text.starts_with(&format!("{HEAD}\n")) {
            return Err("it was written by another version of bosun, or by something else");
        }
        let (signed, checksum) = text.rsplit_once("checksum ").ok_or("its end is missing")?;
        if u32::from_str_radix(checksum.trim_end(), 16) != Ok(crc32fast::hash(signed.as_bytes())) {
            return Err("its checksum is wrong");
        }
        let field = |name: &str| {
            let mut lines = signed.lines().filter_map(|line| line.split_once(' '));
            lines.find_map(|(key, value)| (key == name).then_some(value))
        };
        let missing = "a line is missing";
        Ok(Self {
            cluster_id: field("cluster").ok_or(missing)?.to_owned(),
            server_id: field("server")
                .and_then(|text| text.parse().ok())
                .ok_or(missing)?,
            name: field("name").ok_or(missing)?.to_owned(),
            stage: field("stage").and_then(Stage::from_word).ok_or(missing)?,
        })
    }
}

fn path_in(directory: &Path) -> PathBuf {
    directory.join(FILE_NAME)
}

/// Whether `name` can be a server's: what goes into tables, messages and this file without quoting.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let fits = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    if !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(fits) {
        return Ok(());
    }
    Err(format!(
        "--name {name:?}: use 1 to {NAME_BYTES_MAX} letters, digits, '-', '_' and '.'"
    ))
}

/// As long as a name in DNS may be.
const NAME_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(stage: Stage) -> Identity {
        Identity {
            cluster_id: "3f0c8c52-0e4e-4f6a-9a55-6b1c64a7f0aa".into(),
            server_id: 17,
            name: "server-b".into(),
            stage,
        }
    }

    #[test]
    fn what_was_written_is_read_back_and_nothing_else() {
        let (host, _) = bosun_host::testing::host(1, bosun_host::WallTime::UNIX_EPOCH);
        let (disk, directory) = (&*host.disk, Path::new("/data"));
        disk.create_directory(directory).unwrap();
        assert_eq!(Identity::read(disk, directory).unwrap(), None);
        for stage in Stage::ALL {
            identity(stage).write(disk, directory).unwrap();
            assert_eq!(Identity::read(disk, directory).unwrap(), Some(identity(stage)));
        }
    }

    #[test]
    fn damage_anywhere_is_refused_with_the_way_out() {
        let whole = identity(Stage::Member).encode().into_bytes();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert!(
                Identity::decode(&damaged).is_err()
                    || Identity::decode(&damaged).ok() == Identity::decode(&whole).ok(),
                "byte {at}"
            );
            assert!(
                Identity::decode(&whole[..at]).is_err() || at + 1 == whole.len(),
                "cut at {at}"
            );
        }
        let (host, _) = bosun_host::testing::host(1, bosun_host::WallTime::UNIX_EPOCH);
        let (disk, directory) = (&*host.disk, Path::new("/data"));
        disk.create_directory(directory).unwrap();
        disk.write_atomically(&path_in(directory), b"bosun-server 2\n")
            .unwrap();
        let refusal = Identity::read(disk, directory).unwrap_err().to_string();
        assert!(
            refusal.contains("/data/identity") && refusal.contains("joins anew"),
            "{refusal}"
        );
    }

    #[test]
    fn names() {
        for name in ["a", "server-1", "Node_2.example.org"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "a\nb", "a,b", &"x".repeat(254)] {
            assert!(check_name(name).unwrap_err().contains("--name"), "{name}");
        }
    }
}
