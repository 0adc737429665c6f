//! The lists as meant: everything that is trusted, allowed or denied, gathered from the plan and from its files.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use weir_plan::shield::{BadLines, PrefixList, Shield};
use weir_wire::list::image::{Entry, Image, List, Tie};

use crate::{Complaint, Error};

pub mod file;

pub use file::{BadLine, ListFile};

/// The largest list file that is read, in bytes; about eight million addresses.
const FILE_BYTES_MAX: u64 = 128 << 20;
/// Entries of all lists together; the kernel's tables for so many take about 280 MB.
const ENTRIES_MAX: usize = 4 << 20;

/// All lists, ready to be compiled, and what was wrong with their files.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    entries: Vec<Entry>,
    tie: Tie,
    /// What was not understood but may be left out.
    pub(crate) complaints: Vec<Complaint>,
}

impl Gathered {
    /// Reads the files of a plan. `trusted` are the networks trusted beside those of the plan.
    pub(crate) fn read(shield: &Shield, trusted: impl Iterator<Item = IpNet>) -> Result<Self, Error> {
        let tie = if shield.allow_wins_ties { Tie::Allow } else { Tie::Deny };
        let mut all = Self { tie, ..Self::default() };
        all.add(shield.trusted.iter().copied().chain(trusted), List::Trusted)?;
        for (list, kind) in [(&shield.allow, List::Allow), (&shield.deny, List::Deny)] {
            all.add(list.networks.iter().copied(), kind)?;
            for path in paths(list)? {
                let file = read(&path)?;
                all.judge(&path, &file, list.bad_lines)?;
                all.add(file.networks.into_iter(), kind)?;
            }
        }
        Ok(all)
    }

    fn add(&mut self, networks: impl Iterator<Item = IpNet>, list: List) -> Result<(), Error> {
        self.entries
            .extend(networks.filter_map(|network| Entry::new(network.addr(), network.prefix_len(), list)));
        if self.entries.len() > ENTRIES_MAX {
            let why = format!("there are more than {ENTRIES_MAX} entries");
            return Err(Error::config("read the shield's lists", why, "join networks, or shorten the lists"));
        }
        Ok(())
    }

    fn judge(&mut self, path: &Path, file: &ListFile, bad_lines: BadLines) -> Result<(), Error> {
        let Some(first) = file.bad.first() else { return Ok(()) };
        let more = match file.bad_count - 1 {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        let said = Complaint::new(
            format!("read the list {}", path.display()),
            format!("{first}{more}"),
            "write one address or network a line, comments after #",
        );
        match bad_lines {
            BadLines::Refuse => Err(Error::Config(said)),
            BadLines::Keep => {
                self.complaints.push(said);
                Ok(())
            }
        }
    }

    /// How many networks there are.
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Resolves them into the image the kernel searches.
    pub(crate) fn compile(self) -> Result<Image, Error> {
        Image::compile(self.entries, self.tie)
            .ok_or_else(|| Error::unavailable("compile the shield's lists", "no memory", ""))
    }
}

/// Where the longest network that contains an address is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The network as written.
    pub network: IpNet,
    /// `trusted`, `allow` or `deny`.
    pub list: &'static str,
    /// The file, or none if it is written in the configuration itself.
    pub file: Option<PathBuf>,
}

/// Looks an address up in the lists as they are written, to say why the compiled ones answer as they do. The one that
/// decides comes first; of two equally long the order is that of the lists.
///
/// # Errors
/// A file that cannot be read.
pub fn origins(shield: &Shield, address: IpAddr) -> Result<Vec<Origin>, Error> {
    let mut found = Vec::new();
    let mut look = |networks: &[IpNet], list: &'static str, file: Option<&Path>| {
        let longest =
            networks.iter().filter(|network| network.contains(&address)).max_by_key(|n| n.prefix_len());
        found.extend(longest.map(|&network| Origin { network, list, file: file.map(Path::to_owned) }));
    };
    look(&shield.trusted, "trusted", None);
    for (list, name) in [(&shield.allow, "allow"), (&shield.deny, "deny")] {
        look(&list.networks, name, None);
        for path in paths(list)? {
            look(&read(&path)?.networks, name, Some(&path));
        }
    }
    found.sort_by_key(|origin| std::cmp::Reverse((origin.list == "trusted", origin.network.prefix_len())));
    Ok(found)
}

