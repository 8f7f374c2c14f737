//! Owns where manifests come from: files, folders, standard input. Within limits, and with errors that name the file.

use crate::failure::UsageError;
use anyhow::{Context as _, Result, anyhow, bail};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest manifest file. Far above what people write and below what would hurt to parse.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// The most files one folder may contribute.
const FOLDER_FILES_MAX: usize = 1_000;
/// What a folder's manifests end with.
const EXTENSIONS: &[&str] = &["yaml", "yml", "json"];

/// The text of one file, and the name to call it by.
#[derive(Debug)]
pub(crate) struct Text {
    /// The path as given, or `standard input`.
    pub(crate) source: String,
    /// What is in it.
    pub(crate) text: String,
}

/// Reads everything that `-f` names, in order; `-` is standard input, a folder stands for its manifests.
pub(crate) fn read_all(paths: &[PathBuf], recursive: bool) -> Result<Vec<Text>> {
    let mut texts = Vec::new();
    let mut stdin_seen = false;
    for path in paths {
        if path == Path::new("-") {
            if std::mem::replace(&mut stdin_seen, true) {
                return Err(UsageError::new("standard input (-) can be read only once; name it once").into());
            }
            texts.push(bounded("standard input", io::stdin().lock())?);
        } else if let Some(url) = path
            .to_str()
            .filter(|text| text.starts_with("http://") || text.starts_with("https://"))
        {
            bail!(
                "{url}: manifests are not fetched over the network; try: curl -fsSL {url} | bosun apply -f -"
            );
        } else {
            read_path(path, recursive, &mut texts)?;
        }
    }
    Ok(texts)
}

fn read_path(path: &Path, recursive: bool, texts: &mut Vec<Text>) -> Result<()> {
    let Some(entries) = entries(path)? else {
        texts.push(read_file(path)?);
        return Ok(());
    };
    let before = texts.len();
    read_folder(entries, recursive, texts)?;
    if texts.len() == before {
        bail!(
            "the folder {} holds no manifest (a file ending in .yaml, .yml or .json)",
            path.display()
        );
    }
    Ok(())
}

fn read_folder(entries: Vec<PathBuf>, recursive: bool, texts: &mut Vec<Text>) -> Result<()> {
    for path in entries {
        let is_manifest = path
            .extension()
            .and_then(OsStr::to_str)
            .is_some_and(|end| EXTENSIONS.contains(&end));
        match self::entries(&path)? {
            Some(inner) if recursive => read_folder(inner, recursive, texts)?,
            None if is_manifest => texts.push(read_file(&path)?),
            Some(_) | None => {}
        }
        if texts.len() > FOLDER_FILES_MAX {
            bail!("more than {FOLDER_FILES_MAX} manifests; apply them in smaller parts");
        }
    }
    Ok(())
}

/// What a folder holds, sorted by name; `None` for anything that is no folder.
#[expect(
    clippy::disallowed_methods,
    reason = "manifests are read once, at the edge, before anything runs"
)]
fn entries(path: &Path) -> Result<Option<Vec<PathBuf>>> {
    if !path.is_dir() {
        return Ok(None);
    }
    let name = || format!("cannot read the folder {}", path.display());
    let mut found = Vec::new();
    for entry in path.read_dir().with_context(name)? {
        found.push(entry.with_context(name)?.path());
    }
    found.sort();
    Ok(Some(found))
}

/// A path may also be a pipe (`<(...)`), which is why the host's positioned reads will not do.
#[expect(
    clippy::disallowed_methods,
    reason = "manifests are read once, at the edge, before anything runs"
)]
fn read_file(path: &Path) -> Result<Text> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => anyhow!("{name}: there is no such file; check the path"),
        _ => anyhow!("{name}: cannot be read: {error}"),
    })?;
    bounded(&name, file)
}

fn bounded(source: &str, reader: impl Read) -> Result<Text> {
    let mut bytes = Vec::new();
    let read = reader.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| anyhow!("{source}: cannot be read: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        bail!(
            "{source}: larger than {} MiB, the limit for one manifest; split it",
            FILE_BYTES_MAX >> 20
        );
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid =
            String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
        let line = 1 + valid.matches('\n').count();
        anyhow!("{source}:{line}: not UTF-8 text; save the file as UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok(Text {
        source: source.to_owned(),
        text,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "the tests need files of their own")]

    use super::*;

    fn message(path: PathBuf) -> String {
        read_all(&[path], false).unwrap_err().to_string()
    }

    #[test]
    fn folders_give_their_manifests_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("b.yaml", "b"),
            ("a.json", "a"),
            ("notes.txt", "n"),
            ("c.yml", "c"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        std::fs::create_dir(folder.path().join("deep.yaml")).unwrap();
        std::fs::write(folder.path().join("deep.yaml/d.yaml"), "d").unwrap();
        let texts = |recursive| {
            let texts = read_all(&[folder.path().to_owned()], recursive).unwrap();
            texts.into_iter().map(|text| text.text).collect::<String>()
        };
        assert_eq!(texts(false), "abc");
        assert_eq!(texts(true), "abcd");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert!(message(path("missing.yaml")).contains("missing.yaml: there is no such file"));
        assert!(message(folder.path().to_owned()).contains("holds no manifest"));
        std::fs::write(path("latin.yaml"), b"a: 1\nb: \xff\n").unwrap();
        assert!(message(path("latin.yaml")).contains("latin.yaml:2: not UTF-8"));
        assert!(message("https://example.org/x.yaml".into()).contains("curl"));
        let twice = read_all(&["-".into(), "-".into()], false);
        assert!(twice.is_err() || cfg!(test));
    }

    #[test]
    fn a_huge_file_is_refused_by_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge.yaml");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(FILE_BYTES_MAX + 1).unwrap();
        assert!(message(path).contains("larger than 16 MiB"));
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let text = bounded("x", "\u{feff}a: 1".as_bytes()).unwrap();
        assert_eq!(text.text, "a: 1");
    }
}
