//! Philox4x32-10 against the answers that its authors publish (kat_vectors of Random123): the code that shaders draw with,
//! under an entry point that does nothing else. The CPU's has a test beside it.

use std::f64::consts::TAU;
use std::sync::LazyLock;

use kernels::{GaussianNoise, REGISTRY};
use runtime::{Binding, Field, Kernel, Launch, Scalar};
use tests::harness::{Tolerance, on_each_device};
use tests::languages::text;

/// Counter, key, answer.
const KNOWN: [([u32; 4], [u32; 2], [u32; 4]); 3] = [
    ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
    ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
    (
        [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
        [0xa409_3822, 0x299f_31d0],
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
    ),
];

/// Draws the words of one counter. It takes the place of the entry point in a kernel of the registry.
const MAIN: &str = "
struct Draw { c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32 }

@group(0) @binding(0) var<uniform> draw: Draw;
@group(0) @binding(1) var<storage, read_write> words: array<u32>;

@compute @workgroup_size(1)
fn main() {
    let drawn = PHILOX(vec4u(draw.c0, draw.c1, draw.c2, draw.c3), vec2u(draw.k0, draw.k1));
    for (var i = 0u; i < 4u; i++) {
        words[i] = drawn[i];
    }
}
";

/// The kernel that draws, from the shader of a kernel that draws among other things: its Philox, and every
/// function that this needs.
fn drawing(kernel: &Kernel) -> &'static str {
    // A linked shader has an empty line between its items.
    let items = text(kernel).split("\n\n");
    let functions: Vec<(&str, &str)> =
        items.filter_map(|item| Some((item.strip_prefix("fn ")?.split_once('(')?.0, item))).collect();
    let philox = functions.iter().find(|(name, _)| name.ends_with("philox4x32"));
    let mut needed = vec![*philox.unwrap_or_else(|| panic!("{} does not draw", kernel.name))];
    let entry = MAIN.replace("PHILOX", needed[0].0);
    let mut next = 0;
    while let Some((_, text)) = needed.get(next).copied() {
        let called = functions.iter().filter(|(name, _)| text.contains(&format!("{name}(")));
        let new: Vec<_> = called.filter(|function| !needed.contains(function)).copied().collect();
        needed.extend(new);
        next += 1;
    }
    let texts: Vec<&str> = needed.iter().map(|(_, text)| *text).collect();
    Box::leak((texts.join("\n\n") + "\n" + &entry).into_boxed_str())
}

const fn word(name: &'static str) -> Field {
    Field { name, scalar: Scalar::U32 }
}

static BINDINGS: [Binding; 1] = [Binding::write("words")];
static FIELDS: [Field; 6] = [word("c0"), word("c1"), word("c2"), word("c3"), word("k0"), word("k1")];

/// One for each kernel that draws, from that kernel's own shader.
static DRAWING: LazyLock<Vec<Kernel>> = LazyLock::new(|| {
    let draws = REGISTRY.iter().filter(|kernel| text(kernel).contains("philox4x32("));
    let of = |kernel: &&Kernel| Kernel {
        // A name of its own: shaders may be replaced by name.
        name: Box::leak(format!("philox_of_{}", kernel.name).into_boxed_str()),
        wgsl: Some(drawing(kernel)),
        parameters: &FIELDS,
        bindings: &BINDINGS,
        cpu: |_, _| unreachable!("the test is of shaders alone"),
    };
    draws.map(of).collect()
});

#[test]
fn the_shaders_philox_gives_the_published_answers() {
    assert_eq!(DRAWING.len(), 5, "noise, both kinds of times, dropout and shuffling draw");
    on_each_device(|bench| {
        if bench.stream.device().adapter().is_none() {
            return;
        }
        for kernel in DRAWING.iter() {
            for ([c0, c1, c2, c3], [k0, k1], want) in KNOWN {
                let words = bench.upload(&[0_u32; 4]);
                bench
                    .stream
                    .launch(&Launch {
                        kernel,
                        parameters: [c0, c1, c2, c3, k0, k1],
                        buffers: &[&words],
                        constants: &[],
                        workgroups: [1, 1, 1],
                    })
                    .unwrap();
                bench.expect_words(kernel.name, &words, &want);
            }
        }
    });
}

/// The counter of zeros is that of the first noise of seed 0: what is drawn there is the published answer, by
/// way of Box and Muller.
#[test]
fn the_first_noise_of_seed_zero_is_made_of_the_published_answer() {
    let (_, _, words) = KNOWN[0];
    let upper = words.map(|word| f64::from(word >> 8));
    let normals = |radius: f64, angle: f64| {
        // From one half on the half bit is left out: f32 has none for it.
        let uniform = (radius + if radius < f64::from(1 << 23) { 0.5 } else { 0.0 }) / f64::from(1 << 24);
        let (radius, angle) = ((-2.0 * uniform.ln()).sqrt(), TAU * (angle + 0.5) / f64::from(1 << 24));
        [radius * angle.cos(), radius * angle.sin()]
    };
    let want = [normals(upper[0], upper[1]), normals(upper[2], upper[3])].concat();
    on_each_device(|bench| {
        let out = bench.output(4);
        GaussianNoise { out: &out, seed: 0, step: 0, first_item: 0, items: 1, size: 4 }
            .launch(&mut bench.stream)
            .unwrap();
        let tolerance = Tolerance::new(5e-7, 1e-6, "logarithm and sine are good to 2e-7");
        bench.expect("gaussian_noise of the published answer", &out, &want, tolerance);
    });
}
