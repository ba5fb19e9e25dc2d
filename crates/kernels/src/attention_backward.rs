//! The gradient of attention at the fused qkv.

use multiversion::multiversion;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream};

use crate::attention::LANES;
use crate::cpu::gemm::Strided;
use crate::cpu::scratch::{take, with_scratch};
use crate::cpu::small_product::{SmallProduct, transpose};
use crate::cpu::split_heads::{merge_heads, split_heads};
use crate::cpu::{math, parallel, sum};
use crate::{Heads, shape};

parameters! {
    tokens: u32,
    heads: u32,
    head_dim: u32,
}

const BINDINGS: &[Binding] = &[
    Binding::read("qkv"),
    Binding::read("output"),
    Binding::read("log_sum"),
    Binding::read("upstream"),
    Binding::write("out"),
];

/// The portable kernel, of tiles of 32 tokens.
pub(crate) static KERNEL: Kernel = Kernel {
    name: "attention_backward",
    wgsl: wgsl!("attention_backward"),
    parameters: FIELDS,
    bindings: BINDINGS,
    cpu,
};

/// The variant for software adapters with subgroups and integers of 64 bits.
pub(crate) static SUBGROUP_KERNEL: Kernel = Kernel {
    name: "attention_backward_subgroup",
    wgsl: wgsl!("attention_backward_subgroup"),
    parameters: FIELDS,
    bindings: BINDINGS,
    cpu,
};

/// The weights P are recomputed from `log_sum` (FlashAttention-2, 2307.08691, section 3.1); with
/// dP = upstream · vᵀ and δ = Σ upstream · output, dS = P ∘ (dP − δ) / √head_dim, and then
/// dq = dS · k, dk = dSᵀ · q, dv = Pᵀ · upstream.
#[derive(Debug)]
pub struct AttentionBackward<'a> {
    /// (B · T, 3 · D): what the forward pass was given.
    pub qkv: &'a Buffer,
    /// (B · T, D): what the forward pass returned.
    pub output: &'a Buffer,
    /// (B, H, T): what the forward pass left.
    pub log_sum: &'a Buffer,
    /// (B · T, D): the gradient at the output.
    pub upstream: &'a Buffer,
    /// (B · T, 3 · D): gets the gradient at `qkv`.
    pub out: &'a Buffer,
    /// B, T, H and Dh.
    pub heads: Heads,
}

impl AttentionBackward<'_> {
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
    /// As [`AttentionBackward::launch`].
    pub fn launch_portable(&self, stream: &mut Stream) -> Result<()> {
        self.check(&KERNEL)?;
        self.launch_kernel(stream, &KERNEL, 2 * self.heads.tiles(), &[self.heads.both()])
    }

    /// Checks the shapes and launches the kernel for subgroups, which takes any T.
    ///
    /// # Errors
    /// As [`AttentionBackward::launch`], also where the adapter has no subgroups of 8 invocations or more, or no
    /// integers of 64 bits.
    pub fn launch_subgroup(&self, stream: &mut Stream) -> Result<()> {
        self.check(&SUBGROUP_KERNEL)?;
        shape::expect_shared_pairs(&SUBGROUP_KERNEL, stream)?;
        self.launch_kernel(stream, &SUBGROUP_KERNEL, self.heads.tokens.div_ceil(8), &[])
    }

    fn check(&self, kernel: &Kernel) -> Result<()> {
        let Heads { batch, tokens, heads, head_dim } = self.heads;
        self.heads.expect_head_dim(kernel)?;
        for (name, buffer) in [("qkv", self.qkv), ("out", self.out)] {
            shape::expect(kernel, name, buffer, &[batch, tokens, 3, heads, head_dim])?;
        }
        for (name, buffer) in [("output", self.output), ("upstream", self.upstream)] {
            shape::expect(kernel, name, buffer, &[batch, tokens, heads, head_dim])?;
        }
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
            buffers: &[self.qkv, self.output, self.log_sum, self.upstream, self.out],
            constants,
            workgroups: [
                shape::dimension(kernel, "tokens", tiles)?,
                shape::dimension(kernel, "heads", heads)?,
                shape::dimension(kernel, "batch", batch)?,
            ],
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [qkv, output, log_sum, upstream, out] = arguments.take();
    let (tokens, dim) = (parameters.tokens as usize, parameters.head_dim as usize);
    let heads = Heads { batch: 1, tokens, heads: parameters.heads as usize, head_dim: dim };
    let width = heads.width();
    let row = 3 * width;
    // Whole vectors, so that no row ends in single elements.
    let stride = tokens.next_multiple_of(LANES);
    let arch = Arch::new();
    out.write::<f32>()
        .par_chunks_mut(tokens * row)
        .zip(qkv.read::<f32>().par_chunks(tokens * row))
        .zip(output.read::<f32>().par_chunks(tokens * width))
        .zip(upstream.read::<f32>().par_chunks(tokens * width))
        .zip(log_sum.read::<f32>().par_chunks(heads.heads * tokens))
        .for_each(|((((out, qkv), output), upstream), log_sum)| {
            with_scratch(2 * (tokens + dim) * stride + (2 + heads.heads + 7 * width) * tokens, |scratch| {
                arch.dispatch(Item { heads, qkv, output, log_sum, upstream, out, stride, scratch });
            });
        });
}

