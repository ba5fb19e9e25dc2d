//! Single operations at the sizes of the training step, by the kernels that the model launches for them.

use kernels::{
    AdamW, Attention, AttentionBackward, ColumnSum, Epilogue, Fill, Heads, LayerNormModulate,
    LayerNormModulateBackward, Layout, LinearBackward, MatMul, ModulationBackward, Sequence,
};
use measure::sizes::{BATCH, EPSILON, HEAD_DIM, HEADS, HIDDEN, PARAMETERS, ROWS, TOKENS, WIDTH, adamw};
use measure::{Operation, Work};
use runtime::{Buffer, Result, Stream};

use crate::shared::Shared;

/// Attention in a batch.
const ATTENTION: Heads = Heads { batch: BATCH, tokens: TOKENS, heads: HEADS, head_dim: HEAD_DIM };
/// Tokens whose modulation is a shift and a scale.
const SEQUENCE: Sequence = Sequence { batch: BATCH, tokens: TOKENS, width: WIDTH, modulation_width: 2 * WIDTH };
/// The first columns of these.
const SHIFT: usize = 0;
const SCALE: usize = WIDTH;

/// How `what` is done; nothing for what is no single operation.
///
/// # Errors
/// When the device fails.
pub fn work(what: Operation, stream: &Shared) -> anyhow::Result<Option<Work>> {
    let rows = |columns, seed| stream.numbers(ROWS * columns, seed);
    let weights = |from, to| stream.numbers(from * to, 9);
    Ok(Some(match what {
        Operation::QueryKeyValue => {
            let (x, w, b) = (rows(WIDTH, 1)?, weights(WIDTH, 3 * WIDTH)?, stream.numbers(3 * WIDTH, 2)?);
            stream.repeated(move |stream| {
                product(stream, [&x, &w], [ROWS, WIDTH, 3 * WIDTH], Layout::BTransposed, Epilogue::Bias { bias: &b })
            })
        }
        Operation::LinearGelu => {
            let (x, w, bias) = (rows(WIDTH, 1)?, weights(WIDTH, HIDDEN)?, stream.numbers(HIDDEN, 2)?);
            stream.repeated(move |stream| {
                let epilogue = Epilogue::Gelu { bias: &bias, saved: None };
                product(stream, [&x, &w], [ROWS, WIDTH, HIDDEN], Layout::BTransposed, epilogue)
            })
        }
        Operation::LinearGated => linear_gated(stream)?,
        Operation::InputGradient => {
            let (upstream, w) = (rows(HIDDEN, 1)?, weights(WIDTH, HIDDEN)?);
            stream.repeated(move |stream| {
                product(stream, [&upstream, &w], [ROWS, HIDDEN, WIDTH], Layout::Plain, Epilogue::Overwrite)
            })
        }
        Operation::WeightGradient => {
            let (x, upstream) = (rows(WIDTH, 1)?, rows(HIDDEN, 2)?);
            stream.repeated(move |stream| weight_gradient(stream, &x, &upstream, [ROWS, WIDTH, HIDDEN]))
        }
        Operation::BiasGradient => {
            let upstream = rows(HIDDEN, 1)?;
            stream.repeated(move |stream| {
                let out = stream.allocate(HIDDEN)?;
                let sum =
                    ColumnSum { x: &upstream, out: &out, rows: ROWS, columns: HIDDEN, scale: 1.0, accumulate: false };
                sum.launch(stream)?;
                Ok(out)
            })
        }
        Operation::SquareProduct => {
            let (a, b) = (stream.numbers(512 * 512, 1)?, stream.numbers(512 * 512, 2)?);
            stream.repeated(move |stream| product(stream, [&a, &b], [512; 3], Layout::Plain, Epilogue::Overwrite))
        }
        Operation::LayerNorm => {
            let (x, modulation) = (rows(WIDTH, 1)?, stream.numbers(BATCH * 2 * WIDTH, 2)?);
            stream.repeated(move |stream| layer_norm(stream, &x, &modulation, SEQUENCE))
        }
        Operation::LayerNormGradient => layer_norm_gradient(stream)?,
        Operation::Attention => {
            let qkv = rows(3 * WIDTH, 1)?;
            stream.repeated(move |stream| attention(stream, &qkv, ATTENTION))
        }
        Operation::AttentionGradient => attention_gradient(stream)?,
        Operation::AdamW => adamw_update(stream)?,
        Operation::Step | Operation::Sample => return Ok(None),
    }))
}

/// a · b of these sizes, m, k and n, in a new buffer.
///
/// # Errors
/// When the device fails.
pub fn product(
    stream: &mut Stream,
    [a, b]: [&Buffer; 2],
    [m, k, n]: [usize; 3],
    layout: Layout,
    epilogue: Epilogue<'_>,
) -> Result<Buffer> {
    let out = stream.allocate(m * n)?;
    MatMul { a, b, out: &out, layout, m, n, k, epilogue }.launch(stream)?;
    Ok(out)
}

