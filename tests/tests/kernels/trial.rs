//! A kernel with its arguments: run on them, on other values, and with one of their elements poisoned.

use runtime::Buffer;
use tests::harness::{Bench, Tolerance};

type Launch = Box<dyn Fn(&mut Bench, &[Buffer]) -> runtime::Result<()>>;
type Oracle = Box<dyn Fn(&[Vec<f32>]) -> Vec<Vec<f64>>>;

/// What is bound to a kernel, and what its oracle makes of it.
pub(super) struct Trial {
    case: String,
    arrays: Vec<Array>,
    launch: Launch,
    oracle: Oracle,
}

struct Array {
    name: &'static str,
    /// What is there before the launch; zeros where the kernel must not read.
    values: Vec<f32>,
    read: bool,
    /// How exact what the kernel writes must be; none for what it only reads.
    written: Option<Tolerance>,
}

impl Trial {
    /// A trial that is given its arrays in the order in which `launch` and `oracle` get them.
    pub(super) fn new(case: impl Into<String>) -> Self {
        Self {
            case: case.into(),
            arrays: Vec::new(),
            launch: Box::new(|_, _| panic!("a trial without a launch")),
            oracle: Box::new(|_| panic!("a trial without an oracle")),
        }
    }

    /// An array that the kernel only reads.
    pub(super) fn reads(self, name: &'static str, values: Vec<f32>) -> Self {
        self.array(Array { name, values, read: true, written: None })
    }

    /// An array that the kernel changes.
    pub(super) fn changes(self, name: &'static str, values: Vec<f32>, tolerance: Tolerance) -> Self {
        self.array(Array { name, values, read: true, written: Some(tolerance) })
    }

    /// An array that the kernel overwrites: it is NaN before, and zeros for the oracle.
    pub(super) fn writes(self, name: &'static str, len: usize, tolerance: Tolerance) -> Self {
        self.array(Array { name, values: vec![0.0; len], read: false, written: Some(tolerance) })
    }

    /// An array that the kernel adds to if it accumulates, and overwrites if not.
    pub(super) fn accumulates(self, name: &'static str, before: Option<Vec<f32>>, len: usize, t: Tolerance) -> Self {
        match before {
            Some(before) => self.changes(name, before, t),
            None => self.writes(name, len, t),
        }
    }

    fn array(mut self, array: Array) -> Self {
        self.arrays.push(array);
        self
    }

    /// How the kernel is launched on the arrays.
    pub(super) fn launch(mut self, launch: impl Fn(&mut Bench, &[Buffer]) -> runtime::Result<()> + 'static) -> Self {
        self.launch = Box::new(launch);
        self
    }

    /// What each array that the kernel changes or overwrites must hold after.
    pub(super) fn oracle(mut self, oracle: impl Fn(&[Vec<f32>]) -> Vec<Vec<f64>> + 'static) -> Self {
        self.oracle = Box::new(oracle);
        self
    }

    /// The trial with other numbers in what the kernel reads, and this much more allowed.
    pub(super) fn with_values(mut self, what: &str, more: Tolerance, value: impl Fn(&str, usize) -> f32) -> Self {
        self.case += &format!(", {what}");
        for array in &mut self.arrays {
            if array.read {
                (0..array.values.len()).for_each(|i| array.values[i] = value(array.name, i));
            }
            if let Some(tolerance) = &mut array.written {
                let (absolute, relative) = (tolerance.absolute + more.absolute, tolerance.relative + more.relative);
                *tolerance = Tolerance::new(absolute, relative, more.reason);
            }
        }
        self
    }

    /// The trial with these arrays multiplied by a factor, and each result's absolute tolerance by a
    /// power of it: for kernels whose results and errors grow so.
    pub(super) fn scaled(mut self, factor: f32, names: &[&str], power: i32) -> Self {
        if factor == 1.0 {
            return self;
        }
        self.case += &format!(", times {factor:e}");
        for array in &mut self.arrays {
            if names.contains(&array.name) {
                array.values.iter_mut().for_each(|value| *value *= factor);
            }
            if let Some(tolerance) = &mut array.written {
                tolerance.absolute *= f64::from(factor).powi(power);
            }
        }
        self
    }

    fn values(&self) -> Vec<Vec<f32>> {
        self.arrays.iter().map(|array| array.values.clone()).collect()
    }