fn read(path: &Path) -> Result<ListFile, Error> {
    let wrong = |error: io::Error| {
        Error::config(
            format!("read the list {}", path.display()),
            error.to_string(),
            "make the file readable for weir",
        )
    };
    let length = fs::metadata(path).map_err(wrong)?.len();
    if length > FILE_BYTES_MAX {
        let why = format!("it has {length} bytes, more than {FILE_BYTES_MAX}");
        return Err(Error::config(format!("read the list {}", path.display()), why, "split or shorten it"));
    }
    Ok(ListFile::parse(&fs::read(path).map_err(wrong)?))
}

/// The files that a list names, sorted, with `*` in the last component expanded. A pattern may match nothing; a plain
/// name must exist.
fn paths(list: &PrefixList) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for pattern in &list.files {
        let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.contains('*') {
            found.push(pattern.clone());
            continue;
        }
        let directory = pattern.parent().unwrap_or(Path::new("."));
        let listing = match fs::read_dir(directory) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                let what = format!("list the directory {}", directory.display());
                return Err(Error::config(what, error.to_string(), "make it readable for weir"));
            }
        };
        let names = listing.filter_map(|entry| Some(entry.ok()?.path()));
        let mut matching: Vec<PathBuf> = names
            .filter(|path| path.file_name().is_some_and(|file| fits(name, &file.to_string_lossy())))
            .collect();
        matching.sort();
        found.extend(matching);
    }
    Ok(found)
}

/// Whether a name fits a pattern, where `*` stands for anything but hidden files.
fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let last = parts.pop();
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        let check = |pattern: &str, name: &str, expect: bool| {
            assert_eq!(fits(pattern, name), expect, "{pattern} {name}");
        };
        check("*.txt", "a.txt", true);
        check("*.txt", "a.txt.bak", false);
        check("*.txt", ".a.txt", false);
        check("a*b*c", "a-b-c", true);
        check("a*b*c", "a-c", false);
        check("ab*ba", "aba", false);
        check("*", "x", true);
    }

    fn deny(directory: &Path, bad_lines: BadLines) -> Shield {
        let deny = PrefixList {
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            files: vec![directory.join("*.txt")],
            bad_lines,
        };
        Shield { deny, ..Shield::default() }
    }

    #[test]
    fn files_and_networks_are_gathered_and_a_bad_line_is_kept_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("b.txt"), "192.0.2.0/24\nnonsense\n::1\n").unwrap();
        fs::write(directory.path().join("a.list"), "not read").unwrap();
        let keep = Gathered::read(&deny(directory.path(), BadLines::Keep), std::iter::empty()).unwrap();
        assert_eq!(keep.len(), 3);
        assert!(keep.complaints[0].to_string().contains("b.txt: line 2: \"nonsense\": not an address"));
        let refused =
            Gathered::read(&deny(directory.path(), BadLines::Refuse), std::iter::empty()).unwrap_err();
        assert_eq!(refused.exit_code(), 78);
    }

    #[test]
    fn a_missing_file_is_an_error_and_an_empty_pattern_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let none = directory.path().join("none");
        assert!(Gathered::read(&deny(&none, BadLines::Keep), std::iter::empty()).is_ok());
        let mut shield = Shield::default();
        shield.deny.files = vec![none];
        let error = Gathered::read(&shield, std::iter::empty()).unwrap_err();
        assert_eq!(error.exit_code(), 78);
    }

    #[test]
    fn the_place_where_a_network_is_written_is_found() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("b.txt"), "10.1.0.0/16\n").unwrap();
        let found = origins(&deny(directory.path(), BadLines::Keep), [10, 1, 2, 3].into()).unwrap();
        let seen: Vec<(String, bool)> =
            found.iter().map(|origin| (origin.network.to_string(), origin.file.is_some())).collect();
        assert_eq!(seen, [("10.1.0.0/16".to_owned(), true), ("10.0.0.0/8".to_owned(), false)]);
    }
}
