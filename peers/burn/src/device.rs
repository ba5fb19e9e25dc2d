//! The device that burn runs on.

use anyhow::{Context, Result};
use burn::tensor::{Device, DeviceType};

/// The device with `wanted` in its name, and its name; `cpu` is burn's own backend for it.
///
/// # Errors
/// When burn has no such adapter.
pub fn open(wanted: &str) -> Result<(Device, String)> {
    if wanted == "cpu" {
        return Ok((Device::flex(), "CPU (flex)".into()));
    }
    let mut names = Vec::new();
    for device in Device::enumerate(DeviceType::Wgpu).into_vec() {
        let identity = device.identity().context("burn tells nothing of an adapter")?;
        if identity.name.to_lowercase().contains(&wanted.to_lowercase()) {
            return Ok((device, format!("{}, kernels in WGSL", identity.name)));
        }
        names.push(identity.name);
    }
    anyhow::bail!("burn sees no adapter with \"{wanted}\" in its name, but {names:?}")
}
