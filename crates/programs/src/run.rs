//! How a program ends.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// Runs a program's body. A failure becomes one line on standard error and exit status 1; flags that
/// cannot be meant leave with status 2, mostly before.
///
/// The body runs on a thread of rayon's pool: kernels on the CPU then share their work out in a microsecond, where a
/// thread outside of it would wait some 15 for each.
pub fn run(body: impl FnOnce() -> anyhow::Result<ExitCode> + Send) -> ExitCode {
    match rayon::scope(|_| body()) {
        Ok(code) => code,
        Err(error) => {
            // Where standard error is closed there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            let usage = matches!(error.downcast_ref(), Some(runtime::Error::Contradiction));
            if usage { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// A number of things: `1 step`, `2 steps`.
pub fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Prints a line on standard output. Where that is closed (`sampler | head -1`) nobody reads it, which is
/// no failure.
pub fn say(line: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
