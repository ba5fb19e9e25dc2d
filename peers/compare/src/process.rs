//! Programs that are run to their end.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// What `command` prints.
///
/// # Errors
/// When it cannot be started or fails: then the last lines that it complained with.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("{name} cannot be run"))?;
    let complaint = String::from_utf8_lossy(&done.stderr);
    let last: Vec<_> = complaint.lines().rev().take(4).collect();
    let last = last.into_iter().rev().collect::<Vec<_>>().join(" / ");
    ensure!(done.status.success(), "{name}: {}: {last}", done.status);
    String::from_utf8(done.stdout).with_context(|| format!("{name} printed no text"))
}
