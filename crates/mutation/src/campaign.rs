//! Runs the tests of many mutants, several at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use indicatif::ProgressBar;
use serde::Serialize;
use tempfile::TempDir;

use crate::mutant::{Body, Change, Means, Mutant};
use crate::process::{End, Test};
use crate::tests::Suite;
use crate::wgsl::{Linked, Shaders, validate};

/// What became of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "outcome")]
pub enum Outcome {
    /// It is no shader, or no other one.
    Invalid {
        /// What is wrong.
        why: String,
    },
    /// A test ended otherwise than it should.
    Noticed {
        /// The test.
        test: String,
        /// How it ended.
        end: End,
    },
    /// Every test passed.
    Survived,
}

/// What mutants are run with.
#[derive(Debug)]
pub struct Campaign {
    /// The shaders as they are.
    pub shaders: Shaders,
    /// The same, linked.
    pub linked: Linked,
    /// The tests of each body.
    pub suites: BTreeMap<Body, Suite>,
    /// The unit tests by the file they are in.
    pub units: BTreeMap<String, (Test, Duration)>,
}

impl Campaign {
    /// What becomes of each mutant, `jobs` at a time.
    ///
    /// # Errors
    /// Where a test cannot be run.
    pub fn run(&self, mutants: &[Mutant], jobs: usize, bar: &ProgressBar) -> Result<Vec<Outcome>> {
        let next = AtomicUsize::new(0);
        let outcomes = Mutex::new(vec![None; mutants.len()]);
        let work = || -> Result<()> {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(mutant) = mutants.get(i) else { return Ok(()) };
                let outcome = self.outcome(mutant).inspect_err(|_| next.store(mutants.len(), Ordering::Relaxed))?;
                if outcome == Outcome::Survived {
                    let survivor = format!("survived: {}:{}: {}", mutant.file, mutant.line, mutant.after);
                    // Where standard error is closed there is nobody to tell.
                    let _ = bar.suspend(|| writeln!(io::stderr(), "{survivor}"));
                }
                outcomes.lock().map_err(|_| anyhow!("a thread panicked"))?[i] = Some(outcome);
                bar.inc(1);
            }
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
        })?;
        let outcomes = outcomes.into_inner().map_err(|_| anyhow!("a thread panicked"))?;
        outcomes.into_iter().collect::<Option<_>>().context("a mutant was left out")
    }

    fn outcome(&self, mutant: &Mutant) -> Result<Outcome> {
        match &mutant.means {
            Means::Shader(text) => self.shader(mutant, text),
            Means::Number(number) => {
                let unit = self.units.get(&mutant.file).cloned();
                let tests = unit.into_iter().chain(self.suites[&Body::Cpu].of(&mutant.kernels));
                run(tests, &[("MUTANT", number.to_string())])
            }
        }
    }

    fn shader(&self, mutant: &Mutant, text: &str) -> Result<Outcome> {
        let shaders = self.shaders.with(&mutant.file, text);
        let folder = TempDir::new()?;
        let mut changed = BTreeSet::new();
        for kernel in &mutant.kernels {
            let linked = match shaders.link_one(kernel) {
                Ok(linked) => linked.text,
                Err(error) => return Ok(Outcome::Invalid { why: format!("{error:#}") }),
            };
            if linked == self.linked[kernel].text {
                continue;
            }
            if let Err(why) = validate(&linked) {
                return Ok(Outcome::Invalid { why });
            }
            fs::write(folder.path().join(kernel).with_extension("wgsl"), linked)?;
            changed.insert(kernel.clone());
        }
        if changed.is_empty() {
            return Ok(Outcome::Invalid { why: "no kernel is another one".into() });
        }
        let tests = self.suites[&Body::Wgsl].of(&changed);
        let folder = folder.path().to_str().context("a folder's name is not UTF-8")?.to_owned();
        let variables = [("KERNEL_TEST_SHADER_FOLDER", folder)];
        if mutant.change == Change::Barrier {
            // In a narrower vector fewer invocations run in step, and more can be seen out of it.
            let [shader] = variables.clone();
            let outcome = run(tests.clone(), &[shader, ("LP_NATIVE_VECTOR_WIDTH", "128".into())])?;
            if outcome != Outcome::Survived {
                return Ok(outcome);
            }
        }
        run(tests, &variables)
    }
}

/// Runs tests until one does not pass.
fn run(tests: impl IntoIterator<Item = (Test, Duration)>, variables: &[(&'static str, String)]) -> Result<Outcome> {
    for (mut test, limit) in tests {
        test.variables.extend_from_slice(variables);
        match test.run(limit)? {
            End::Passed => {}
            end => return Ok(Outcome::Noticed { test: test.name, end }),
        }
    }
    Ok(Outcome::Survived)
}
