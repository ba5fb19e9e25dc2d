//! What is chosen for a device: by measuring, and by its kind.

use std::env;

use kernels::{Epilogue, Fill, Layout, LinearBackward, MatMul, Tile, Variant};
use runtime::{Buffer, Error, Field, Kernel, Launch, Scalar, Stream};
use tests::harness::{SHADERS, Values, adapter_as_hardware, half_devices, on_each_device, on_hardware};

use super::linear::{Memory, linear_backward_trial};
use super::refusals::expect_refusal;

#[test]
fn the_fastest_candidate_is_chosen_and_remembered() {
    on_each_device(|bench| {
        let [short, long] = [64, 1 << 22].map(|len| bench.output(len));
        let fill = |stream: &mut Stream, out: &Buffer| Fill { out, value: 1.0 }.launch(stream);
        for fast in [0, 2] {
            let mut launches = 0;
            let mut choose = || {
                bench.stream.fastest(("fill", [fast, 0, 0, 0]), 3, |stream, candidate| {
                    launches += 1;
                    fill(stream, if candidate == fast as usize { &short } else { &long })
                })
            };
            assert_eq!(choose().unwrap(), fast as usize);
            assert_eq!(choose().unwrap(), fast as usize);
            // Once to begin with, once to find out how long it takes, then in four turns, for each of three candidates.
            let first = launches;
            assert!(first >= 18, "{first} launches");
            let again = bench.stream.fastest(("fill", [fast, 0, 0, 0]), 3, |_, _| panic!("measured twice"));
            assert_eq!(again.unwrap(), fast as usize);
        }

        let refused = || Error::Shape { kernel: "fill", message: "too cold".into() };
        let failed = bench.stream.fastest(("fill", [7; 4]), 2, |_, _| Err(refused()));
        assert_eq!(failed.unwrap_err().to_string(), refused().to_string());
        let then = bench.stream.fastest(("fill", [7; 4]), 2, |stream, candidate| {
            fill(stream, if candidate == 1 { &short } else { &long })
        });
        assert_eq!(then.unwrap(), 1, "a failure was remembered as a choice");
    });
}

static NO_WGSL: Kernel = Kernel {
    name: "no_wgsl",
    wgsl: Some("@compute @workgroup_size(1) fn main() { let number: u32 = 1.5; }"),
    parameters: &[Field { name: "unused", scalar: Scalar::U32 }],
    bindings: &[],
    cpu: |_, _| {},
};

#[test]
fn what_a_driver_refuses_is_not_chosen() {
    // There a shader is compiled by others before wgpu sees it.
    if env::var(SHADERS).as_deref() == Ok("hlsl") {
        return;
    }
    on_each_device(|bench| {
        let refuses = bench.stream.device().adapter().is_some();
        let long = bench.output(1 << 22);
        let mut launch = |broken: [bool; 2], key| {
            bench.stream.fastest(("no_wgsl", [key; 4]), 2, |stream, candidate| {
                if broken[candidate] {
                    let (kernel, workgroups) = (&NO_WGSL, [1, 1, 1]);
                    stream.launch(&Launch { kernel, parameters: 0_u32, buffers: &[], constants: &[], workgroups })
                } else {
                    Fill { out: &long, value: 1.0 }.launch(stream)
                }
            })
        };
        assert_eq!(launch([true, false], 0).unwrap(), usize::from(refuses));
        assert_eq!(launch([false, true], 1).unwrap(), usize::from(!refuses));
        let neither = launch([true, true], 2);
        match neither {
            Err(Error::Gpu(message)) => assert!(refuses && message.contains("no_wgsl"), "{message}"),
            other => assert!(!refuses && other.is_ok(), "{other:?}"),
        }
    });
}

