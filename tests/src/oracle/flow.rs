//! Group F: the flow from noise to data, its loss, its steps.

/// CondOT: (x_t, u) with x_t = t · data + (1 - t) · noise and u = data - noise, `size` elements a sample.
pub fn flow_point(data: &[f32], noise: &[f32], time: &[f32], size: usize) -> (Vec<f64>, Vec<f64>) {
    let element = |i: usize| {
        let (data, noise, t) = (f64::from(data[i]), f64::from(noise[i]), f64::from(time[i / size]));
        (t * data + (1.0 - t) * noise, data - noise)
    };
    (0..data.len()).map(element).unzip()
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
