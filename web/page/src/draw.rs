//! Drawing images, and showing them on the way.

use dit::Dit;
use flow::{SampleOptions, first_noise, integrate_watched};
use js_sys::{Function, Uint8Array};
use runtime::Stream;
use wasm_bindgen::{JsError, JsValue};

/// The most images at once, and the most steps.
const MOST: usize = 1000;

/// Draws an image for each label, all at once, by the sampler's settings but for these. `on_frame` hears before each step, and
/// at the end, how they look: bytes, (N, C, S, S).
///
/// # Errors
/// Where a label is no class, and what the device reports.
pub(crate) async fn draw(
    stream: &mut Stream,
    model: &Dit,
    labels: &[u32],
    guidance: f32,
    steps: u32,
    seed: u32,
    on_frame: &Function,
) -> Result<(), JsError> {
    let (classes, steps, seed) = (model.config().classes, steps as usize, u64::from(seed));
    if let Some(label) = labels.iter().find(|label| **label as usize >= classes) {
        return Err(JsError::new(&format!("{label} is no class of these weights, which have {classes}")));
    }
    if !(1..=MOST).contains(&labels.len()) || !(1..=MOST).contains(&steps) || !guidance.is_finite() {
        return Err(JsError::new(
            "one to a thousand images, in one to a thousand steps, with guidance that is a number",
        ));
    }
    // Those of the sampler, so that a seed gives the same images.
    let options =
        SampleOptions { steps, time_shift: 0.4, guidance, guided: 0.1..0.9, seed, ..SampleOptions::default() };
    let on_gpu = stream.device().adapter().is_some();
    // What the page makes of a frame is its own affair.
    let show = |images: &[f32]| drop(on_frame.call1(&JsValue::NULL, &bytes(images)));
    let mut frames = Vec::new();
    let x = first_noise(stream, model, seed, 0..labels.len())?;
    integrate_watched(stream, model, &x, labels, &options, |stream, x, _| {
        // A GPU is given all steps, and its frames arrive while it works on them.
        if on_gpu {
            frames.push(stream.read_async::<f32>(x)?);
        } else {
            show(&stream.read::<f32>(x)?);
        }
        Ok(())
    })?;
    frames.push(stream.read_async(&x)?);
    for frame in frames {
        show(&frame.await?);
    }
    Ok(())
}

/// [-1, 1] as bytes.
fn bytes(images: &[f32]) -> Uint8Array {
    let bytes: Vec<u8> = images.iter().map(|value| ((value + 1.0) * 127.5).round() as u8).collect();
    Uint8Array::from(&bytes[..])
}