fn linear_gated(stream: &Shared) -> Result<Work> {
    let (residual, h) = (stream.numbers(ROWS * WIDTH, 1)?, stream.numbers(ROWS * HIDDEN, 2)?);
    let (w, bias) = (stream.numbers(HIDDEN * WIDTH, 3)?, stream.numbers(WIDTH, 4)?);
    let modulation = stream.numbers(BATCH * WIDTH, 5)?;
    Ok(stream.repeated(move |stream| {
        let epilogue = Epilogue::GateResidual {
            bias: &bias,
            residual: &residual,
            modulation: &modulation,
            modulation_width: WIDTH,
            gate: 0,
            tokens: TOKENS,
            saved: None,
        };
        product(stream, [&h, &w], [ROWS, HIDDEN, WIDTH], Layout::BTransposed, epilogue)
    }))
}

/// The gradient of a weight, (out, in), and behind it that of the bias, from (rows, in) and (rows, out); the sizes are rows, in
/// and out, and in · out is a multiple of 64.
///
/// # Errors
/// When the device fails.
pub fn weight_gradient(stream: &mut Stream, x: &Buffer, upstream: &Buffer, sizes: [usize; 3]) -> Result<Buffer> {
    let [_, inner, columns] = sizes;
    let out = stream.allocate(inner * columns + columns)?;
    let [weight, bias] = [0..inner * columns, inner * columns..out.len()].map(|part| out.slice(part));
    LinearBackward { x, upstream, sizes, out_weight: (&weight, false), out_bias: (&bias, false) }.launch(stream)?;
    Ok(out)
}

/// The modulated norm, and the statistics of the rows.
///
/// # Errors
/// When the device fails.
pub fn layer_norm(
    stream: &mut Stream,
    x: &Buffer,
    modulation: &Buffer,
    sequence: Sequence,
) -> Result<(Buffer, Buffer)> {
    let (out, statistics) = (stream.allocate(x.len())?, stream.allocate(sequence.batch * sequence.tokens * 2)?);
    LayerNormModulate {
        x,
        modulation,
        out: &out,
        statistics: &statistics,
        sequence,
        shift: SHIFT,
        scale: SCALE,
        epsilon: EPSILON,
    }
    .launch(stream)?;
    Ok((out, statistics))
}

fn layer_norm_gradient(stream: &Shared) -> Result<Work> {
    let (x, upstream) = (stream.numbers(ROWS * WIDTH, 1)?, stream.upload(&vec![1.0; ROWS * WIDTH])?);
    let modulation = stream.numbers(BATCH * 2 * WIDTH, 2)?;
    Ok(stream.repeated(move |stream| {
        let (out, statistics) = layer_norm(stream, &x, &modulation, SEQUENCE)?;
        let (of_x, of_modulation) = (stream.allocate(x.len())?, stream.allocate(modulation.len())?);
        LayerNormModulateBackward {
            x: &x,
            modulation: &modulation,
            statistics: &statistics,
            upstream: &upstream,
            out: &of_x,
            sequence: SEQUENCE,
            scale: SCALE,
            accumulate: false,
        }
        .launch(stream)?;
        Fill { out: &of_modulation, value: 0.0 }.launch(stream)?;
        ModulationBackward {
            x: &x,
            statistics: &statistics,
            upstream: &upstream,
            out: &of_modulation,
            sequence: SEQUENCE,
            shift: SHIFT,
            scale: SCALE,
        }
        .launch(stream)?;
        Ok((out, of_x, of_modulation))
    }))
}

/// What attention gives, and log Σ exp of each query.
///
/// # Errors
/// When the device fails.
pub fn attention(stream: &mut Stream, qkv: &Buffer, heads: Heads) -> Result<(Buffer, Buffer)> {
    let out = stream.allocate(heads.batch * heads.tokens * heads.width())?;
    let log_sum = stream.allocate(heads.batch * heads.heads * heads.tokens)?;
    Attention { qkv, out: &out, log_sum: &log_sum, heads }.launch(stream)?;
    Ok((out, log_sum))
}

fn attention_gradient(stream: &Shared) -> Result<Work> {
    let (qkv, upstream) = (stream.numbers(ROWS * 3 * WIDTH, 1)?, stream.upload(&vec![1.0; ROWS * WIDTH])?);
    Ok(stream.repeated(move |stream| {
        let (output, log_sum) = attention(stream, &qkv, ATTENTION)?;
        let out = stream.allocate(qkv.len())?;
        AttentionBackward {
            qkv: &qkv,
            output: &output,
            log_sum: &log_sum,
            upstream: &upstream,
            out: &out,
            heads: ATTENTION,
        }
        .launch(stream)?;
        Ok((output, out))
    }))
}

fn adamw_update(stream: &Shared) -> Result<Work> {
    let (gradients, clip) = (stream.numbers(PARAMETERS, 1)?, stream.upload(&[1.0, 1.0])?);
    let [parameters, average] = [(); 2].map(|()| stream.numbers(PARAMETERS, 2));
    let [first, second] = [(); 2].map(|()| stream.upload(&vec![0.0; PARAMETERS]));
    let (parameters, average, first, second) = (parameters?, average?, first?, second?);
    let mut step = 0;
    Ok(stream.repeated(move |stream| {
        step += 1;
        AdamW {
            gradients: &gradients,
            clip: &clip,
            parameters: &parameters,
            first: &first,
            second: &second,
            average: &average,
            step,
            rate: adamw::RATE as f32,
            beta1: adamw::BETA_1,
            beta2: adamw::BETA_2,
            epsilon: adamw::EPSILON,
            weight_decay: adamw::WEIGHT_DECAY,
            decay: adamw::DECAY,
        }
        .launch(stream)
    }))
}
