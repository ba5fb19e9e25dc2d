//! Launches and buffers that are larger than the adapter allows, and are nothing special on the CPU.

use kernels::{
    Attention, AttentionBackward, ColumnSum, Epilogue, Heads, Layout, MatMul, Mse, SumOfSquares, UniformTime, Variant,
};
use runtime::{Error, Result};
use tests::harness::{Bench, on_each_device};

/// WebGPU's default limit, with which the tests open the adapter, of workgroups in a dimension.
const MOST: usize = 65_535;

/// Fails unless the adapter refuses a launch for the workgroups it takes, and the CPU runs it.
fn expect_too_large(bench: &Bench, launched: Result<()>, kernel: &str) {
    match launched {
        Ok(()) if bench.stream.device().adapter().is_none() => {}
        Err(error @ Error::TooLarge { .. }) => {
            let text = error.to_string();
            for said in [kernel, "65536 workgroups", "65535"] {
                assert!(text.contains(said), "`{said}` is not in: {text}");
            }
        }
        other => panic!("{kernel} on {} in 65,536 workgroups gives {other:?}", bench.device),
    }
}

#[test]
fn too_many_workgroups_are_refused() {
    on_each_device(|bench| {
        let (x, out) = (bench.output(MOST * 32 + 1), bench.output(MOST * 32 + 1));
        let launch = ColumnSum { x: &x, out: &out, rows: 1, columns: MOST * 32 + 1, scale: 1.0, accumulate: false };
        let launched = launch.launch(&mut bench.stream);
        expect_too_large(bench, launched, "column_sum");

        let (x, partials) = (bench.output(3), bench.output(MOST + 1));
        let launched = SumOfSquares { x: &x, partials: &partials }.launch(&mut bench.stream);
        expect_too_large(bench, launched, "sum_of_squares");

        let items = MOST + 1;
        for heads in [
            Heads { batch: items, tokens: 1, heads: 1, head_dim: 4 },
            Heads { batch: 1, tokens: 1, heads: items, head_dim: 4 },
        ] {
            let (qkv, out, log_sum) = (bench.output(12 * items), bench.output(4 * items), bench.output(items));
            let launched = Attention { qkv: &qkv, out: &out, log_sum: &log_sum, heads }.launch(&mut bench.stream);
            expect_too_large(bench, launched, "attention");
            let gradient = bench.output(12 * items);
            let (output, upstream) = (&out, &out);
            let launch = AttentionBackward { qkv: &qkv, output, log_sum: &log_sum, upstream, out: &gradient, heads };
            let launched = launch.launch(&mut bench.stream);
            expect_too_large(bench, launched, "attention_backward");
        }

        let (long, short, out) = (bench.output(MOST * 64 + 1), bench.output(1), bench.output(MOST * 64 + 1));
        for [m, n] in [[MOST * 64 + 1, 1], [1, MOST * 64 + 1]] {
            let (a, b) = if m > n { (&long, &short) } else { (&short, &long) };
            let (layout, epilogue) = (Layout::Plain, Epilogue::Overwrite);
            let launched = MatMul { a, b, out: &out, layout, m, n, k: 1, epilogue }
                .launch_variant(&mut bench.stream, Variant::Portable);
            expect_too_large(bench, launched, "matmul");
        }
        let columns = MOST * 32 + 4;
        let (a, b, out) = (bench.output(4), bench.output(4 * columns), bench.output(columns));
        let (layout, epilogue) = (Layout::Plain, Epilogue::Overwrite);
        let launched = MatMul { a: &a, b: &b, out: &out, layout, m: 1, n: columns, k: 4, epilogue }
            .launch_variant(&mut bench.stream, Variant::Register);
        expect_too_large(bench, launched, "matmul_register");
    });
}

/// Kernels of one invocation an element, or a workgroup an item, fold into two dimensions instead.
#[test]
fn folded_launches_are_not_refused() {
    on_each_device(|bench| {
        let (x, out) = (bench.output(MOST + 2), bench.output(MOST + 2));
        let launch = Mse { prediction: &x, target: &x, out: &out, batch: MOST + 2, size: 1 };
        launch.launch(&mut bench.stream).unwrap();
        let out = bench.output(MOST * 64 + 1);
        UniformTime { out: &out, seed: 0, step: 0 }.launch(&mut bench.stream).unwrap();
        bench.stream.synchronize().unwrap();
    });
}

#[test]
fn buffers_beyond_the_limit_are_refused() {
    on_each_device(|bench| {
        if bench.stream.device().adapter().is_none() {
            return; // the CPU has no limit but its memory
        }
        // 128 MiB are what WebGPU lets a kernel bind.
        let most = 128 << 20;
        bench.stream.allocate(most / 4).unwrap();
        for bytes in [most + 4, most * 3 / 2, 1 << 40] {
            match bench.stream.allocate(bytes / 4) {
                Err(error @ Error::TooLarge { .. }) => {
                    let text = error.to_string();
                    assert!(text.contains("128.0 MiB") && text.contains("smaller batch"), "{text}");
                }
                other => panic!("{}: {bytes} bytes give {other:?}", bench.device),
            }
        }
    });
}

#[test]
fn buffers_beyond_any_address_are_refused() {
    on_each_device(|bench| {
        for len in [usize::MAX, usize::MAX - 62, isize::MAX as usize / 4] {
            let allocated = bench.stream.allocate(len);
            assert!(matches!(allocated, Err(Error::TooLarge { .. })), "{}: {allocated:?}", bench.device);
        }
    });
}
