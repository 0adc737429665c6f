//! The configurations that were in force, kept on disk: any of them can be taken again.

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use weir_schema::{Source, Sources};

/// Kept configurations, the oldest first.
#[derive(Debug)]
pub(crate) struct Generations {
    directory: PathBuf,
    entries: Vec<Entry>,
    /// Why nothing is kept.
    pub(crate) trouble: Option<String>,
}

/// One of them. All that is told of it stands in the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its number; later ones are greater.
    pub(crate) number: u64,
    /// When it was taken, in seconds since 1970.
    pub(crate) unix_s: u64,
    /// What tells its text from any other.
    pub(crate) hash: String,
}

/// The file that says which text is set aside, and what is taken in its place.
const ASIDE: &str = "aside.json";

impl Generations {
    /// Looks at what is kept below a directory. Where nothing can be kept, `trouble` says why.
    pub(crate) fn open(state: &Path) -> Self {
        let directory = state.join("generations");
        let mut entries = Vec::new();
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        let listed = made.and_then(|()| fs::read_dir(&directory));
        let trouble = match listed {
            Ok(files) => {
                let names = files.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
                entries.extend(names.filter_map(|name| Entry::parse(&name)));
                None
            }
            Err(error) => Some(format!("{}: {error}; --state names another directory", state.display())),
        };
        entries.sort_by_key(|entry| entry.number);
        Self { directory, entries, trouble }
    }

    /// All of them, the oldest first.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The number for a text that is taken now by a program that has just started.
    pub(crate) fn first_number(&self, hash: &str) -> u64 {
        match self.entries.last() {
            Some(newest) if newest.hash == hash => newest.number,
            Some(newest) => newest.number + 1,
            None => 1,
        }
    }

    /// Writes a configuration, on whichever thread that is called. Until [`Generations::keep`] nobody knows of it.
    pub(crate) fn writing(
        &self,
        entry: &Entry,
        sources: Arc<Sources>,
    ) -> impl FnOnce() -> Result<()> + Send + use<> {
        let path = self.trouble.is_none().then(|| self.directory.join(entry.name()));
        move || {
            let Some(path) = path else { return Ok(()) };
            let file = |(_, source): (u16, &Source)| json!({ "name": source.name, "text": source.text });
            let files: Vec<Value> = sources.iter().map(file).collect();
            // A text that a crash of the machine tears is said to be damaged when somebody asks for it.
            replace(&path, Value::from(files).to_string().as_bytes(), |_| Ok(()))?;
            Ok(())
        }
    }

    /// Keeps a configuration that is written, and no more than `most` in all. The same text taken again takes the place of
    /// itself.
    pub(crate) fn keep(&mut self, entry: &Entry, written: Result<()>, most: usize) {
        if self.trouble.is_some() {
            return;
        }
        if let Err(error) = written {
            tracing::warn!("generation {} is not kept: {error:#}", entry.number);
            return;
        }
        let again = |old: &Entry| old.hash == entry.hash || old.number == entry.number;
        let mut gone: Vec<Entry> = self.entries.pop_if(|newest| again(newest)).into_iter().collect();
        self.entries.push(entry.clone());
        let surplus = self.entries.len().saturating_sub(most.max(1));
        gone.extend(self.entries.drain(..surplus));
        for old in gone.iter().filter(|old| old.name() != entry.name()) {
            fs::remove_file(self.directory.join(old.name())).ok();
        }
    }

    /// The texts of one of them.
    pub(crate) fn read(&self, number: u64) -> Result<Sources> {
        let known =
            || self.entries.iter().map(|entry| entry.number.to_string()).collect::<Vec<_>>().join(", ");
        let Some(entry) = self.entries.iter().find(|entry| entry.number == number) else {
            bail!("generation {number} is not kept; there are: {}", known());
        };
        let path = self.directory.join(entry.name());
        let broken = || anyhow!("{} is damaged", path.display());
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let files: Value = serde_json::from_slice(&bytes).map_err(|_| broken())?;
        let text = |file: &Value, key: &str| Some(file.get(key)?.as_str()?.to_owned());
        let source = |file: &Value| Some(Source::new(text(file, "name")?, text(file, "text")?));
        let sources: Option<Vec<Source>> = files.as_array().ok_or_else(broken)?.iter().map(source).collect();
        sources.map(Sources::new).ok_or_else(broken)
    }

