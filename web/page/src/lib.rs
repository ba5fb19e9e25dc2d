//! What the pages' worker calls: a sampler and a trainer, on the browser's GPU or on its CPU.

mod draw;
mod sampler;
mod trainer;

use runtime::{Device, DeviceOptions, Error, Stream};
use wasm_bindgen::JsError;

pub use sampler::Sampler;
pub use trainer::Trainer;

/// Opens `cpu`, `gpu`, or `hardware`: the GPU, which is taken for hardware even if it is imitated in software.
async fn open_stream(device: &str) -> Result<Stream, JsError> {
    let options = match device {
        "cpu" => DeviceOptions::cpu(),
        // Any adapter, also one in software, since it was asked for.
        _ => DeviceOptions { as_hardware: device == "hardware", ..DeviceOptions::adapter("") },
    };
    let device = Device::open_async(&options).await.map_err(|error| match error {
        Error::NoAdapter(_) => JsError::new("the browser has no GPU for this page; choose the CPU"),
        other => other.into(),
    })?;
    Ok(device.stream()?)
}

/// What a stream runs on, in words.
fn device_of(stream: &Stream) -> String {
    match stream.device().adapter() {
        Some(info) if info.software => format!("a GPU imitated in software {}", info.name).trim_end().into(),
        Some(info) => format!("the GPU {}", info.name).trim_end().into(),
        None => "the CPU, one thread".into(),
    }
}
