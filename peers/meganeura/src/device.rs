//! The adapter that meganeura runs on.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use blade_graphics::Context;
use meganeura::{GpuOptions, Graph, Mode, Session, SessionConfig, init_gpu_context_with};

/// A context of blade, which meganeura draws on.
pub type Device = Arc<Context>;

/// The adapter with `wanted` in its name, and its name.
///
/// # Errors
/// When there is none, or blade does not support it.
pub fn open(wanted: &str) -> Result<(Device, String)> {
    let adapters = Context::enumerate().map_err(|error| anyhow!("blade lists no adapters: {error:?}"))?;
    let named = |name: &str| name.to_lowercase().contains(&wanted.to_lowercase());
    let found = adapters.iter().find(|adapter| named(&adapter.information.device_name)).ok_or_else(|| {
        let names: Vec<_> = adapters.iter().map(|adapter| &adapter.information.device_name).collect();
        anyhow!("blade sees no adapter with \"{wanted}\" in its name, but {names:?}")
    })?;
    let options = GpuOptions { device_id: Some(found.device_id), timing: false };
    let context = init_gpu_context_with(options).map_err(|error| {
        anyhow!("blade does not open {}: {error:?} ({:?})", found.information.device_name, found.status)
    })?;
    let information = context.device_information();
    let name = format!("{} ({} {})", information.device_name, information.driver_name, information.driver_info);
    Ok((Arc::new(context), name))
}

/// What computes `graph`, with products in the fastest of the tiles that meganeura tries.
pub fn session(graph: &Graph, mode: Mode, device: &Device) -> Session {
    let config = SessionConfig { mode, gpu: Some(device.clone()), tune: true, ..SessionConfig::default() };
    meganeura::build(graph, config).0
}
