//! Drawing with trained weights.

use dit::{Dit, Weights};
use js_sys::Function;
use runtime::Stream;
use wasm_bindgen::prelude::*;

use crate::{device_of, draw, open_stream};

/// A model on a device.
#[wasm_bindgen]
pub struct Sampler {
    stream: Stream,
    model: Dit,
}

#[wasm_bindgen]
impl Sampler {
    /// Puts the weights of a safetensors file on a device: `cpu`, `gpu`, or `hardware`, which takes any GPU for hardware.
    ///
    /// # Errors
    /// Where the browser has no GPU for us, or the bytes are no weights.
    pub async fn open(device: String, weights: Vec<u8>) -> Result<Sampler, JsError> {
        let weights = Weights::from_bytes(&weights, "the file")?;
        let mut stream = open_stream(&device).await?;
        let model = Dit::from_weights(&mut stream, &weights)?;
        Ok(Self { stream, model })
    }

    /// What it draws on, in words.
    pub fn device(&self) -> String {
        device_of(&self.stream)
    }

    /// The pixels of a side.
    pub fn side(&self) -> usize {
        self.model.config().side
    }

    /// 1 for grey images, 3 for colour.
    pub fn channels(&self) -> usize {
        self.model.config().channels
    }

    /// Draws an image for each label, as `sampler --prompt` does. `on_frame` hears before each step, and at the end, how they
    /// look: bytes, (N, C, S, S).
    ///
    /// # Errors
    /// Where a label is no class, and what the device reports.
    pub async fn draw(
        &mut self,
        labels: Vec<u32>,
        guidance: f32,
        steps: u32,
        seed: u32,
        on_frame: Function,
    ) -> Result<(), JsError> {
        draw::draw(&mut self.stream, &self.model, &labels, guidance, steps, seed, &on_frame).await
    }
}
