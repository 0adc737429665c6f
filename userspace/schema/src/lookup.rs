//! Where `${NAME}`, `${file:…}` and `${cred:…}` find their values: supplied by the caller, so that this room stays pure.

use std::collections::BTreeMap;

/// Supplies what a configuration refers to outside itself.
pub trait Lookup {
    /// An environment variable, `None` if it is not set.
    fn env(&self, name: &str) -> Option<String>;

    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn file(&self, path: &str) -> Result<String, String>;

    /// Others than the owner and the group may read this file.
    fn is_open(&self, _path: &str) -> bool {
        false
    }

    /// A credential of the service, as systemd passes them in a directory of their own.
    ///
    /// # Errors
    /// Why there is none, in words.
    fn credential(&self, name: &str) -> Result<String, String>;

    /// What it finds only stands in for the real value, which is not known here.
    fn guesses(&self) -> bool {
        false
    }
}

/// A lookup over values known beforehand: tests use it, and checks that must not touch the machine.
#[derive(Clone, Debug, Default)]
pub struct Fixed {
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Files by path.
    pub files: BTreeMap<String, String>,
    /// Credentials by name.
    pub credentials: BTreeMap<String, String>,
}

impl Lookup for Fixed {
    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn file(&self, path: &str) -> Result<String, String> {
        self.files.get(path).cloned().ok_or_else(|| "there is no such file".to_owned())
    }

    fn credential(&self, name: &str) -> Result<String, String> {
        self.credentials
            .get(name)
            .cloned()
            .ok_or_else(|| "the service was given no credential of this name".to_owned())
    }
}

/// A lookup that finds everything: `weir validate --offline` checks the form and leaves the outside alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anything;

/// A lookup that leaves references as they are written: `weir render --offline` shows them where a value is a text.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsWritten;

impl Lookup for AsWritten {
    fn env(&self, name: &str) -> Option<String> {
        Some(format!("${{{name}}}"))
    }

    fn file(&self, path: &str) -> Result<String, String> {
        Anything.file(path)
    }

    fn credential(&self, name: &str) -> Result<String, String> {
        Anything.credential(name)
    }

    fn guesses(&self) -> bool {
        true
    }
}

/// Stands in for the text of any file; it looks like PEM, so it may be a key.
pub const OFFLINE: &str = "-----BEGIN NOTHING-----";

impl Lookup for Anything {
    fn env(&self, name: &str) -> Option<String> {
        Some(format!("env-{name}"))
    }

    fn file(&self, _path: &str) -> Result<String, String> {
        Ok(OFFLINE.to_owned())
    }

    fn credential(&self, _name: &str) -> Result<String, String> {
        Ok(OFFLINE.to_owned())
    }

    fn guesses(&self) -> bool {
        true
    }
}
