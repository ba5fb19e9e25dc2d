//! Random shapes, options and values, the same in every run; what fails is shrunk.

use std::cell::RefCell;
use std::env;
use std::fmt::Debug;

use proptest::prelude::*;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tests::harness::Bench;

/// Raises, or lowers, the number of random cases of each kernel on each device.
const CASES: &str = "PROPTEST_CASES";

/// Runs a test on random arguments. A failure names the smallest that fail.
pub(super) fn random_cases<S: Strategy>(
    bench: &mut Bench,
    cases: u32,
    arguments: S,
    test: impl Fn(&mut Bench, S::Value),
) where
    S::Value: Debug,
{
    let cases = env::var(CASES)
        .ok()
        .map_or(cases, |cases| cases.parse().unwrap_or_else(|error| panic!("{CASES} is {cases}, no number: {error}")));
    // Nothing is written down: the numbers are the same anyhow.
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 500, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let device = bench.device.clone();
    let bench = RefCell::new(bench);
    let outcome = runner.run(&arguments, |arguments| {
        test(&mut bench.borrow_mut(), arguments);
        Ok::<(), TestCaseError>(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, arguments)) => panic!("random case {arguments:?} on {device}: {reason}"),
        Err(TestError::Abort(reason)) => panic!("random cases on {device}: {reason}"),
    }
}

/// A size up to `most`: small ones, ones beside multiples of 16, where tiles end, and any.
pub(super) fn size(most: usize) -> BoxedStrategy<usize> {
    let beside_tiles = (1..=(most / 16).max(1), 0..3_usize).prop_map(move |(tiles, beside)| 16 * tiles - 1 + beside);
    prop_oneof![3 => 1..=9_usize, 3 => beside_tiles, 2 => 1..=most.max(1)]
        .prop_map(move |size| size.min(most).max(1))
        .boxed()
}

/// What seeds the values.
pub(super) fn seed() -> impl Strategy<Value = u64> {
    any::<u32>().prop_map(u64::from)
}

/// What values are multiplied with.
pub(super) fn magnitude() -> impl Strategy<Value = f32> {
    prop_oneof![Just(1.0_f32), Just(1e-4), Just(1e4)]
}