    /// The arrays that the kernel writes, with their tolerances.
    fn written(&self) -> impl Iterator<Item = (usize, &Array, Tolerance)> {
        let all = self.arrays.iter().enumerate();
        all.filter_map(|(index, array)| array.written.map(|tolerance| (index, array, tolerance)))
    }

    fn start(&self, bench: &mut Bench, values: &[Vec<f32>]) -> Vec<Buffer> {
        let buffers: Vec<Buffer> = self
            .arrays
            .iter()
            .zip(values)
            .map(|(array, values)| if array.read { bench.upload(values) } else { bench.output(values.len()) })
            .collect();
        (self.launch)(bench, &buffers).unwrap_or_else(|error| panic!("{} on {}: {error}", self.case, bench.device));
        buffers
    }

    /// Runs the kernel and fails unless it does what the oracle says.
    pub(super) fn check(&self, bench: &mut Bench) {
        let values = self.values();
        let buffers = self.start(bench, &values);
        let want = (self.oracle)(&values);
        assert_eq!(want.len(), self.written().count(), "{}: the oracle has other outputs", self.case);
        for ((index, array, tolerance), want) in self.written().zip(&want) {
            let case = match self.written().count() {
                1 => self.case.clone(),
                _ => format!("{} of {}", array.name, self.case),
            };
            bench.expect(case, &buffers[index], want, tolerance);
        }
    }

    fn run(&self, bench: &mut Bench, values: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let buffers = self.start(bench, values);
        self.written().map(|(index, ..)| bench.read(&buffers[index])).collect()
    }

    /// Puts NaN and both infinities into single elements of everything that the kernel reads. What
    /// depends on the element, as NaN shows that goes through the oracle, must be what the oracle says:
    /// finite and right where it is finite, and not finite where it is not, for drivers may make NaN of
    /// an infinity. All else must stay as it is without the poison, bit for bit.
    pub(super) fn poison(&self, bench: &mut Bench) {
        let clean = self.values();
        let (undisturbed, sound) = (self.run(bench, &clean), (self.oracle)(&clean));
        for (index, array) in self.arrays.iter().enumerate().filter(|(_, array)| array.read) {
            for place in places(array.values.len()) {
                let with = |value: f32| {
                    let mut values = clean.clone();
                    values[index][place] = value;
                    values
                };
                let marked = (self.oracle)(&with(f32::NAN));
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let values = with(bad);
                    let (got, want) = (self.run(bench, &values), (self.oracle)(&values));
                    for (output, (_, written, tolerance)) in self.written().enumerate() {
                        let context = |i: usize| {
                            let (case, device) = (&self.case, &bench.device);
                            format!("{case} on {device}, {bad} in `{}`[{place}]: `{}`[{i}]", array.name, written.name)
                        };
                        let results = got[output].iter().zip(&want[output]).enumerate();
                        for (i, (got, want)) in results {
                            let (before, after) = (sound[output][i], marked[output][i]);
                            let depends = before != after && !(before.is_nan() && after.is_nan());
                            let clean = undisturbed[output][i];
                            if !depends {
                                let same = got.to_bits() == clean.to_bits() || got.is_nan() && clean.is_nan();
                                assert!(same, "{} does not depend on it, but changes {clean} to {got}", context(i));
                            } else if want.is_finite() {
                                let right = tolerance.share(*got, *want) <= 1.0;
                                assert!(right, "{} is {got}, the oracle says {want}", context(i));
                            } else {
                                assert!(!got.is_finite(), "{} is {got}, and hides a {want}", context(i));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Runs on zeros of both signs, and on numbers too small for a normal float.
    pub(super) fn check_tiny(self, bench: &mut Bench) -> Self {
        const ZEROS: Tolerance = Tolerance::new(0.0, 0.0, "as for other values: zeros have no error of their own");
        const DENORMALS: Tolerance = Tolerance::new(
            1e-33,
            0.0,
            "devices may take numbers below 1.2e-38 for zero, and factors up to a thousand follow, and sums",
        );
        let signed = |value: f32| move |_: &str, i: usize| if i.is_multiple_of(2) { value } else { -value };
        let trial = self.with_values("zeros", ZEROS, |_, _| 0.0);
        trial.check(bench);
        let trial = trial.with_values("zeros of both signs", ZEROS, signed(0.0));
        trial.check(bench);
        let trial = trial.with_values("denormals", DENORMALS, signed(1e-39));
        trial.check(bench);
        trial
    }
}

/// A few places of an array: both ends, and some between.
fn places(len: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..5).map(|quarter| quarter * (len - 1) / 4).collect();
    places.dedup();
    places
}
