//! Which tests concern which kernel, and how long they take on what is not changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use syn::visit::Visit;

use crate::mutant::Body;
use crate::process::{End, Test};
use crate::rust::Binaries;

/// The table of tests.
const TABLE: &str = "tests/tests/kernels/registry.rs";
/// A test may take this many times as long as without a change, ...
const FACTOR: u32 = 5;
/// ... and this besides, since a machine is not always as fast.
const GRACE: Duration = Duration::from_secs(4);
/// More than any test takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// The oracle test of each kernel as `tests/tests/kernels/registry.rs` has it.
///
/// # Errors
/// Where there is no such table.
pub fn table(root: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(root.join(TABLE)).context(TABLE)?;
    let mut found = Table(BTreeMap::new());
    found.visit_file(&syn::parse_file(&text).context(TABLE)?);
    if found.0.is_empty() { bail!("{TABLE} has no table of tests") } else { Ok(found.0) }
}

struct Table(BTreeMap<String, String>);

impl<'ast> Visit<'ast> for Table {
    fn visit_expr_tuple(&mut self, tuple: &'ast syn::ExprTuple) {
        let mut elements = tuple.elems.iter();
        if let (Some(syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(kernel), .. })), Some(syn::Expr::Path(test))) =
            (elements.next(), elements.next())
        {
            let names: Vec<_> = test.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            // A test is in another module; what else the file has tables of is not.
            if names.len() > 1 {
                self.0.insert(kernel.value(), names.join("::"));
            }
        }
    }
}

/// The tests of a body by kernel, and the time each takes.
#[derive(Debug)]
pub struct Suite {
    tests: BTreeMap<String, (Test, Duration)>,
}

impl Suite {
    /// Runs each kernel's test on the body as it is, which it must pass.
    ///
    /// # Errors
    /// Where a test fails, or does not start.
    pub fn new(
        body: Body,
        binaries: &Binaries,
        table: &BTreeMap<String, String>,
        wanted: impl Fn(&str) -> bool,
        threads: usize,
        progress: impl Fn(),
    ) -> Result<Self> {
        let mut tests = BTreeMap::new();
        for (kernel, name) in table.iter().filter(|(kernel, _)| wanted(kernel)) {
            let (binary, folder) = binaries.oracle.clone();
            let mut variables = variables(threads);
            variables.extend(match body {
                Body::Wgsl => vec![("KERNEL_TESTS_WITHOUT_CPU", "1".to_owned())],
                // There is no such adapter.
                Body::Cpu => vec![("KERNEL_TESTS_WITHOUT_GPU", "1".into()), ("KERNEL_TEST_ADAPTER", "none".into())],
            });
            let arguments = vec!["--exact".into(), name.clone()];
            let test = Test { name: name.clone(), binary, folder, arguments, variables };
            let time = time(&test)?;
            tests.insert(kernel.clone(), (test, time));
            progress();
        }
        Ok(Self { tests })
    }

    /// The tests of these kernels and how long they may take, the quickest first.
    pub fn of<'a>(&self, kernels: impl IntoIterator<Item = &'a String>) -> Vec<(Test, Duration)> {
        let mut tests: Vec<_> = kernels.into_iter().filter_map(|kernel| self.tests.get(kernel)).cloned().collect();
        tests.sort_by_key(|(_, time)| *time);
        tests.into_iter().map(|(test, time)| (test, FACTOR * time + GRACE)).collect()
    }
}

/// The unit tests of a file, and how long they may take.
///
/// # Errors
/// Where one fails, or does not start.
pub fn unit(binaries: &Binaries, path: String, threads: usize) -> Result<(Test, Duration)> {
    let (binary, folder) = binaries.unit.clone();
    let test = Test { name: path.clone(), binary, folder, arguments: vec![path], variables: variables(threads) };
    let limit = FACTOR * time(&test)? + GRACE;
    Ok((test, limit))
}

fn time(test: &Test) -> Result<Duration> {
    let start = Instant::now();
    match test.run(PATIENCE)? {
        End::Passed => Ok(start.elapsed()),
        end => bail!("{} does not pass without a change: {end:?}", test.name),
    }
}

/// As many threads for each of the tests that run at a time; no store of compiled shaders, which would
/// keep thousands that are never run again, and no complaint of Mesa's about a missing desktop.
fn variables(threads: usize) -> Vec<(&'static str, String)> {
    vec![
        ("RAYON_NUM_THREADS", threads.to_string()),
        ("LP_NUM_THREADS", threads.to_string()),
        ("MESA_SHADER_CACHE_DISABLE", "true".into()),
        ("NODEVICE_SELECT", "1".into()),
        ("RUST_BACKTRACE", "0".into()),
    ]
}
