//! Group F: the flow from noise to data, its loss, its steps.

use std::f64::consts::FRAC_PI_2;

use kernels::FlowPath;

/// A path at a time: α, α', σ² and half the derivative of σ², none of which is infinite anywhere.
pub fn path(path: FlowPath, t: f64) -> [f64; 4] {
    let rest = 1.0 - t;
    match path {
        FlowPath::CondOt => [t, 1.0, rest * rest, -rest],
        FlowPath::Polynomial(n) => {
            let (power, rate) = (t.powf(f64::from(n)), f64::from(n) * t.powf(f64::from(n) - 1.0));
            [power, rate, (1.0 - power).powi(2), -(1.0 - power) * rate]
        }
        FlowPath::VariancePreserving => {
            // ∫ β over the rest of the way, where β goes from 0.1 at the data to 20 at the noise.
            let (beta, integral) = (0.1 * t + 20.0 * rest, 0.1 * rest + (20.0 - 0.1) * rest * rest / 2.0);
            let alpha = (-integral / 2.0).exp();
            [alpha, beta / 2.0 * alpha, -(-integral).exp_m1(), -beta / 2.0 * (-integral).exp()]
        }
        FlowPath::LinearVp => [t, 1.0, rest * (1.0 + t), -t],
        FlowPath::Cosine => {
            let (sine, cosine) = ((FRAC_PI_2 * t).sin(), (FRAC_PI_2 * t).cos());
            [sine, FRAC_PI_2 * cosine, cosine * cosine, -FRAC_PI_2 * sine * cosine]
        }
    }
}

/// (α, σ, α', σ'), at 0.99999 at the latest where σ' is infinite at 1.
pub fn coefficients(of: FlowPath, t: f64) -> [f64; 4] {
    let last = f64::from(0.99999_f32);
    let t = if matches!(of, FlowPath::VariancePreserving | FlowPath::LinearVp) && t > last { last } else { t };
    let [alpha, alpha_rate, square, half_rate] = path(of, t);
    let sigma = square.sqrt();
    // Where σ is 0 it falls in a line, or along a curve whose slope the paths' definitions give.
    let sigma_rate = match of {
        FlowPath::CondOt => -1.0,
        FlowPath::Polynomial(_) => -alpha_rate,
        FlowPath::Cosine => -FRAC_PI_2 * alpha,
        FlowPath::VariancePreserving | FlowPath::LinearVp => half_rate / sigma,
    };
    [alpha, sigma, alpha_rate, sigma_rate]
}

/// (x_t, u) with x_t = α · data + σ · noise and u = α' · data + σ' · noise, `size` elements a sample.
pub fn flow_point(of: FlowPath, data: &[f32], noise: &[f32], time: &[f32], size: usize) -> (Vec<f64>, Vec<f64>) {
    let element = |i: usize| {
        let [alpha, sigma, alpha_rate, sigma_rate] = coefficients(of, f64::from(time[i / size]));
        let (data, noise) = (f64::from(data[i]), f64::from(noise[i]));
        (alpha * data + sigma * noise, alpha_rate * data + sigma_rate * noise)
    };
    (0..data.len()).map(element).unzip()
}

/// The mean and the standard deviation of all elements.
fn moments(values: &[f64]) -> [f64; 2] {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    [mean, variance.sqrt()]
}

/// The guided velocity of each sample of `size` elements: the null velocity projected if `scale_null`, and the
/// deviation brought back to the conditional one's by `rescale`. The first half of `velocity` is conditional.
pub fn guided_velocity(velocity: &[f32], guidance: f32, rescale: f32, scale_null: bool, size: usize) -> Vec<f64> {
    let (class, null) = velocity.split_at(velocity.len() / 2);
    let (guidance, rescale) = (f64::from(guidance), f64::from(rescale));
    let sample = |(class, null): (&[f32], &[f32])| {
        let (class, null) = (super::wide(class), super::wide(null));
        let product: f64 = class.iter().zip(&null).map(|(c, n)| c * n).sum();
        let a = if scale_null { product / (null.iter().map(|n| n * n).sum::<f64>() + 1e-8) } else { 1.0 };
        let mixed: Vec<f64> = class.iter().zip(&null).map(|(c, n)| a * n + guidance * (c - a * n)).collect();
        let [[_, deviation], [_, wanted]] = [moments(&mixed), moments(&class)];
        let f = rescale * wanted / (deviation * deviation + 1e-16).sqrt() + 1.0 - rescale;
        mixed.into_iter().map(move |v| f * v).collect::<Vec<f64>>()
    };
    class.chunks(size).zip(null.chunks(size)).flat_map(sample).collect()
}

/// The mean square of error / (absolute + relative · max(|before|, |after|)) of each sample.
pub fn scaled_error(error: &[f32], before: &[f32], after: &[f32], tolerance: [f32; 2], size: usize) -> Vec<f64> {
    let [absolute, relative] = tolerance.map(f64::from);
    let square = |i: usize| {
        let (one, other) = (f64::from(before[i]).abs(), f64::from(after[i]).abs());
        let larger = if one.is_nan() || other.is_nan() { f64::NAN } else { one.max(other) };
        (f64::from(error[i]) / (absolute + relative * larger)).powi(2)
    };
    let squares: Vec<f64> = (0..error.len()).map(square).collect();
    squares.chunks(size).map(|sample| sample.iter().sum::<f64>() / size as f64).collect()
}

/// The mean square error of each sample.
pub fn mse(prediction: &[f32], target: &[f32], size: usize) -> Vec<f64> {
    let square = |(p, t): (&f32, &f32)| (f64::from(*p) - f64::from(*t)).powi(2);
    let errors: Vec<f64> = prediction.iter().zip(target).map(square).collect();
    errors.chunks(size).map(|sample| sample.iter().sum::<f64>() / size as f64).collect()
}

/// The gradient, in the prediction, of `upstream` times the mean of [`mse`] over the batch.
pub fn mse_backward(prediction: &[f32], target: &[f32], upstream: f32) -> Vec<f64> {
    let factor = 2.0 * f64::from(upstream) / prediction.len() as f64;
    prediction.iter().zip(target).map(|(p, t)| factor * (f64::from(*p) - f64::from(*t))).collect()
}

/// x after an Euler step along the guided velocity; the first half of `velocity` is conditional.
pub fn guidance_euler(velocity: &[f32], x: &[f32], guidance: f32, dt: f32) -> Vec<f64> {
    let (class, null) = velocity.split_at(x.len());
    let element = |i: usize| {
        let (class, null) = (f64::from(class[i]), f64::from(null[i]));
        f64::from(x[i]) + f64::from(dt) * (null + f64::from(guidance) * (class - null))
    };
    (0..x.len()).map(element).collect()
}

/// x after an Euler step.
pub fn euler(velocity: &[f32], x: &[f32], dt: f32) -> Vec<f64> {
    x.iter().zip(velocity).map(|(x, v)| f64::from(*x) + f64::from(dt) * f64::from(*v)).collect()
}
