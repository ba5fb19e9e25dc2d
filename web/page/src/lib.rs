//! What the page's worker calls: a sampler on the browser's GPU, or on its CPU.

use dit::{Dit, Weights};
use flow::{SampleOptions, first_noise, integrate_watched};
use js_sys::{Function, Uint8Array};
use runtime::{Device, DeviceOptions, Stream};
use wasm_bindgen::prelude::*;

/// What draws until a page brings weights of its own.
const WEIGHTS: &[u8] = include_bytes!("../../../weights/mnist.safetensors");

/// The most images at once, and the most steps.
const MOST: usize = 1000;

/// A model on a device.
#[wasm_bindgen]
pub struct Sampler {
    stream: Stream,
    model: Dit,
}

#[wasm_bindgen]
impl Sampler {
    /// Puts weights, those of MNIST unless there are others, on the GPU or the CPU.
    ///
    /// # Errors
    /// Where the browser has no GPU for us, or the bytes are no weights.
    pub async fn open(gpu: bool, weights: Option<Vec<u8>>) -> Result<Sampler, JsError> {
        let weights = Weights::from_bytes(weights.as_deref().unwrap_or(WEIGHTS), "the file")?;
        // Any adapter, also one in software, since it was asked for.
        let options = if gpu { DeviceOptions::adapter("") } else { DeviceOptions::cpu() };
        let mut stream = Device::open_async(&options).await?.stream()?;
        let model = Dit::from_weights(&mut stream, &weights)?;
        Ok(Self { stream, model })
    }

    /// What it draws on, in words.
    pub fn device(&self) -> String {
        match self.stream.device().adapter() {
            Some(info) if info.software => format!("a GPU imitated in software {}", info.name),
            Some(info) => format!("the GPU {}", info.name),
            None => "the CPU, one thread".into(),
        }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.model.config().classes
    }

    /// The pixels of a side.
    pub fn side(&self) -> usize {
        self.model.config().side
    }

    /// 1 for grey images, 3 for colour.
    pub fn channels(&self) -> usize {
        self.model.config().channels
    }

    /// Draws an image for each label, all at once, as `sampler --prompt` does with its other settings as they are. `on_frame` hears
    /// before each step, and at the end, how they look: bytes, (N, C, S, S).
    ///
    /// # Errors
    /// Where a label is no class, and what the device reports.
    pub async fn draw(
        &mut self,
        labels: Vec<u32>,
        guidance: f32,
        steps: usize,
        seed: u32,
        on_frame: Function,
    ) -> Result<(), JsError> {
        let classes = self.classes();
        if let Some(label) = labels.iter().find(|label| **label as usize >= classes) {
            return Err(JsError::new(&format!("{label} is no class of these weights, which have {classes}")));
        }
        if !(1..=MOST).contains(&labels.len()) || !(1..=MOST).contains(&steps) || !guidance.is_finite() {
            return Err(JsError::new(
                "one to a thousand images, in one to a thousand steps, with guidance that is a number",
            ));
        }
        let seed = u64::from(seed);
        let options =
            SampleOptions { steps, time_shift: 0.4, guidance, guided: 0.1..0.9, seed, ..SampleOptions::default() };
        let on_gpu = self.stream.device().adapter().is_some();
        let show = |images: &[f32]| on_frame.call1(&JsValue::NULL, &bytes(images));
        let mut frames = Vec::new();
        let x = first_noise(&mut self.stream, &self.model, seed, 0..labels.len())?;
        integrate_watched(&mut self.stream, &self.model, &x, &labels, &options, |stream, x, _| {
            // A GPU is given all steps, and its frames arrive while it works on them.
            if on_gpu {
                frames.push(stream.read_async::<f32>(x)?);
            } else {
                // What the page makes of a frame is its own affair.
                let _ = show(&stream.read::<f32>(x)?);
            }
            Ok(())
        })?;
        frames.push(self.stream.read_async(&x)?);
        for frame in frames {
            let _ = show(&frame.await?);
        }
        Ok(())
    }
}

/// [-1, 1] as bytes.
fn bytes(images: &[f32]) -> Uint8Array {
    let bytes: Vec<u8> = images.iter().map(|value| ((value + 1.0) * 127.5).round() as u8).collect();
    Uint8Array::from(&bytes[..])
}
