//! What every test of a kernel needs: the devices, values, and comparison with an oracle.
#![allow(clippy::panic)] // a test fails by panicking

use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, io};

use bytemuck::Pod;
use runtime::{Buffer, Device, DeviceOptions, Error, Stream};

/// Names the software adapter to test on; llvmpipe unless it is set.
pub const ADAPTER: &str = "KERNEL_TEST_ADAPTER";
/// If this is 1, a missing adapter is a skip and no failure.
pub const WITHOUT_GPU: &str = "KERNEL_TESTS_WITHOUT_GPU";

/// Runs a test on the CPU, then on the adapter.
pub fn on_each_device(test: impl Fn(&mut Bench)) {
    for device in devices() {
        test(&mut Bench::new(&device));
    }
}

/// The CPU, and the software adapter with WebGPU's default limits.
///
/// # Panics
/// Where the adapter is missing, unless [`WITHOUT_GPU`] is 1.
pub fn devices() -> Vec<Device> {
    let open = |options: &DeviceOptions| Device::open(options);
    let mut devices =
        vec![open(&DeviceOptions::cpu()).unwrap_or_else(|error| panic!("the CPU does not open: {error}"))];
    let name = env::var(ADAPTER).unwrap_or_else(|_| "llvmpipe".into());
    match open(&DeviceOptions { default_limits: true, ..DeviceOptions::adapter(&name) }) {
        Ok(device) => devices.push(device),
        Err(Error::NoAdapter(_)) if env::var(WITHOUT_GPU).as_deref() == Ok("1") => {
            report_skip(format_args!("no adapter `{name}`, so only the CPU was tested"));
        }
        Err(error) => panic!(
            "half of the kernel tests cannot run: {error}. Install a software Vulkan driver (Debian, Ubuntu: apt install \
             mesa-vulkan-drivers), or name another adapter in {ADAPTER}, or set {WITHOUT_GPU}=1 to test the CPU alone"
        ),
    }
    devices
}

/// Counts a skip and says what is missing, past the test harness, which would swallow what a passing
/// test prints.
pub fn report_skip(what: impl Display) {
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "SKIPPED ({count} so far): {what}");
}

/// A device under test and its stream.
#[derive(Debug)]
pub struct Bench {
    /// Takes the launches.
    pub stream: Stream,
    /// The device as failures name it.
    pub device: String,
}

impl Bench {
    fn new(device: &Device) -> Self {
        let stream = device.stream().unwrap_or_else(|error| panic!("{device}: {error}"));
        Self { stream, device: device.to_string() }
    }

    fn unwrap<T>(&self, result: runtime::Result<T>) -> T {
        result.unwrap_or_else(|error| panic!("{}: {error}", self.device))
    }

    /// A buffer with this data.
    pub fn upload<T: Pod>(&mut self, data: &[T]) -> Buffer {
        let buffer = self.stream.upload(data);
        self.unwrap(buffer)
    }

    /// A buffer to be overwritten: what a kernel forgets to write stays NaN.
    pub fn output(&mut self, len: usize) -> Buffer {
        self.upload(&vec![f32::NAN; len])
    }

    /// What a buffer holds.
    pub fn read<T: Pod>(&mut self, buffer: &Buffer) -> Vec<T> {
        let data = self.stream.read(buffer);
        self.unwrap(data)
    }

    /// Fails unless the buffer holds what the oracle says; `case` names the kernel, the binding
    /// and the shape.
    pub fn expect(&mut self, case: impl Display, buffer: &Buffer, want: &[f64], tolerance: Tolerance) {
        let got: Vec<f32> = self.read(buffer);
        assert_eq!(got.len(), want.len(), "{case} on {}: the test compares different lengths", self.device);
        let wrong = |i: &usize| !tolerance.allows(got[*i], want[*i]);
        let mut mismatches = (0..got.len()).filter(wrong);
        let Some(first) = mismatches.next() else { return };
        let also = mismatches.count();
        panic!(
            "{case} on {}: element {first} is {:e}, the oracle says {:e} (allowed: {:.1e} + {:.1e} of it); {also} more of {} differ",
            self.device,
            got[first],
            want[first],
            tolerance.absolute,
            tolerance.relative,
            got.len()
        );
    }

