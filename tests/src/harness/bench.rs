//! A device under test.

use std::fmt::Display;
use std::{env, mem, thread};

use bytemuck::Pod;
use runtime::{Buffer, Device, MatrixSize, Stream};

use super::fence::Fence;
use super::{Kind, Observation, SHADERS, Tolerance, adapter_as_hardware, devices, half_devices};

/// Results that are all smaller, such as those of denormals, are recorded with their absolute error: devices
/// may take them for zero, and the relative error would be 1.
const NOTHING: f64 = 1e-30;

/// Runs a test on the CPU, then on the adapter.
pub fn on_each_device(test: impl Fn(&mut Bench)) {
    for device in devices() {
        test(&mut Bench::new(&device, None));
    }
}

/// Runs a test on the adapter taken for hardware, where kernels choose the variants that hardware gets.
pub fn on_hardware(test: impl Fn(&mut Bench)) {
    if let Some(device) = adapter_as_hardware(false) {
        test(&mut Bench::new(&device, None));
    }
}

/// Runs a kernel's test on the CPU, then on the adapter; what it compares is recorded as the kernel's.
pub fn for_kernel(kernel: &'static str, test: impl Fn(&mut Bench)) {
    for device in devices() {
        test(&mut Bench::new(&device, Some(kernel)));
    }
}

/// As [`for_kernel`], on devices opened for reduced precision, and with matrices of this size.
pub fn for_half_kernel(kernel: &'static str, matrices: Option<MatrixSize>, test: impl Fn(&mut Bench)) {
    for device in half_devices(matrices) {
        test(&mut Bench::new(&device, Some(kernel)));
    }
}

/// A device under test and its stream.
#[derive(Debug)]
pub struct Bench {
    /// Takes the launches.
    pub stream: Stream,
    /// The device as failures name it.
    pub device: String,
    kernel: Option<&'static str>,
    fences: Vec<Fence>,
}

impl Bench {
    fn new(device: &Device, kernel: Option<&'static str>) -> Self {
        let stream = device.stream().unwrap_or_else(|error| panic!("{device}: {error}"));
        let mode = env::var(SHADERS).ok().filter(|_| device.adapter().is_some());
        let mode = mode.map(|mode| format!(", {mode} shaders")).unwrap_or_default();
        Self { stream, device: format!("{device}{mode}"), kernel, fences: Vec::new() }
    }

    fn unwrap<T>(&self, result: runtime::Result<T>) -> T {
        result.unwrap_or_else(|error| panic!("{}: {error}", self.device))
    }

    /// Whether kernels with subgroups, of 8 invocations or more, run here.
    fn has_subgroups(&self) -> bool {
        self.stream.device().adapter().is_none_or(|info| info.smallest_subgroup.is_some_and(|lanes| lanes >= 8))
    }

    /// Whether kernels with integers of 64 bits run here.
    pub fn has_wide_integers(&self) -> bool {
        self.stream.device().adapter().is_none_or(|info| info.wide_integers)
    }

    /// What the device lacks for kernels whose lanes read pairs of floats for each other, as their refusal has it.
    pub fn missing_for_pairs(&self) -> Option<&'static str> {
        match (self.has_subgroups(), self.has_wide_integers()) {
            (false, _) => Some("subgroups of 8"),
            (true, false) => Some("integers of 64 bits"),
            (true, true) => None,
        }
    }

    /// A buffer with this data.
    pub fn upload<T: Pod>(&mut self, data: &[T]) -> Buffer {
        self.check_fences(Fence::is_last);
        let fenced = Fence::upload(&mut self.stream, data);
        let (buffer, fence) = self.unwrap(fenced);
        self.fences.push(fence);
        buffer
    }

    /// Fails where something was written beyond the end of a buffer; forgets the fences that `done` picks.
    fn check_fences(&mut self, done: impl Fn(&Fence) -> bool) {
        let (checked, kept) = mem::take(&mut self.fences).into_iter().partition(done);
        self.fences = kept;
        for fence in checked {
            let broken = fence.broken(&mut self.stream);
            if let Some(what) = self.unwrap(broken) {
                panic!("{}: {what}", self.device);
            }
        }
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
        let shares: Vec<f64> = got.iter().zip(want).map(|(got, want)| tolerance.share(*got, *want)).collect();
        let mut mismatches = (0..got.len()).filter(|i| shares[*i] > 1.0);
        if let Some(first) = mismatches.next() {
            let also = mismatches.count();
            panic!(
                "{case} on {}: element {first} is {:e}, the oracle says {:e} (allowed: {:.1e} + {:.1e} of it, because {}); \
                 {also} more of {} differ",
                self.device,
                got[first],
                want[first],
                tolerance.absolute,
                tolerance.relative,
                tolerance.reason,
                got.len()
            );
        }
        let finite = |value: &f64| value.is_finite();
        let largest = want.iter().copied().filter(finite).fold(0.0, |largest: f64, want| largest.max(want.abs()));
        let differences = got.iter().zip(want).map(|(got, want)| (f64::from(*got) - want).abs()).filter(finite);
        self.observe(
            Kind::Value,
            case.to_string(),
            got.len(),
            [
                differences.fold(0.0, f64::max) / if largest > NOTHING { largest } else { 1.0 },
                shares.into_iter().fold(0.0, f64::max),
            ],
            tolerance.reason,
        );
    }

    /// Records a comparison that passed: the relative error, and its share of what is allowed.
    pub fn observe(&self, kind: Kind, case: String, elements: usize, error_and_share: [f64; 2], reason: &str) {
        if let Some(kernel) = self.kernel {
            self.observe_for(kernel, kind, case, elements, error_and_share, reason);
        }
    }

    /// As [`Bench::observe`], as a kernel's that this test is not all about.
    pub fn observe_for(
        &self,
        kernel: &str,
        kind: Kind,
        case: String,
        elements: usize,
        [error, share]: [f64; 2],
        reason: &str,
    ) {
        let (kernel, device, reason) = (kernel.to_owned(), self.device.clone(), reason.to_owned());
        Observation { kind, kernel, device, case, elements, error, share, reason }.record();
    }

    /// Fails unless the buffer holds exactly these words.
    pub fn expect_words(&mut self, case: impl Display, buffer: &Buffer, want: &[u32]) {
        let got: Vec<u32> = self.read(buffer);
        assert_eq!(got.len(), want.len(), "{case} on {}: the test compares different lengths", self.device);
        if let Some(i) = (0..got.len()).find(|i| got[*i] != want[*i]) {
            panic!("{case} on {}: element {i} is {}, the oracle says {}", self.device, got[i], want[i]);
        }
        self.observe(Kind::Value, case.to_string(), got.len(), [0.0, 0.0], Tolerance::EXACT.reason);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.check_fences(|_| true);
        }
    }
}
