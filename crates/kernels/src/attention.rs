//! Softmax attention of every head, read straight from the fused qkv.

use multiversion::multiversion;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream};

use crate::cpu::gemm::Strided;
use crate::cpu::scratch::{take, with_scratch};
use crate::cpu::small_product::{SmallProduct, transpose};
use crate::cpu::split_heads::split_heads;
use crate::cpu::{math, parallel};
use crate::{Heads, shape};

parameters! {
    tokens: u32,
    heads: u32,
    head_dim: u32,
}

const BINDINGS: &[Binding] = &[Binding::read("qkv"), Binding::write("out"), Binding::write("log_sum")];

/// The portable kernel, of tiles of 32 tokens.
pub(crate) static KERNEL: Kernel =
    Kernel { name: "attention", wgsl: wgsl!("attention"), parameters: FIELDS, bindings: BINDINGS, cpu };

/// The variant for software adapters with subgroups and integers of 64 bits.
pub(crate) static SUBGROUP_KERNEL: Kernel = Kernel {
    name: "attention_subgroup",
    wgsl: wgsl!("attention_subgroup"),
    parameters: FIELDS,
    bindings: BINDINGS,
    cpu,
};

/// out = softmax(q · kᵀ / √head_dim) · v for every head.
#[derive(Debug)]
pub struct Attention<'a> {
    /// (B · T, 3 · D): columns `[q | k | v]`, each by head, then by dimension.
    pub qkv: &'a Buffer,
    /// (B · T, D): columns by head, then by dimension.
    pub out: &'a Buffer,
    /// (B, H, T): gets log Σ exp of each query's scaled scores, for the backward pass.
    pub log_sum: &'a Buffer,
    /// B, T, H and Dh.
    pub heads: Heads,
}

impl Attention<'_> {
    /// Checks the shapes and launches the variant that suits the adapter.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        if shape::on_software(stream) && shape::shares_pairs(stream) {
            self.launch_subgroup(stream)
        } else {
            self.launch_portable(stream)
        }
    }

    /// Checks the shapes and launches the kernel that runs on every adapter.
    ///
    /// # Errors
    /// As [`Attention::launch`].
    pub fn launch_portable(&self, stream: &mut Stream) -> Result<()> {
        self.check(&KERNEL)?;
        self.launch_kernel(stream, &KERNEL, self.heads.tiles(), &[self.heads.both()])
    }

    /// Checks the shapes and launches the kernel for subgroups, which takes any T.
    ///
    /// # Errors
    /// As [`Attention::launch`], also where the adapter has no subgroups of 8 invocations or more, or no
    /// integers of 64 bits.
    pub fn launch_subgroup(&self, stream: &mut Stream) -> Result<()> {
        self.check(&SUBGROUP_KERNEL)?;
        shape::expect_shared_pairs(&SUBGROUP_KERNEL, stream)?;
        // Tiles of as many keys as one another, 64 at most.
        let tokens = self.heads.tokens;
        let eights = tokens.div_ceil(tokens.div_ceil(64)).div_ceil(8);
        self.launch_kernel(stream, &SUBGROUP_KERNEL, tokens.div_ceil(32), &[("EIGHTS", eights as f64)])
    }

    fn check(&self, kernel: &Kernel) -> Result<()> {
        let Heads { batch, tokens, heads, head_dim } = self.heads;
        self.heads.expect_head_dim(kernel)?;
        shape::expect(kernel, "qkv", self.qkv, &[batch, tokens, 3, heads, head_dim])?;
        shape::expect(kernel, "out", self.out, &[batch, tokens, heads, head_dim])?;
        shape::expect(kernel, "log_sum", self.log_sum, &[batch, heads, tokens])
    }

    /// Launches a kernel in `tiles` workgroups for each head.
    fn launch_kernel(
        &self,
        stream: &mut Stream,
        kernel: &'static Kernel,
        tiles: usize,
        constants: &[(&'static str, f64)],
    ) -> Result<()> {
        let Heads { batch, tokens, heads, head_dim } = self.heads;
        stream.launch(&Launch {
            kernel,
            parameters: Parameters {
                tokens: shape::dimension(kernel, "tokens", tokens)?,
                heads: shape::dimension(kernel, "heads", heads)?,
                head_dim: shape::dimension(kernel, "head_dim", head_dim)?,
            },
            buffers: &[self.qkv, self.out, self.log_sum],
            constants,
            workgroups: [
                shape::dimension(kernel, "tokens", tiles)?,
                shape::dimension(kernel, "heads", heads)?,
                shape::dimension(kernel, "batch", batch)?,
            ],
        })
    }
}

/// Queries whose scores are in cache at once: a multiple of [`LANES`].
const QUERIES: usize = 64;

/// Elements of a vector of the widest kind.
pub(crate) const LANES: usize = 16;

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [qkv, out, log_sum] = arguments.take();
    let (tokens, dim) = (parameters.tokens as usize, parameters.head_dim as usize);
    let heads = Heads { batch: 1, tokens, heads: parameters.heads as usize, head_dim: dim };
    let width = heads.width();
    let arch = Arch::new();
    out.write::<f32>()
        .par_chunks_mut(tokens * width)
        .zip(log_sum.write::<f32>().par_chunks_mut(heads.heads * tokens))
        .zip(qkv.read::<f32>().par_chunks(tokens * 3 * width))
        .for_each(|((out, log_sum), qkv)| {
            with_scratch((tokens + dim) * QUERIES + tokens + 3 * tokens * width, |scratch| {
                arch.dispatch(Item { heads, qkv, out, log_sum, scratch });
            });
        });
}

