//! The arithmetic of each kernel: how many operations a launch needs, and how many bytes it has to move.

use runtime::{KernelSpan, Value};

/// What a launch cannot do without.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Floating-point operations. A multiply-add is two; a root, an exponential, a sine count as one.
    /// Integer arithmetic (indices, random bits) is not counted.
    pub operations: f64,
    /// Bytes read and written, if everything were read once and written once. What is changed in place, or
    /// added to, counts twice.
    pub bytes: f64,
}

/// Parameters that change nothing about the work of a launch.
const NO_SIZES: [&str; 12] = [
    "seed_low",
    "seed_high",
    "step",
    "epoch",
    "offset",
    "first_item",
    "half_bits",
    "null_class",
    "gate",
    "shift",
    "scale",
    "modulation_width",
];

/// A launch's sizes and options in words; launches of a kernel with the same words do the same work.
pub fn shape(span: &KernelSpan) -> String {
    let parameters = span.parameters().filter_map(|(name, value)| match value {
        // A product without a modulation has one token an item.
        Value::U32(1) if name == "tokens" => None,
        Value::U32(value) if value != 0 && !NO_SIZES.contains(&name) => Some(format!("{name} {value}")),
        _ => None,
    });
    let constants = span.constants.iter().filter(|(_, value)| *value != 0.0);
    let constants = constants.map(|(name, value)| format!("{} {value}", name.to_lowercase()));
    // Attention has its batch in the size of the launch alone.
    let batch = batch(span).map(|batch| format!("batch {batch}"));
    batch.into_iter().chain(parameters).chain(constants).collect::<Vec<_>>().join(", ")
}

fn batch(span: &KernelSpan) -> Option<f64> {
    let [tokens, heads] = ["tokens", "heads"].map(|name| parameter(span, name));
    Some(length(span, "log_sum")? / (tokens? * heads?))
}

fn parameter(span: &KernelSpan, name: &str) -> Option<f64> {
    span.parameters().find(|(field, _)| *field == name).map(|(_, value)| match value {
        Value::U32(value) => f64::from(value),
        Value::F32(value) => f64::from(value),
    })
}

fn length(span: &KernelSpan, binding: &str) -> Option<f64> {
    let index = span.kernel.bindings.iter().position(|known| known.name == binding)?;
    span.buffers.get(index).map(|words| *words as f64)
}

