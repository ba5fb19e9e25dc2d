//! Where the tools are that `tests/tools.sh` fetches.

use std::path::{Path, PathBuf};

/// A file of `target/tools`, if it was fetched.
pub fn tool(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools").join(path);
    path.exists().then_some(path)
}