    /// Sets a text aside: as long as the file holds it, a start takes the kept generation in its place.
    pub(crate) fn set_aside(&self, hash: &str, number: u64) {
        let text = json!({ "hash": hash, "generation": number }).to_string();
        if let Err(error) = replace(&self.directory.join(ASIDE), text.as_bytes(), File::sync_all) {
            tracing::warn!("a restart will take the file as it is: {error}");
        }
    }

    /// Nothing is set aside any more.
    pub(crate) fn forget_aside(&self) {
        fs::remove_file(self.directory.join(ASIDE)).ok();
    }

    /// What a start takes in place of a text that is set aside.
    pub(crate) fn in_place_of(&self, hash: &str) -> Option<(u64, Sources)> {
        let aside: Value = serde_json::from_slice(&fs::read(self.directory.join(ASIDE)).ok()?).ok()?;
        let number = aside.get("generation")?.as_u64()?;
        (aside.get("hash")?.as_str()? == hash).then(|| Some((number, self.read(number).ok()?)))?
    }
}

impl Entry {
    fn name(&self) -> String {
        format!("{:08}-{}-{}.json", self.number, self.unix_s, self.hash)
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".json")?.splitn(3, '-');
        let number = parts.next()?.parse().ok()?;
        let unix_s = parts.next()?.parse().ok()?;
        Some(Self { number, unix_s, hash: parts.next()?.to_owned() })
    }
}

/// Writes a file whole or not at all. Secrets may stand in it, so it is the owner's alone.
fn replace(path: &Path, bytes: &[u8], settle: fn(&File) -> std::io::Result<()>) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    settle(&file)?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(kept: &mut Generations, entry: &Entry, text: &str, most: usize) {
        let written = kept.writing(entry, Arc::new(Sources::one("weir.yaml", text.to_owned())))();
        kept.keep(entry, written, most);
    }

    fn entry(number: u64, hash: &str) -> Entry {
        Entry { number, unix_s: 1_800_000_000 + number, hash: hash.to_owned() }
    }

    fn numbers(kept: &Generations) -> Vec<u64> {
        kept.entries().iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn the_newest_are_kept_and_read_back() {
        let room = tempfile::tempdir().unwrap();
        let mut kept = Generations::open(room.path());
        assert_eq!((kept.first_number("a"), kept.trouble.is_none()), (1, true));
        for (number, hash) in [(1, "a"), (2, "b"), (3, "b"), (4, "c"), (5, "d")] {
            take(&mut kept, &entry(number, hash), &format!("version: {number}\n"), 3);
        }
        let again = Generations::open(room.path());
        for kept in [&kept, &again] {
            assert_eq!(numbers(kept), [3, 4, 5]);
            let sources = kept.read(3).unwrap();
            let texts: Vec<&str> = sources.iter().map(|(_, source)| source.text.as_str()).collect();
            assert_eq!(texts, ["version: 3\n"]);
            assert!(kept.read(1).unwrap_err().to_string().contains("3, 4, 5"));
            assert_eq!((kept.first_number("d"), kept.first_number("e")), (5, 6));
        }
    }

    #[test]
    fn what_is_set_aside_is_replaced_until_it_is_forgotten() {
        let room = tempfile::tempdir().unwrap();
        let mut kept = Generations::open(room.path());
        take(&mut kept, &entry(1, "a"), "version: 1\n", 10);
        kept.set_aside("b", 1);
        assert_eq!(kept.in_place_of("b").map(|(number, _)| number), Some(1));
        assert!(kept.in_place_of("c").is_none());
        kept.forget_aside();
        assert!(kept.in_place_of("b").is_none());
    }

    #[test]
    fn where_nothing_can_be_kept_it_is_said() {
        let room = tempfile::tempdir().unwrap();
        let file = room.path().join("file");
        std::fs::write(&file, "").unwrap();
        let kept = Generations::open(&file);
        assert!(kept.trouble.is_some_and(|why| why.contains("--state")));
    }
}