/// The work of a launch; nothing for a kernel that is not in the table below.
pub fn work(span: &KernelSpan) -> Option<Work> {
    let p = |name| parameter(span, name);
    let constant = |name| span.constants.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    // A kernel that does `operations` for each of `elements` and moves `words` for each.
    let each = |elements: f64, operations: f64, words: f64| (operations * elements, words * elements);
    // A variant for some adapters, or of half precision, does the same work.
    let name = ["_subgroup", "_quads", "_pairs", "_half"]
        .iter()
        .fold(span.kernel.name, |name, end| name.trim_end_matches(end));
    let (operations, words) = match name {
        // A row of a is multiplied with a column of b for each element; what the epilogue does is not counted,
        // what it reads (what is added to, a residual, or what GELU was given) and saves is moved.
        name if name.starts_with("matmul") => {
            let (m, n, k) = (p("m")?, p("n")?, p("k")?);
            let reads_more = [1.0, 4.0, 5.0].contains(&constant("EPILOGUE")?);
            // Sums of columns, for which `save` is 2, are few.
            let saves = p("save")? == 1.0;
            let more = f64::from(u8::from(reads_more)) + f64::from(u8::from(saves));
            // Slices of k have a product each.
            (2.0 * m * n * k, m * k + k * n + more * m * n + length(span, "out")?)
        }
        // Two products; what follows them is not counted. Moves x, the weights, the residual, the result, and what is saved and
        // kept.
        "feed_forward" => {
            let (rows, weights, [width, out_width]) = layers(span)?;
            let kept = p("keep")? * p("hidden")?;
            (2.0 * rows * weights, rows * (width + (2.0 + p("save")?) * out_width + kept) + weights)
        }
        // Four products, two gradients of each layer, and the first layer's again where what GELU was given was not kept.
        // Moves x, its gradient and that of the result, what was kept, the weights, and their gradients slice by slice.
        "feed_forward_backward" => {
            let (rows, weights, [width, out_width]) = layers(span)?;
            let sums = length(span, "weight_1_sums")? + length(span, "weight_2_sums")?;
            let (hidden, kept) = (p("hidden")?, p("kept")?);
            let operations = 2.0 * rows * (2.0 * weights + (1.0 - kept) * width * hidden);
            let moved = (2.0 + p("accumulate")?) * width + out_width + kept * hidden;
            (operations, rows * moved + weights + sums)
        }
        // Two products of T² · Dh multiply-adds a head, and five operations a weight: scale, maximum,
        // exponential, sum, division. Moves q, k, v, the output, and a number a row.
        "attention" => {
            let (weights, rows, width) = heads(span)?;
            (4.0 * weights * p("head_dim")? + 5.0 * weights, 4.0 * rows * width + rows * p("heads")?)
        }
        // Five products (the scores again, the weights' gradient, and those of q, k and v), six operations a
        // weight. Moves q, k, v and their gradients, output, upstream, and a number a row.
        "attention_backward" => {
            let (weights, rows, width) = heads(span)?;
            (10.0 * weights * p("head_dim")? + 6.0 * weights, 8.0 * rows * width + rows * p("heads")?)
        }
        // Mean (1), variance (3), normalisation (2), modulation (3); two statistics a row, shift and scale an item.
        "layer_norm_modulate" => {
            let (elements, items) = sequence(span)?;
            (9.0 * elements, 2.0 * elements + 2.0 * p("rows")? + 2.0 * items)
        }
        // The normalised x again (2), its gradient (2), two sums over the row (3), the combination (5).
        "layer_norm_modulate_backward" => {
            let (elements, items) = sequence(span)?;
            (12.0 * elements, (3.0 + p("accumulate")?) * elements + 2.0 * p("rows")? + items)
        }
        // The normalised x again (2), its product with upstream (1), two sums over the tokens (2).
        "modulation_backward" => {
            let (batch, tokens, width) = (p("batch")?, p("tokens")?, p("width")?);
            let rows = batch * tokens;
            (5.0 * rows * width, 2.0 * rows * width + 2.0 * rows + 4.0 * batch * width)
        }
        // gate · upstream (1), and Σ y · upstream over the tokens (2), added to what is there.
        "gate_backward" => {
            let (batch, tokens, width) = (p("batch")?, p("tokens")?, p("width")?);
            (3.0 * batch * tokens * width, 3.0 * batch * tokens * width + 3.0 * batch * width)
        }
        "column_sum" => {
            let (rows, columns) = (p("rows")?, p("columns")?);
            (rows * columns, rows * columns + (1.0 + p("accumulate")?) * columns)
        }
        // Five arrays read, four written.
        "adamw" => each(p("len")?, 18.0, 9.0),
        "add" => each(p("len")?, 1.0, 3.0),
        "add_positions" => {
            let (len, period) = (p("len")?, p("period")?);
            (len, 2.0 * len + period)
        }
        "euler" => each(p("len")?, 2.0, 3.0),
        "guidance_euler" => each(p("len")?, 5.0, 4.0),
        "fill" => each(p("len")?, 0.0, 1.0),
        "flow_point" => each(p("len")?, 6.0, 4.0),
        // Four sums, two variances and the combination; the GPU reads the velocities three times, the memory once.
        "guided_velocity" => each(p("batch")? * p("size")?, 20.0, 3.0),
        "scaled_error" => each(p("batch")? * p("size")?, 5.0, 3.0),
        // A byte is read and a float written.
        "gather_batch" => each(p("batch")? * p("size")?, 2.0, 1.25),
        // Box and Muller: a logarithm, a root, a sine and a cosine for two numbers, and what is between them.
        "gaussian_noise" => each(p("items")? * p("size")?, 5.0, 1.0),
        "label_dropout" => each(p("len")?, 1.0, 2.0),
        "label_embedding" => each(p("len")?, 1.0, 3.0),
        "label_embedding_backward" => {
            let (batch, width, rows) = (p("batch")?, p("width")?, p("rows")?);
            (batch * width, batch * width + batch + (1.0 + p("accumulate")?) * rows * width)
        }
        // The maximum, and of each logit a difference, its exponential and a sum.
        "cross_entropy" => {
            let (rows, classes) = (p("rows")?, p("classes")?);
            (4.0 * rows * classes, rows * classes + 2.0 * rows)
        }
        // The same, and once more the difference and its exponential, a division, a difference and a product.
        "cross_entropy_backward" => {
            let (rows, classes) = (p("rows")?, p("classes")?);
            (9.0 * rows * classes, 2.0 * rows * classes + rows)
        }
        "mean_pool" => {
            let (len, tokens) = (p("len")?, p("tokens")?);
            (len * tokens, len * tokens + len)
        }
        "mean_pool_backward" => {
            let (len, tokens) = (p("len")?, p("tokens")?);
            (len, (1.0 + p("accumulate")?) * len + len / tokens)
        }
        "mse" => each(p("batch")? * p("size")?, 3.0, 2.0),
        "mse_backward" => each(p("len")?, 2.0, 3.0),
        "patchify" | "unpatchify" => each(length(span, "out")?, 0.0, 2.0),
        // e⁻ˣ, 1 + it, x over that.
        "silu" => each(p("len")?, 4.0, 2.0),
        "silu_backward" => each(p("len")?, 8.0, 3.0 + p("accumulate")?),
        // The cubic, its derivative, tanh, and the combination.
        "gelu_backward" => each(p("len")?, 17.0, 3.0),
        "sum_of_squares" => each(p("len")?, 2.0, 1.0),
        "gradient_clip" => each(p("len")?, 1.0, 1.0),
        // An angle, its sine and its cosine.
        "time_features" => each(p("batch")? * p("half")?, 3.0, 2.0),
        // A normal number as above, and 1 / (1 + e^-x) of it.
        "logit_normal_time" => each(p("len")?, 9.0, 1.0),
        "uniform_time" => each(p("len")?, 1.0, 1.0),
        _ => return None,
    };
    Some(Work { operations, bytes: 4.0 * words })
}

/// Attention weights B · H · T², rows B · T, and width D.
fn heads(span: &KernelSpan) -> Option<(f64, f64, f64)> {
    let [tokens, heads, head_dim] = ["tokens", "heads", "head_dim"].map(|name| parameter(span, name));
    let (tokens, heads, batch) = (tokens?, heads?, batch(span)?);
    Some((batch * heads * tokens * tokens, batch * tokens, heads * head_dim?))
}

/// Rows of an MLP, elements of its two weights, and the widths before and after it.
fn layers(span: &KernelSpan) -> Option<(f64, f64, [f64; 2])> {
    let [rows, width, hidden, out_width] = ["rows", "width", "hidden", "out_width"].map(|name| parameter(span, name));
    let (width, out_width) = (width?, out_width?);
    Some((rows?, hidden? * (width + out_width), [width, out_width]))
}

/// Elements of a sequence, rows · D, and of a chunk of its modulation, B · D.
fn sequence(span: &KernelSpan) -> Option<(f64, f64)> {
    let [rows, tokens, width] = ["rows", "tokens", "width"].map(|name| parameter(span, name));
    let (rows, width) = (rows?, width?);
    Some((rows * width, rows / tokens? * width))
}
