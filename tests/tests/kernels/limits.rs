//! Launches and buffers that are larger than the adapter allows, and are nothing special on the CPU.

use autograd::{AdamWOptions, Gradients, Optimizer, ParameterSpec, Parameters};
use kernels::{
    Attention, AttentionBackward, ColumnSum, Epilogue, Fill, Heads, Layout, MatMul, Mse, SumOfSquares, UniformTime,
    Variant,
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

/// What WebGPU lets a kernel bind, in words.
const BINDABLE: usize = (128 << 20) / 4;

#[test]
fn buffers_beyond_the_limit_are_refused() {
    on_each_device(|bench| {
        if bench.stream.device().adapter().is_none() {
            return; // the CPU has no limit but its memory
        }
        for len in [2 * BINDABLE + 1, 3 * BINDABLE, (1 << 40) / 4] {
            match bench.stream.allocate(len) {
                Err(error @ Error::TooLarge { .. }) => {
                    let text = error.to_string();
                    assert!(text.contains("256.0 MiB") && text.contains("smaller batch"), "{text}");
                }
                other => panic!("{}: {len} words give {other:?}", bench.device),
            }
        }
    });
}

#[test]
fn what_cannot_be_bound_at_once_is_refused_whole_and_taken_in_pieces() {
    on_each_device(|bench| {
        let on_cpu = bench.stream.device().adapter().is_none();
        for len in [BINDABLE, BINDABLE + 1, 2 * BINDABLE] {
            let buffer = bench.stream.allocate(len).unwrap();
            let launched = Fill { out: &buffer, value: 2.0 }.launch(&mut bench.stream);
            match launched {
                Ok(()) if on_cpu || len == BINDABLE => {}
                Err(error @ Error::TooLarge { .. }) => {
                    let text = error.to_string();
                    assert!(text.contains("`out` of the kernel fill") && text.contains("128.0 MiB"), "{text}");
                }
                other => panic!("fill of {len} words on {} gives {other:?}", bench.device),
            }
            let pieces: Vec<_> = bench.stream.device().pieces(&buffer).collect();
            assert_eq!(pieces.len(), if on_cpu { 1 } else { len.div_ceil(BINDABLE) });
            for piece in &pieces {
                Fill { out: piece, value: 3.0 }.launch(&mut bench.stream).unwrap();
            }
            let values: Vec<f32> = bench.stream.read(&buffer).unwrap();
            assert!(values.iter().all(|value| *value == 3.0), "{len} words on {}", bench.device);
        }
    });
}

/// The norm is that of all pieces, and each piece is updated once.
#[test]
fn an_optimiser_takes_an_arena_in_pieces() {
    const LEN: usize = BINDABLE + 1000;
    on_each_device(|bench| {
        let specs = vec![ParameterSpec { name: "parameter".into(), shape: vec![LEN] }];
        let parameters = Parameters::new(&mut bench.stream, specs, &[vec![1.0; LEN]]).unwrap();
        let gradients = Gradients::new(&mut bench.stream, &parameters).unwrap();
        bench.stream.write(gradients.arena(), &vec![0.5_f32; gradients.arena().len()]).unwrap();
        let mut optimizer = Optimizer::new(&mut bench.stream, &parameters, AdamWOptions::default()).unwrap();
        let clip = bench.stream.allocate(2).unwrap();
        optimizer.step(&mut bench.stream, &parameters, &gradients, 0.25, &clip).unwrap();
        let [norm, factor] = bench.stream.read::<f32>(&clip).unwrap()[..] else { panic!("two numbers") };
        let want = 0.5 * (parameters.arena().len() as f64).sqrt();
        assert!((f64::from(norm) / want - 1.0).abs() < 1e-5, "{norm} on {}, not {want}", bench.device);
        assert!((f64::from(factor) * want - 1.0).abs() < 1e-5, "{factor} on {}", bench.device);
        // A first step moves each parameter by the rate, but for epsilon.
        let moved = parameters.read(&mut bench.stream, parameters.arena()).unwrap();
        for (i, value) in moved[0].iter().enumerate() {
            assert!((value - 0.75).abs() < 1e-3 && *value == moved[0][0], "{value} at {i} on {}", bench.device);
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
