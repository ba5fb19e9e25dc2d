//! What a profile tells: which kernels ran, when and for how long; and that asking changes nothing.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::time::{Duration, Instant};

use kernels::{Epilogue, Layout, MatMul, Silu};
use runtime::{Activity, Device, DeviceOptions, Error, Profile, Stream, Value};
use tests::harness::{Values, devices};

/// A product that is no multiple of any tile.
const SHAPE: [usize; 3] = [67, 36, 52];

/// Three products, each with a SiLU after it and a submission after that; what comes out.
fn work(stream: &mut Stream) -> Vec<u32> {
    let [m, n, k] = SHAPE;
    let mut values = Values::new(3);
    let (a, b) = (stream.upload(&values.normal(m * k)).unwrap(), stream.upload(&values.normal(n * k)).unwrap());
    let (product, out) = (stream.allocate(m * n).unwrap(), stream.allocate(m * n).unwrap());
    for _ in 0..3 {
        let (layout, epilogue) = (Layout::BTransposed, Epilogue::Overwrite);
        MatMul { a: &a, b: &b, out: &product, layout, m, n, k, epilogue }.launch(stream).unwrap();
        Silu { x: &product, out: &out }.launch(stream).unwrap();
        stream.submit().unwrap();
    }
    stream.read(&out).unwrap()
}

fn profile(stream: &mut Stream, limit: usize) -> (Profile, Vec<u32>, Duration) {
    stream.start_profile(limit).unwrap();
    let start = Instant::now();
    let out = work(stream);
    let wall = start.elapsed();
    (stream.finish_profile().unwrap(), out, wall)
}

#[test]
fn kernels_have_names_sizes_and_times_that_fit_in_the_hosts() {
    for device in devices() {
        let mut stream = device.stream().unwrap();
        work(&mut stream);
        let (profile, _, wall) = profile(&mut stream, 100);
        assert_eq!((profile.kernels.len(), profile.omitted), (6, 0), "{device}");
        for (index, span) in profile.kernels.iter().enumerate() {
            let name = if index % 2 == 0 { "matmul" } else { "silu" };
            assert!(span.kernel.name.starts_with(name), "{device}: kernel {index} is {}", span.kernel.name);
            assert!(span.duration > Duration::ZERO, "{device}: kernel {index} took no time");
        }
        for pair in profile.kernels.windows(2) {
            assert!(pair[0].start + pair[0].duration <= pair[1].start, "{device}: kernels overlap");
        }
        let sum: Duration = profile.kernels.iter().map(|span| span.duration).sum();
        assert!(sum <= wall, "{device}: kernels took {sum:?} of {wall:?}");
        let sizes: Vec<_> = profile.kernels[0].parameters().take(3).collect();
        let [m, n, k] = SHAPE.map(|size| Value::U32(size as u32));
        assert_eq!(sizes, [("m", m), ("n", n), ("k", k)], "{device}");
        assert_eq!(profile.kernels[1].buffers, [SHAPE[0] * SHAPE[1]; 2], "{device}");
    }
}

#[test]
fn the_host_is_seen_at_work() {
    for device in devices() {
        let mut stream = device.stream().unwrap();
        let (profile, _, wall) = profile(&mut stream, 100);
        let count = |activity| profile.host.iter().filter(|span| span.activity == activity).count();
        let submissions = if device.adapter().is_some() { 3 } else { 0 };
        for activity in [Activity::Record, Activity::Encode, Activity::Submit] {
            assert_eq!(count(activity), submissions, "{device}: {}", activity.name());
        }
        assert_eq!((count(Activity::Write), count(Activity::Read)), (2, 1), "{device}");
        // The clock of the profile starts a moment before the test's.
        let end = profile.host.iter().map(|span| span.start + span.duration).max().unwrap();
        assert!(end <= wall + Duration::from_millis(500), "{device}: the host is at work until {end:?} of {wall:?}");
    }
}