#[test]
fn measuring_leaves_the_result_alone() {
    on_each_device(|bench| {
        let [m, n, k] = [36, 20, 8];
        let (a, b, bias) = (bench.upload(&vec![1.0_f32; m * k]), bench.upload(&vec![1.0_f32; k * n]), bench.output(n));
        let before: Vec<f32> = (0..m * n).map(|i| i as f32).collect();
        let out = bench.upload(&before);
        for epilogue in [Epilogue::Overwrite, Epilogue::Add, Epilogue::Bias { bias: &bias }] {
            let product = MatMul { a: &a, b: &b, out: &out, layout: Layout::Plain, m, n, k, epilogue };
            product.fastest_variant(&mut bench.stream).unwrap();
            assert_eq!(bench.read::<f32>(&out), before, "{epilogue:?}");
        }
    });
}

/// The variant for a product on a device's kind.
fn chosen(stream: &mut Stream, [m, n, k]: [usize; 3], layout: Layout, biased: bool) -> Variant {
    let [a, b, bias, out] = [m * k, k * n, n, m * n].map(|len| stream.allocate(len).unwrap());
    let epilogue = if biased { Epilogue::Bias { bias: &bias } } else { Epilogue::Add };
    MatMul { a: &a, b: &b, out: &out, layout, m, n, k, epilogue }.variant(stream).unwrap()
}

#[test]
fn variants_are_chosen_by_the_kind_of_device() {
    const VECTORS: [usize; 3] = [64, 32, 16];
    const ODD: [usize; 3] = [64, 33, 16];
    on_each_device(|bench| {
        let subgroups = bench.missing_for_pairs().is_none();
        let of_vectors = chosen(&mut bench.stream, VECTORS, Layout::Plain, false);
        assert_eq!(chosen(&mut bench.stream, ODD, Layout::Plain, false), Variant::Portable);
        let Some(adapter) = bench.stream.device().adapter() else {
            assert_eq!(of_vectors, Variant::Portable);
            return;
        };
        // These tests may have been told to take the adapter for hardware.
        if adapter.software {
            assert_eq!(of_vectors, if subgroups { Variant::Subgroup } else { Variant::Register });
        }
    });
    on_hardware(|bench| {
        let stream = &mut bench.stream;
        assert!(stream.device().is_hardware_gpu() && !stream.device().adapter().unwrap().software);
        assert_eq!(chosen(stream, ODD, Layout::Plain, false), Variant::Portable);
        // m must be whole vec4s where a lies along it, k where it does not.
        assert_eq!(chosen(stream, [63, 32, 16], Layout::ATransposed, false), Variant::Portable);
        assert_eq!(chosen(stream, [64, 32, 15], Layout::BTransposed, false), Variant::Portable);
        let mut slices = |shape, layout, biased| match chosen(stream, shape, layout, biased) {
            Variant::Wide { slices, .. } => slices,
            // The fastest may be this one, where there are no slices.
            Variant::Portable => 1,
            other => panic!("{shape:?} gives {other:?}"),
        };
        // As many as make 256 workgroups of tiles of 64 × 64, but 128 of k for each at least; none before a bias.
        assert_eq!(slices([128, 64, 1568], Layout::ATransposed, false), 12);
        assert_eq!(slices([512, 512, 640], Layout::ATransposed, false), 4);
        assert_eq!(slices([63, 32, 16], Layout::Plain, false), 1);
        assert_eq!(slices([128, 64, 1568], Layout::ATransposed, true), 1);

        let x = stream.allocate(16).unwrap();
        for [m, n, k] in [[1 << 62, 1 << 62, 4], [1 << 31, 1 << 31, 1 << 31], [4, 4, 0]] {
            let product =
                MatMul { a: &x, b: &x, out: &x, layout: Layout::Plain, m, n, k, epilogue: Epilogue::Overwrite };
            expect_refusal(product.launch(stream), format!("sizes of {m}, {n}, {k}"), &["shape"]);
        }
    });
}

/// Hardware multiplies numbers of 16 bits only on matrix units: without them that takes longer than with those of 32 bits.
#[test]
fn reduced_precision_is_chosen_where_it_is_faster() {
    let mut devices = half_devices(None);
    devices.extend(adapter_as_hardware(true));
    for device in devices.iter().filter(|device| device.adapter().is_some()) {
        let Some(half) = device.half() else { continue };
        let mut stream = device.stream().unwrap();
        let forward = chosen(&mut stream, [64, 32, 16], Layout::BTransposed, false);
        match half.matrices() {
            Some(size) => assert_eq!(forward, Variant::Cooperative(size), "{device}"),
            None => assert_eq!(forward == Variant::Half, !device.is_hardware_gpu(), "{device}: {forward:?}"),
        }
        let backward = chosen(&mut stream, [64, 32, 16], Layout::Plain, false);
        assert!(!matches!(backward, Variant::Half | Variant::Cooperative(_)), "{device}: {backward:?}");
    }
}

