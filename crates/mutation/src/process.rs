//! Runs one test in a process of its own, within a time and an amount of memory.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use tempfile::TempDir;

/// The memory that a test may ask for, in KiB: far above what any takes, far below what would take the
/// machine down.
const MEMORY: u64 = 6 * 1024 * 1024;
/// How often an end is looked for.
const TICK: Duration = Duration::from_millis(4);

/// A test to run.
#[derive(Clone, Debug)]
pub struct Test {
    /// The name, as failures give it.
    pub name: String,
    /// The built tests.
    pub binary: PathBuf,
    /// Where they run.
    pub folder: PathBuf,
    /// Chooses the test among them.
    pub arguments: Vec<String>,
    /// What the environment says besides.
    pub variables: Vec<(&'static str, String)>,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// With nothing to say.
    Passed,
    /// With a failure, which it tells.
    Failed(String),
    /// Without an end of its own.
    Crashed,
    /// Not within its time.
    Late,
}

impl Test {
    /// Runs the test, and ends it when its time is over.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn run(&self, limit: Duration) -> Result<End> {
        let folder = TempDir::new()?;
        let path = folder.path().join("output");
        let output = File::create(&path)?;
        let mut child = self
            .command()
            .args(["--test-threads", "1"])
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} does not start", self.binary.display()))?;
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                let output = fs::read(&path)?;
                return Ok(end(status, &String::from_utf8_lossy(&output)));
            }
            if start.elapsed() > limit {
                child.kill()?;
                child.wait()?;
                return Ok(End::Late);
            }
            thread::sleep(TICK);
        }
    }

    /// Through a shell where there is one, since it can limit memory.
    fn command(&self) -> Command {
        if cfg!(unix) {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("ulimit -c 0; ulimit -v {MEMORY}; exec \"$0\" \"$@\"")]).arg(&self.binary);
            command
        } else {
            Command::new(&self.binary)
        }
    }
}

/// What a failed test says: the line after the one that a panic starts with.
fn end(status: ExitStatus, output: &str) -> End {
    match status.code() {
        Some(0) if output.contains("running 0 tests") => End::Failed("there is no such test".into()),
        Some(0) => End::Passed,
        Some(101) => {
            let mut lines = output.lines().skip_while(|line| !line.contains("panicked at"));
            End::Failed(lines.nth(1).unwrap_or_default().chars().take(300).collect())
        }
        _ => End::Crashed,
    }
}
