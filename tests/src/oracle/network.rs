//! Group N: the network's operations and their gradients.

use std::f64::consts::PI;

fn zip_map(a: &[f32], b: &[f32], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f(f64::from(*a), f64::from(*b))).collect()
}

/// x · sigmoid(x).
pub fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

/// The derivative of [`silu`].
pub fn silu_derivative(x: f64) -> f64 {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    sigmoid + x * sigmoid * (1.0 - sigmoid)
}

/// The upstream gradient through [`silu`].
pub fn silu_backward(x: &[f32], upstream: &[f32]) -> Vec<f64> {
    zip_map(x, upstream, |x, upstream| upstream * silu_derivative(x))
}

/// GELU in its tanh approximation.
pub fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
}

/// The derivative of [`gelu`]; at infinity, its limit.
pub fn gelu_derivative(x: f64) -> f64 {
    if x.is_infinite() {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let root = (2.0 / PI).sqrt();
    let tanh = (root * (x + 0.044_715 * x.powi(3))).tanh();
    0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * root * (1.0 + 3.0 * 0.044_715 * x * x)
}

/// The upstream gradient through [`gelu`].
pub fn gelu_backward(x: &[f32], upstream: &[f32]) -> Vec<f64> {
    zip_map(x, upstream, |x, upstream| upstream * gelu_derivative(x))
}

/// Rows (B·T, D) and, for each sample, a row of the modulation (B, M).
#[derive(Clone, Copy, Debug)]
pub struct Modulated {
    /// B
    pub batch: usize,
    /// T
    pub tokens: usize,
    /// D
    pub width: usize,
    /// M
    pub modulation_width: usize,
}

impl Modulated {
    /// Elements of the rows.
    pub fn len(&self) -> usize {
        self.batch * self.tokens * self.width
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the modulation of element `i` is, in the D columns that start at `offset`.
    fn place(&self, i: usize, offset: usize) -> usize {
        i / (self.tokens * self.width) * self.modulation_width + offset + i % self.width
    }

    /// Normalised rows, given the mean and the reciprocal deviation of each.
    fn normalised(&self, x: &[f32], statistics: &[f64]) -> Vec<f64> {
        let row = |i: usize| &statistics[i / self.width * 2..][..2];
        x.iter().enumerate().map(|(i, x)| (f64::from(*x) - row(i)[0]) * row(i)[1]).collect()
    }

    /// Mean and 1/√(variance + ε) of each row, the variance biased.
    pub fn statistics(&self, x: &[f32], epsilon: f32) -> Vec<f64> {
        let of_row = |row: &[f32]| {
            let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / row.len() as f64;
            let variance = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / row.len() as f64;
            [mean, 1.0 / (variance + f64::from(epsilon)).sqrt()]
        };
        x.chunks(self.width).flat_map(of_row).collect()
    }

    /// LayerNorm without affine, then · (1 + scale) + shift.
    pub fn layer_norm_modulate(
        &self,
        x: &[f32],
        modulation: &[f32],
        shift: usize,
        scale: usize,
        epsilon: f32,
    ) -> Vec<f64> {
        let normalised = self.normalised(x, &self.statistics(x, epsilon));
        let at = |i, offset| f64::from(modulation[self.place(i, offset)]);
        (0..x.len()).map(|i| normalised[i] * (1.0 + at(i, scale)) + at(i, shift)).collect()
    }

    /// The gradient in x of [`Modulated::layer_norm_modulate`].
    pub fn layer_norm_modulate_backward(
        &self,
        x: &[f32],
        modulation: &[f32],
        statistics: &[f32],
        upstream: &[f32],
        scale: usize,
    ) -> Vec<f64> {
        let statistics = super::wide(statistics);
        let normalised = self.normalised(x, &statistics);
        let inner = |i: usize| f64::from(upstream[i]) * (1.0 + f64::from(modulation[self.place(i, scale)]));
        let of_row = |row: usize| {
            let columns = row * self.width..(row + 1) * self.width;
            let mean = columns.clone().map(inner).sum::<f64>() / self.width as f64;
            let along = columns.clone().map(|i| inner(i) * normalised[i]).sum::<f64>() / self.width as f64;
            let deviation = statistics[row * 2 + 1];
            columns.map(|i| deviation * (inner(i) - mean - normalised[i] * along)).collect::<Vec<_>>()
        };
        (0..self.batch * self.tokens).flat_map(of_row).collect()
    }

    /// The gradient in the modulation of [`Modulated::layer_norm_modulate`], (B, M), zero elsewhere.
    pub fn modulation_backward(
        &self,
        x: &[f32],
        statistics: &[f32],
        upstream: &[f32],
        shift: usize,
        scale: usize,
    ) -> Vec<f64> {
        let normalised = self.normalised(x, &super::wide(statistics));
        let mut out = vec![0.0; self.batch * self.modulation_width];
        for (i, upstream) in upstream.iter().enumerate() {
            out[self.place(i, shift)] += f64::from(*upstream);
            out[self.place(i, scale)] += f64::from(*upstream) * normalised[i];
        }
        out
    }

    /// y · gate.
    pub fn gate(&self, y: &[f32], modulation: &[f32], gate: usize) -> Vec<f64> {
        y.iter().enumerate().map(|(i, y)| f64::from(*y) * f64::from(modulation[self.place(i, gate)])).collect()
    }

    /// The gradients of [`Modulated::gate`] in y, and in the modulation (zero elsewhere).
    pub fn gate_backward(&self, y: &[f32], modulation: &[f32], upstream: &[f32], gate: usize) -> (Vec<f64>, Vec<f64>) {
        let mut out_modulation = vec![0.0; modulation.len()];
        for (i, upstream) in upstream.iter().enumerate() {
            out_modulation[self.place(i, gate)] += f64::from(*upstream) * f64::from(y[i]);
        }
        (self.gate(upstream, modulation, gate), out_modulation)
    }
}

/// Self-attention over rows (B·T, 3·D) of queries, keys and values, each heads times head dimensions.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// B
    pub batch: usize,
    /// T
    pub tokens: usize,
    /// H
    pub heads: usize,
    /// Dh
    pub head_dim: usize,
}

impl Attention {
    /// D
    pub fn width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Where queries (part 0), keys (1) or values (2) of a token and head start.
    fn place(&self, b: usize, t: usize, part: usize, head: usize) -> usize {
        (b * self.tokens + t) * 3 * self.width() + part * self.width() + head * self.head_dim
    }

    /// Each batch item and head.
    fn heads(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.batch).flat_map(move |b| (0..self.heads).map(move |head| (b, head)))
    }

    fn dot(&self, a: &[f32], b: &[f32]) -> f64 {
        a[..self.head_dim].iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    /// The scaled score of query i and key j.
    fn score(&self, qkv: &[f32], b: usize, head: usize, i: usize, j: usize) -> f64 {
        let (q, k) = (&qkv[self.place(b, i, 0, head)..], &qkv[self.place(b, j, 1, head)..]);
        self.dot(q, k) / (self.head_dim as f64).sqrt()
    }

    /// Probabilities (T, T) of one head, and log Σ exp of the scaled scores of each query.
    fn probabilities(&self, qkv: &[f32], b: usize, head: usize) -> (Vec<f64>, Vec<f64>) {
        let (mut all, mut log_sums) = (Vec::new(), Vec::new());
        for i in 0..self.tokens {
            let scores: Vec<f64> = (0..self.tokens).map(|j| self.score(qkv, b, head, i, j)).collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log_sum = largest + scores.iter().map(|s| (s - largest).exp()).sum::<f64>().ln();
            all.extend(scores.iter().map(|s| (s - log_sum).exp()));
            log_sums.push(log_sum);
        }
        (all, log_sums)
    }

    /// The output (B·T, D) and log Σ exp (B, H, T).
    pub fn forward(&self, qkv: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let mut out = vec![0.0; self.batch * self.tokens * self.width()];
        let mut all_log_sums = Vec::new();
        for (b, head) in self.heads() {
            let (probabilities, log_sums) = self.probabilities(qkv, b, head);
            all_log_sums.extend(log_sums);
            for (i, j, d) in self.pairs() {
                let value = f64::from(qkv[self.place(b, j, 2, head) + d]);
                out[self.output(b, i, head) + d] += probabilities[i * self.tokens + j] * value;
            }
        }
        (out, all_log_sums)
    }

    /// The gradient in qkv.
    pub fn backward(&self, qkv: &[f32], upstream: &[f32]) -> Vec<f64> {
        let (mut weights, mut deltas) = (Vec::new(), Vec::new());
        for (b, head) in self.heads() {
            let (p, _) = self.probabilities(qkv, b, head);
            let d_p = |i: usize, j: usize| self.d_weight(qkv, upstream, b, head, i, j);
            deltas.extend(
                (0..self.tokens).map(|i| (0..self.tokens).map(|j| p[i * self.tokens + j] * d_p(i, j)).sum::<f64>()),
            );
            weights.extend(p);
        }
        self.backward_of_weights(qkv, upstream, &weights, &deltas)
    }

    /// The gradient in qkv, from what the forward pass left as its kernel rounds it: its output, and
    /// log Σ exp.
    pub fn backward_from(&self, qkv: &[f32], output: &[f32], log_sum: &[f32], upstream: &[f32]) -> Vec<f64> {
        let (mut weights, mut deltas) = (Vec::new(), Vec::new());
        for (b, head) in self.heads() {
            for i in 0..self.tokens {
                let at = (b * self.heads + head) * self.tokens + i;
                let score = |j| self.score(qkv, b, head, i, j);
                weights.extend((0..self.tokens).map(|j| (score(j) - f64::from(log_sum[at])).exp()));
                let of_query = self.output(b, i, head);
                deltas.push(self.dot(&upstream[of_query..], &output[of_query..]));
            }
        }
        self.backward_of_weights(qkv, upstream, &weights, &deltas)
    }

    /// The gradient in qkv, given the weights (B, H, T, T), and for each query (B, H, T) the sum of
    /// weights times their gradients.
    fn backward_of_weights(&self, qkv: &[f32], upstream: &[f32], weights: &[f64], deltas: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; qkv.len()];
        let root = (self.head_dim as f64).sqrt();
        let square = self.tokens * self.tokens;
        let per_head = weights.chunks(square).zip(deltas.chunks(self.tokens));
        for ((b, head), (p, delta)) in self.heads().zip(per_head) {
            let d_score: Vec<f64> = (0..square)
                .map(|ij| (ij, ij / self.tokens, ij % self.tokens))
                .map(|(ij, i, j)| p[ij] * (self.d_weight(qkv, upstream, b, head, i, j) - delta[i]))
                .collect();
            for (i, j, d) in self.pairs() {
                let ij = i * self.tokens + j;
                let (q, k) = (self.place(b, i, 0, head) + d, self.place(b, j, 1, head) + d);
                out[q] += d_score[ij] * f64::from(qkv[k]) / root;
                out[k] += d_score[ij] * f64::from(qkv[q]) / root;
                out[self.place(b, j, 2, head) + d] += p[ij] * f64::from(upstream[self.output(b, i, head) + d]);
            }
        }
        out
    }

    /// The gradient at the weight that query i gives value j.
    fn d_weight(&self, qkv: &[f32], upstream: &[f32], b: usize, head: usize, i: usize, j: usize) -> f64 {
        self.dot(&upstream[self.output(b, i, head)..], &qkv[self.place(b, j, 2, head)..])
    }

    /// Where the output of a token and head starts.
    fn output(&self, b: usize, t: usize, head: usize) -> usize {
        (b * self.tokens + t) * self.width() + head * self.head_dim
    }

    /// Each query, key and head dimension.
    fn pairs(self) -> impl Iterator<Item = (usize, usize, usize)> {
        let (t, d) = (self.tokens, self.head_dim);
        (0..t * t * d).map(move |n| (n / (t * d), n / d % t, n % d))
    }
}

