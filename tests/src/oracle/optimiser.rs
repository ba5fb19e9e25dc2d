//! Group O: the gradient's norm, and AdamW.

use super::wide;

/// The sum of the squares.
pub fn sum_of_squares(x: &[f32]) -> f64 {
    x.iter().map(|x| f64::from(*x).powi(2)).sum()
}

/// The norm whose square is the sum of the partial sums, and the factor that brings it to at most
/// `max_norm`: 0 where the norm is not finite.
pub fn gradient_clip(partials: &[f32], max_norm: f32) -> [f64; 2] {
    let norm = wide(partials).iter().sum::<f64>().sqrt();
    let factor = if norm > f64::from(max_norm) { f64::from(max_norm) / norm } else { 1.0 };
    [norm, if norm.is_finite() { factor } else { 0.0 }]
}

/// The settings of a step of AdamW.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// The learning rate.
    pub rate: f32,
    /// The decay of the first moment.
    pub beta1: f32,
    /// The decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// The decoupled weight decay.
    pub weight_decay: f32,
    /// The number of the step, from 1.
    pub step: i32,
    /// The decay of the moving average of the parameters.
    pub decay: f32,
}

/// What AdamW keeps of one parameter.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    /// The parameter.
    pub parameter: f64,
    /// Its first moment.
    pub first: f64,
    /// Its second moment.
    pub second: f64,
    /// Its moving average.
    pub average: f64,
}

impl AdamW {
    /// One step of a parameter as torch.optim.AdamW takes it, then the moving average.
    pub fn update(&self, weight: Weight, gradient: f64) -> Weight {
        let [rate, beta1, beta2, epsilon] = [self.rate, self.beta1, self.beta2, self.epsilon].map(f64::from);
        let decayed = weight.parameter * (1.0 - rate * f64::from(self.weight_decay));
        let first = beta1 * weight.first + (1.0 - beta1) * gradient;
        let second = beta2 * weight.second + (1.0 - beta2) * gradient * gradient;
        let unbiased = (first / (1.0 - beta1.powi(self.step)), second / (1.0 - beta2.powi(self.step)));
        let parameter = decayed - rate * unbiased.0 / (unbiased.1.sqrt() + epsilon);
        let decay = f64::from(self.decay);
        Weight { parameter, first, second, average: decay * weight.average + (1.0 - decay) * parameter }
    }
}