/// The gradient of attention in one item of a batch.
struct Item<'a> {
    heads: Heads,
    /// (T, 3 · D)
    qkv: &'a [f32],
    /// (T, D)
    output: &'a [f32],
    /// (H, T)
    log_sum: &'a [f32],
    /// (T, D)
    upstream: &'a [f32],
    /// (T, 3 · D)
    out: &'a mut [f32],
    /// How far apart rows of scores are.
    stride: usize,
    /// 2 · (T + Dh) · stride + (2 + H + 7 · D) · T floats to work with.
    scratch: &'a mut [f32],
}

impl WithSimd for Item<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { heads, qkv, output, log_sum, upstream, out, stride, mut scratch } = self;
        let (tokens, dim, width) = (heads.tokens, heads.head_dim, heads.width());
        let mut take = |count: usize| take(&mut scratch, count);
        let [weights, gradients] = [tokens * stride; 2].map(&mut take);
        let [keys, values] = [dim * stride; 2].map(&mut take);
        let [scales, ones] = [tokens; 2].map(&mut take);
        let [qkv_apart, out_apart] = [3 * tokens * width; 2].map(&mut take);
        let [upstream_apart, deltas] = [tokens * width, tokens * heads.heads].map(take);
        scales.fill(heads.scale());
        ones.fill(1.0);
        split_heads::<S>(qkv, [tokens, 3 * heads.heads, dim], qkv_apart);
        split_heads::<S>(upstream, [tokens, heads.heads, dim], upstream_apart);
        dots(upstream, output, heads, deltas);
        // Whole vectors: columns beyond the keys come to nothing, and are never read.
        let columns = tokens.next_multiple_of(S::F32_LANES);
        for (head, log_sum) in log_sum.chunks_exact(tokens).enumerate() {
            let start = |part: usize| (part * heads.heads + head) * tokens * dim;
            let [q, k, v] = [0, 1, 2].map(|part| Strided::new(&qkv_apart[start(part)..][..tokens * dim], dim));
            let above = Strided::new(&upstream_apart[start(0)..][..tokens * dim], dim);
            transpose(k, [tokens, dim], keys, stride);
            transpose(v, [tokens, dim], values, stride);
            let scores = |a, b| SmallProduct { k: dim, n: columns, a, b: Strided::new(b, stride) };
            scores(q, keys).store(simd, scales, weights, stride);
            scores(above, values).store(simd, ones, gradients, stride);
            let deltas = &deltas[head * tokens..][..tokens];
            score_gradients(weights, gradients, [stride, columns], log_sum, deltas, heads.scale());
            let weights = Strided::new(weights, stride);
            let gradients = Strided::new(gradients, stride);
            let products = [(gradients, k), (gradients.transposed(), q), (weights.transposed(), above)];
            for (part, (a, b)) in products.into_iter().enumerate() {
                let product = SmallProduct { k: tokens, n: dim, a, b };
                product.store(simd, ones, &mut out_apart[start(part)..][..tokens * dim], dim);
            }
        }
        merge_heads::<S>(out_apart, [tokens, 3 * heads.heads, dim], out);
    }
}

/// Turns scores into weights, and d weights into d scores. Both have a row for each query, `stride` apart, of which
/// `columns` are turned.
#[multiversion(targets = "simd")]
fn score_gradients(
    weights: &mut [f32],
    gradients: &mut [f32],
    [stride, columns]: [usize; 2],
    log_sum: &[f32],
    deltas: &[f32],
    scale: f32,
) {
    const FUSED: bool = math::fused!();
    let rows = weights.chunks_exact_mut(stride).zip(gradients.chunks_exact_mut(stride));
    for ((weights, gradients), (log_sum, delta)) in rows.zip(log_sum.iter().zip(deltas)) {
        for (weight, gradient) in weights[..columns].iter_mut().zip(gradients) {
            *weight = math::exp_below::<FUSED>(*weight - log_sum);
            *gradient = *weight * (*gradient - delta) * scale;
        }
    }
}

/// The products of two matrices' rows, (T, H, Dh), for each head: (H, T).
#[multiversion(targets = "simd")]
fn dots(a: &[f32], b: &[f32], heads: Heads, out: &mut [f32]) {
    let width = heads.width();
    for (token, (a, b)) in a.chunks_exact(width).zip(b.chunks_exact(width)).enumerate() {
        let rows = a.chunks_exact(heads.head_dim).zip(b.chunks_exact(heads.head_dim));
        for (head, (a, b)) in rows.enumerate() {
            out[head * heads.tokens + token] = sum::sum_by([a, b], |[a, b]| a * b);
        }
    }
}