/// Attention in one item of a batch.
struct Item<'a> {
    heads: Heads,
    /// (T, 3 · D)
    qkv: &'a [f32],
    /// (T, D)
    out: &'a mut [f32],
    /// (H, T)
    log_sum: &'a mut [f32],
    /// (T + Dh) · [`QUERIES`] + T + 3 · T · D floats to work with.
    scratch: &'a mut [f32],
}

impl WithSimd for Item<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { heads, qkv, out, log_sum, mut scratch } = self;
        let (tokens, dim, width) = (heads.tokens, heads.head_dim, heads.width());
        let [scores, queries, scales] =
            [tokens * QUERIES, dim * QUERIES, tokens].map(|count| take(&mut scratch, count));
        scales.fill(heads.scale());
        split_heads::<S>(qkv, [tokens, 3 * heads.heads, dim], scratch);
        let apart = &*scratch;
        for (head, log_sum) in log_sum.chunks_exact_mut(tokens).enumerate() {
            let part = |which: usize| Strided::new(&apart[(which * heads.heads + head) * tokens * dim..], dim);
            let [all_queries, keys, values] = [0, 1, 2].map(part);
            for (block, log_sum) in log_sum.chunks_mut(QUERIES).enumerate() {
                let (first, count) = (block * QUERIES, log_sum.len());
                transpose(all_queries.rows_from(first), [count, dim], queries, QUERIES);
                // Whole vectors: columns beyond the queries come to nothing, and are never read.
                let columns = count.next_multiple_of(LANES);
                let product = SmallProduct { k: dim, n: columns, a: keys, b: Strided::new(queries, QUERIES) };
                product.store(simd, scales, scores, QUERIES);
                let mut totals = [0.0; QUERIES];
                exponentials(scores, log_sum, &mut totals[..columns]);
                let factors = totals.map(|total| 1.0 / total);
                let weights = Strided::new(scores, QUERIES).transposed();
                let product = SmallProduct { k: tokens, n: dim, a: weights, b: values };
                product.store(simd, &factors[..count], &mut out[first * width + head * dim..], width);
            }
        }
    }
}

/// Turns scores (T, [`QUERIES`]) into e^(score − the query's highest), and leaves the totals of those, and log Σ exp.
/// With a query a column, sums run over rows, in as many lanes as there are, without sums across a vector. As many columns are
/// turned as there are totals, a multiple of [`LANES`]; `log_sum` has room for each query.
#[multiversion(targets = "simd")]
fn exponentials(scores: &mut [f32], log_sum: &mut [f32], totals: &mut [f32]) {
    const FUSED: bool = math::fused!();
    for (block, (log_sum, totals)) in log_sum.chunks_mut(LANES).zip(totals.chunks_exact_mut(LANES)).enumerate() {
        let first = block * LANES;
        // Arrays of a fixed length stay in registers. Of those in memory LLVM stores only the lanes that are higher, which on
        // AMD's processors takes many times as long as storing all.
        let mut highest = [f32::NEG_INFINITY; LANES];
        for row in scores.chunks_exact(QUERIES) {
            for (highest, score) in highest.iter_mut().zip(&row[first..][..LANES]) {
                *highest = if *score > *highest { *score } else { *highest };
            }
        }
        let mut sums = [0.0; LANES];
        for row in scores.chunks_exact_mut(QUERIES) {
            for ((score, highest), sum) in row[first..][..LANES].iter_mut().zip(&highest).zip(&mut sums) {
                *score = math::exp_below::<FUSED>(*score - highest);
                *sum += *score;
            }
        }
        totals.copy_from_slice(&sums);
        // `ln` would take a NaN for a large number.
        let log = |highest: f32, sum: f32| if sum.is_nan() { sum } else { highest + math::ln(sum) };
        let logs: [f32; LANES] = std::array::from_fn(|i| log(highest[i], sums[i]));
        log_sum.copy_from_slice(&logs[..log_sum.len()]);
    }
}