    /// Fails unless the buffer holds exactly these words.
    pub fn expect_words(&mut self, case: impl Display, buffer: &Buffer, want: &[u32]) {
        let got: Vec<u32> = self.read(buffer);
        assert_eq!(got.len(), want.len(), "{case} on {}: the test compares different lengths", self.device);
        if let Some(i) = (0..got.len()).find(|i| got[*i] != want[*i]) {
            panic!("{case} on {}: element {i} is {}, the oracle says {}", self.device, got[i], want[i]);
        }
    }
}

/// How far a result may be from the oracle's.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Allowed whatever the value.
    pub absolute: f64,
    /// Allowed as a part of the value.
    pub relative: f64,
}

impl Tolerance {
    /// Not at all: for what f32 does without rounding.
    pub const EXACT: Self = Self { absolute: 0.0, relative: 0.0 };

    /// A few roundings of values near one.
    pub const ROUNDING: Self = Self { absolute: 1e-6, relative: 1e-6 };

    /// For a sum of `terms` products near one. Each step of a plain f32 sum rounds a partial sum of
    /// about √terms by half of 2^-23, all the same way at worst: 6e-8 · terms^1.5. Signs differ, so
    /// what is seen is near 6e-8 · terms; the rest is leeway for the terms' own errors.
    pub fn sum(terms: usize) -> Self {
        Self { absolute: 2e-6 + 1e-7 * terms as f64, relative: 2e-6 }
    }

    fn allows(self, got: f32, want: f64) -> bool {
        let got = f64::from(got);
        got == want || got.is_nan() && want.is_nan() || (got - want).abs() <= self.absolute + self.relative * want.abs()
    }
}

/// Deterministic random values (SplitMix64, by Steele, Lea and Flood).
#[derive(Debug)]
pub struct Values(u64);

impl Values {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number in [0, 1).
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Integers below `end`.
    pub fn below(&mut self, end: u32, len: usize) -> Vec<u32> {
        (0..len).map(|_| (self.bits() % u64::from(end)) as u32).collect()
    }

    /// Uniform in [low, high).
    pub fn uniform(&mut self, low: f64, high: f64, len: usize) -> Vec<f32> {
        (0..len).map(|_| (low + (high - low) * self.unit()) as f32).collect()
    }

    /// Near to standard normal: twelve uniform numbers added would be closer, four are enough here.
    pub fn normal(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| ((0..4).map(|_| self.unit()).sum::<f64>() - 2.0) as f32 * 1.75).collect()
    }

    /// Normal numbers times 0, 1e-4, 1 or 1e4 (the first times 1): for element-wise kernels.
    pub fn spread(&mut self, len: usize) -> Vec<f32> {
        const MAGNITUDES: [f32; 6] = [1.0, 0.0, 1e-4, 1.0, 1e4, 1.0];
        let mut values = self.normal(len);
        for value in values.iter_mut().skip(1) {
            *value *= MAGNITUDES[(self.bits() % 6) as usize];
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerances_refuse_what_is_not_a_number() {
        let generous = Tolerance { absolute: 1e9, relative: 1e9 };
        assert!(!generous.allows(f32::NAN, 1.0) && !generous.allows(1.0, f64::NAN));
        assert!(!generous.allows(f32::INFINITY, 1.0));
        assert!(generous.allows(f32::NAN, f64::NAN));
        assert!(Tolerance::EXACT.allows(0.5, 0.5) && !Tolerance::EXACT.allows(0.500_000_06, 0.5));
        assert!(Tolerance::EXACT.allows(f32::INFINITY, f64::INFINITY));
    }
}