/// `scale` times the sum over the rows of x (rows, columns).
pub fn column_sum(x: &[f32], columns: usize, scale: f32) -> Vec<f64> {
    (0..columns)
        .map(|c| f64::from(scale) * x.iter().skip(c).step_by(columns).map(|x| f64::from(*x)).sum::<f64>())
        .collect()
}

/// Which operand of a product is stored transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// a (M, K), b (K, N)
    NN,
    /// a (M, K), b (N, K)
    NT,
    /// a (K, M), b (K, N)
    TN,
}

/// The product (M, N).
pub fn matmul(layout: Layout, a: &[f32], b: &[f32], [m, n, k]: [usize; 3]) -> Vec<f64> {
    assert_eq!((a.len(), b.len()), (m * k, k * n));
    let a = |i: usize, l: usize| f64::from(a[if layout == Layout::TN { l * m + i } else { i * k + l }]);
    let b = |l: usize, j: usize| f64::from(b[if layout == Layout::NT { j * k + l } else { l * n + j }]);
    let rows: Vec<f64> = (0..m * k).map(|il| a(il / k, il % k)).collect();
    let columns: Vec<f64> = (0..n * k).map(|jl| b(jl % k, jl / k)).collect();
    let dot = |i: usize, j: usize| rows[i * k..][..k].iter().zip(&columns[j * k..][..k]).map(|(a, b)| a * b).sum();
    (0..m * n).map(|ij| dot(ij / n, ij % n)).collect()
}

