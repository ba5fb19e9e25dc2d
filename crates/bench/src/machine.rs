//! What it was measured on.

use std::fs;

use runtime::Device;
use serde_json::{Value as Json, json};

/// The machine, as far as it tells; Linux tells all of it.
#[derive(Clone, Debug)]
pub struct Machine {
    device: String,
    driver: Option<String>,
    processor: Option<String>,
    threads: usize,
}

impl Machine {
    /// The machine with this device.
    pub fn of(device: &Device) -> Self {
        Self {
            device: device.to_string(),
            driver: device.adapter().map(|adapter| adapter.driver.clone()),
            processor: field("/proc/cpuinfo", "model name"),
            threads: rayon::current_num_threads(),
        }
    }

    /// A line for people.
    pub fn describe(&self) -> String {
        let driver = self.driver.as_ref().map(|driver| format!(", driver {driver}")).unwrap_or_default();
        let processor = self.processor.as_deref().unwrap_or("an unnamed processor");
        let (threads, version, profile) = (self.threads, env!("CARGO_PKG_VERSION"), profile());
        format!("{}{driver}; {processor}, {threads} threads; version {version}, {profile} build", self.device)
    }

    /// The same for programs.
    pub fn json(&self) -> Json {
        json!({
            "device": self.device,
            "driver": self.driver,
            "processor": self.processor,
            "threads": self.threads,
            "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            "version": env!("CARGO_PKG_VERSION"),
            "profile": profile(),
        })
    }
}

/// How this program was built. A development build is optimised here too, but checks overflows and
/// assertions, and is not optimised across crates.
pub fn profile() -> &'static str {
    if cfg!(debug_assertions) { "development" } else { "release" }
}

/// The most memory that this process has had at once, in MiB; Linux alone says it.
pub fn peak_resident_mebibytes() -> Option<f64> {
    let kibibytes = field("/proc/self/status", "VmHWM")?;
    kibibytes.split_whitespace().next()?.parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
}

/// The value of the first `name : value` line of a file.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}