/// What a launch chooses by itself on hardware: the gradients of a Linear in 12 slices, with sums.
#[test]
fn what_hardware_is_given_is_right() {
    on_hardware(|bench| {
        for memory in [Memory::Apart, Memory::Together] {
            let case = ([1568, 64, 128], [true; 2], 9);
            linear_backward_trial(|backward, stream| backward.launch(stream), memory, case).check(bench);
        }
    });
}

/// Which of them is the fastest may change no bit.
#[test]
fn candidates_add_up_in_the_same_order() {
    on_each_device(|bench| {
        for layout in [Layout::Plain, Layout::BTransposed, Layout::ATransposed] {
            for [m, n, k] in [[36, 20, 8], [132, 68, 52], [64, 192, 100]] {
                let mut values = Values::new(5);
                let (a, b) = (bench.upload(&values.normal(m * k)), bench.upload(&values.normal(k * n)));
                let (bias, residual) = (bench.upload(&values.normal(n)), bench.upload(&values.normal(m * n)));
                let gate = Epilogue::GateResidual {
                    bias: &bias,
                    residual: &residual,
                    modulation: &residual,
                    modulation_width: n,
                    gate: 0,
                    tokens: 1,
                    saved: None,
                };
                for (name, epilogue) in [
                    ("overwrite", Epilogue::Overwrite),
                    ("add", Epilogue::Add),
                    ("bias", Epilogue::Bias { bias: &bias }),
                    ("gelu", Epilogue::Gelu { bias: &bias, saved: None }),
                    ("its gradient", Epilogue::GeluBackward { x: &residual }),
                    ("gate", gate),
                ] {
                    let bits: Vec<Vec<u32>> = [
                        Variant::Portable,
                        Variant::Wide { tile: Tile::Side64, slices: 1 },
                        Variant::Wide { tile: Tile::Side128, slices: 1 },
                    ]
                    .into_iter()
                    .map(|variant| {
                        let out = bench.upload(&vec![0.25_f32; m * n]);
                        let product = MatMul { a: &a, b: &b, out: &out, layout, m, n, k, epilogue };
                        product.launch_variant(&mut bench.stream, variant).unwrap();
                        bench.read(&out)
                    })
                    .collect();
                    let counts = [different(&bits[0], &bits[1]), different(&bits[1], &bits[2])];
                    assert_eq!(counts, [0, 0], "{layout:?} {m} {n} {k} {name} on {}", bench.device);
                }
            }
        }
        for (sizes, slices) in [([49, 16, 128], 1), ([257, 48, 100], 1), ([257, 144, 68], 3)] {
            let [rows, inner, out] = sizes;
            let mut values = Values::new(5);
            let [x, upstream] = [rows * inner, rows * out].map(|len| bench.upload(&values.normal(len)));
            let bits: Vec<Vec<u32>> = [Tile::Side64, Tile::Side128]
                .into_iter()
                .map(|tile| {
                    let both = bench.output(out * inner + out);
                    let (weight, bias) = (both.slice(0..out * inner), both.slice(out * inner..both.len()));
                    let (out_weight, out_bias) = ((&weight, false), (&bias, false));
                    LinearBackward { x: &x, upstream: &upstream, sizes, out_weight, out_bias }
                        .launch_variant(&mut bench.stream, Variant::Wide { tile, slices })
                        .unwrap();
                    bench.read(&both)
                })
                .collect();
            assert_eq!(different(&bits[0], &bits[1]), 0, "{sizes:?} in {slices} on {}", bench.device);
        }
    });
}

fn different(one: &[u32], two: &[u32]) -> usize {
    one.iter().zip(two).filter(|(a, b)| a != b).count()
}
