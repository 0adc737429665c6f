//! Where the checkout lies.

use std::path::PathBuf;

/// The root of the workspace this program was built from.
pub(crate) fn folder() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.parent().map_or_else(|| package.clone(), PathBuf::from)
}