/// x (rows, columns) plus a bias in each row.
pub fn add_bias(x: &[f64], bias: &[f32]) -> Vec<f64> {
    x.iter().zip(bias.iter().cycle()).map(|(x, bias)| x + f64::from(*bias)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Values;
    use crate::oracle::narrow;

    /// Compares a gradient with central differences of Σ upstream · f(x).
    fn check_gradient(x: &[f32], upstream: &[f32], gradient: &[f64], f: impl Fn(&[f32]) -> Vec<f64>) {
        let loss = |x: &[f32]| f(x).iter().zip(upstream).map(|(f, u)| f * f64::from(*u)).sum::<f64>();
        for i in 0..x.len() {
            let (mut above, mut below) = (x.to_vec(), x.to_vec());
            above[i] += 1e-3;
            below[i] -= 1e-3;
            let want = (loss(&above) - loss(&below)) / (f64::from(above[i]) - f64::from(below[i]));
            assert!((gradient[i] - want).abs() < 1e-4 * (1.0 + want.abs()), "element {i}: {} and {want}", gradient[i]);
        }
    }

    #[test]
    fn activations_have_their_derivatives() {
        let x: Vec<f32> = (-60..=60).map(|i| i as f32 / 10.0).collect();
        let upstream = Values::new(1).normal(x.len());
        let each = |f: fn(f64) -> f64| move |x: &[f32]| x.iter().map(|x| f(f64::from(*x))).collect();
        check_gradient(&x, &upstream, &silu_backward(&x, &upstream), each(silu));
        check_gradient(&x, &upstream, &gelu_backward(&x, &upstream), each(gelu));
    }

    #[test]
    fn layer_norm_and_gate_have_their_gradients() {
        let shape = Modulated { batch: 2, tokens: 3, width: 5, modulation_width: 17 };
        let mut values = Values::new(2);
        let (x, upstream) = (values.normal(shape.len()), values.normal(shape.len()));
        let modulation = values.normal(2 * 17);
        let statistics = narrow(&shape.statistics(&x, 1e-2));
        let in_x = shape.layer_norm_modulate_backward(&x, &modulation, &statistics, &upstream, 11);
        check_gradient(&x, &upstream, &in_x, |x| shape.layer_norm_modulate(x, &modulation, 2, 11, 1e-2));
        let in_modulation = shape.modulation_backward(&x, &statistics, &upstream, 2, 11);
        check_gradient(&modulation, &upstream, &in_modulation, |m| shape.layer_norm_modulate(&x, m, 2, 11, 1e-2));
        let (in_y, in_modulation) = shape.gate_backward(&x, &modulation, &upstream, 7);
        check_gradient(&x, &upstream, &in_y, |y| shape.gate(y, &modulation, 7));
        check_gradient(&modulation, &upstream, &in_modulation, |m| shape.gate(&x, m, 7));
    }

    #[test]
    fn attention_has_its_gradient() {
        let shape = Attention { batch: 2, tokens: 4, heads: 3, head_dim: 2 };
        let mut values = Values::new(3);
        let (qkv, upstream) = (values.normal(2 * 4 * 18), values.normal(2 * 4 * 6));
        let gradient = shape.backward(&qkv, &upstream);
        check_gradient(&qkv, &upstream, &gradient, |qkv| shape.forward(qkv).0);
        let (output, log_sum) = shape.forward(&qkv);
        let again = shape.backward_from(&qkv, &narrow(&output), &narrow(&log_sum), &upstream);
        assert!(gradient.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-5), "the forward pass leaves enough");
    }

    /// One head, two tokens, worked out by hand.
    #[test]
    fn attention_is_softmax_of_scaled_scores() {
        let shape = Attention { batch: 1, tokens: 2, heads: 1, head_dim: 1 };
        let (out, log_sum) = shape.forward(&[1.0, 0.0, 10.0, 2.0, 1.0, 20.0]);
        let weight = |score: f64| score.exp() / (1.0 + score.exp());
        let want = [10.0 + 10.0 * weight(1.0), 10.0 + 10.0 * weight(2.0)];
        assert!((out[0] - want[0]).abs() < 1e-12 && (out[1] - want[1]).abs() < 1e-12);
        assert!((log_sum[1] - (1.0 + 2_f64.exp()).ln()).abs() < 1e-12);
    }

    #[test]
    fn the_layouts_of_a_product_agree() {
        let mut values = Values::new(4);
        let (a, b) = (values.normal(6), values.normal(12));
        let transposed = |x: &[f32], columns: usize| -> Vec<f32> {
            (0..columns).flat_map(|c| x.iter().skip(c).step_by(columns).copied()).collect()
        };
        let want = matmul(Layout::NN, &a, &b, [2, 4, 3]);
        assert_eq!(want[5], (0..3).map(|l| f64::from(a[3 + l]) * f64::from(b[4 * l + 1])).sum::<f64>());
        assert_eq!(matmul(Layout::NT, &a, &transposed(&b, 4), [2, 4, 3]), want);
        assert_eq!(matmul(Layout::TN, &transposed(&a, 3), &b, [2, 4, 3]), want);
    }
}