#[test]
fn a_profile_changes_no_result_and_ends_where_it_was_told() {
    for device in devices() {
        let mut stream = device.stream().unwrap();
        let plain = work(&mut stream);
        for limit in [0, 1, 3, 6, 7] {
            let (profile, out, _) = profile(&mut stream, limit);
            assert_eq!(out, plain, "{device}: other results with a profile of {limit} kernels");
            assert_eq!(profile.kernels.len(), limit.min(6), "{device}");
            assert_eq!(profile.omitted, 6 - limit.min(6), "{device}");
            assert!(profile.kernels.iter().all(|span| span.duration > Duration::ZERO), "{device}, {limit}");
        }
        assert_eq!(work(&mut stream), plain, "{device}: other results after a profile");
        assert!(stream.finish_profile().unwrap().kernels.is_empty(), "{device}: a profile that nobody asked for");
    }
}

/// More launches than a set of queries has room for, in one submission.
#[test]
fn a_long_profile_has_every_kernel() {
    const LAUNCHES: usize = 2500;
    for device in devices() {
        let mut stream = device.stream().unwrap();
        let (x, out) = (stream.upload(&[1.0_f32]).unwrap(), stream.allocate(1).unwrap());
        stream.start_profile(usize::MAX).unwrap();
        for _ in 0..LAUNCHES {
            Silu { x: &x, out: &out }.launch(&mut stream).unwrap();
        }
        let profile = stream.finish_profile().unwrap();
        assert_eq!(profile.kernels.len(), LAUNCHES, "{device}");
        let ordered = profile.kernels.windows(2).all(|pair| pair[0].start <= pair[1].start);
        assert!(ordered, "{device}: the launches are out of order");
    }
}

#[test]
fn an_adapter_opened_without_timestamps_says_so() {
    for device in devices() {
        let Some(adapter) = device.adapter() else { continue };
        let without = Device::open(&DeviceOptions::adapter(&adapter.name)).unwrap();
        let started = without.stream().unwrap().start_profile(1);
        assert!(matches!(started, Err(Error::NoTimestamps(_))), "{device}: {started:?}");
    }
}

#[test]
fn what_is_only_measured_does_not_show() {
    for device in devices() {
        let mut stream = device.stream().unwrap();
        let (x, out) = (stream.upload(&[1.0_f32; 64]).unwrap(), stream.allocate(64).unwrap());
        let silu = |stream: &mut Stream| Silu { x: &x, out: &out }.launch(stream);
        stream.start_profile(100).unwrap();
        silu(&mut stream).unwrap();
        stream.fastest(("silu", [64, 0, 0, 0]), 2, |stream, _| silu(stream)).unwrap();
        silu(&mut stream).unwrap();
        let profile = stream.finish_profile().unwrap();
        assert_eq!((profile.kernels.len(), profile.omitted), (2, 0), "{device}");
        assert!(profile.kernels.iter().all(|span| span.duration > Duration::ZERO), "{device}");
    }
}

#[test]
fn memory_is_counted_now_and_at_its_peak() {
    /// A buffer of the pool's smallest size.
    const BYTES: usize = runtime::ALIGNMENT * 4;
    for device in devices() {
        let figures = || {
            let memory = device.memory();
            [memory.in_use, memory.peak_in_use, memory.held, memory.peak_held].map(|bytes| bytes / BYTES)
        };
        let (first, second) = (device.allocate(1).unwrap(), device.allocate(runtime::ALIGNMENT + 1).unwrap());
        assert_eq!(figures(), [3, 3, 3, 3], "{device}");
        drop(second);
        assert_eq!(figures(), [1, 3, 3, 3], "{device}");
        let third = device.allocate(3 * runtime::ALIGNMENT).unwrap();
        assert_eq!(figures(), [4, 4, 6, 6], "{device}");
        drop(first);
        device.release_unused();
        assert_eq!(figures(), [3, 3, 3, 3], "{device}");
        drop(third);
        assert_eq!(figures(), [0, 3, 3, 3], "{device}");
    }
}
