//! Softmax attention of every head, read straight from the fused qkv.

use multiversion::multiversion;
use rayon::prelude::*;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream};

use crate::cpu::gemm::{Into, Strided, Threads, gemm};
use crate::cpu::scratch::with_scratch;
use crate::cpu::{math, parallel, sum};
use crate::{Heads, shape};

parameters! {
    tokens: u32,
    heads: u32,
    head_dim: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "attention",
    wgsl: wgsl!("attention"),
    parameters: FIELDS,
    bindings: &[Binding::read("qkv"), Binding::write("out"), Binding::write("log_sum")],
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
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], also where T exceeds 4,096, which a workgroup's memory can't hold,
    /// and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let Heads { batch, tokens, heads, head_dim } = self.heads;
        self.heads.expect_head_dim(&KERNEL)?;
        shape::expect(&KERNEL, "qkv", self.qkv, &[batch, tokens, 3, heads, head_dim])?;
        shape::expect(&KERNEL, "out", self.out, &[batch, tokens, heads, head_dim])?;
        shape::expect(&KERNEL, "log_sum", self.log_sum, &[batch, heads, tokens])?;
        let rows = self.heads.rows_a_workgroup(&KERNEL, 1, 0)?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                tokens: shape::dimension(&KERNEL, "tokens", tokens)?,
                heads: shape::dimension(&KERNEL, "heads", heads)?,
                head_dim: shape::dimension(&KERNEL, "head_dim", head_dim)?,
            },
            buffers: &[self.qkv, self.out, self.log_sum],
            constants: &[("ROWS", rows as f64), ("TOKENS", tokens as f64)],
            workgroups: [
                shape::dimension(&KERNEL, "tokens", tokens.div_ceil(rows))?,
                shape::dimension(&KERNEL, "heads", heads)?,
                shape::dimension(&KERNEL, "batch", batch)?,
            ],
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [qkv, out, log_sum] = arguments.take();
    let (tokens, dim) = (parameters.tokens as usize, parameters.head_dim as usize);
    let heads = Heads { batch: 1, tokens, heads: parameters.heads as usize, head_dim: dim };
    let width = heads.width();
    out.write::<f32>()
        .par_chunks_mut(tokens * width)
        .zip(log_sum.write::<f32>().par_chunks_mut(heads.heads * tokens))
        .zip(qkv.read::<f32>().par_chunks(tokens * 3 * width))
        .for_each(|((out, log_sum), qkv)| {
            with_scratch(tokens * tokens, |scores| {
                for (head, log_sum) in log_sum.chunks_exact_mut(tokens).enumerate() {
                    let part = |which: usize| Strided::new(&qkv[which * width + head * dim..], 3 * width);
                    let keys = part(1).transposed();
                    let [s, o] = [[tokens, dim, tokens], [tokens, tokens, dim]];
                    gemm(s, heads.scale(), part(0), keys, scores, tokens, Into::Overwrite, Threads::One);
                    softmax(scores, log_sum);
                    let weights = Strided::new(scores, tokens);
                    gemm(o, 1.0, weights, part(2), &mut out[head * dim..], width, Into::Overwrite, Threads::One);
                }
            });
        });
}

/// Turns each row of scores into weights, and leaves log Σ exp of each.
#[multiversion(targets = "simd")]
fn softmax(scores: &mut [f32], log_sum: &mut [f32]) {
    for (row, log_sum) in scores.chunks_exact_mut(log_sum.len()).zip(log_sum) {
        let highest =
            row.iter().fold(f32::NEG_INFINITY, |highest, score| if *score > highest { *score } else { highest });
        for score in row.iter_mut() {
            *score = math::exp(*score - highest);
        }
        let total = sum::sum_by(row.len(), |i| row[i]);
        for weight in row.iter_mut() {
            *weight /= total;
        }
        *log_sum = highest + total.ln();
    }
}
