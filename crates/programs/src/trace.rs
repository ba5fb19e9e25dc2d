//! `--trace`: what ran when, in a file that Perfetto (<https://ui.perfetto.dev>) and chrome://tracing open.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use runtime::{Device, Profile, Stream, Value};
use serde_json::{Map, Number, Value as Json, json};

use crate::{DeviceArgs, check_writable, counted, write_atomically};

/// The process that both tracks belong to, and the tracks.
const PROCESS: u32 = 1;
const HOST: u32 = 1;
const KERNELS: u32 = 2;

/// Whether to trace, and how much of a run.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Trace")]
pub struct TraceArgs {
    /// Write what ran when, from the start, for ui.perfetto.dev or chrome://tracing; a file there is replaced
    ///
    /// Every kernel with its parameters and the lengths of its buffers on one track, what the host did on
    /// another. Kernels are timed by the device's clock on a GPU, which slows the traced part down a little.
    #[arg(long, value_name = "FILE.json")]
    trace: Option<PathBuf>,

    /// Kernels after which the trace ends; a thousand are about half a megabyte
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), requires = "trace")]
    trace_kernels: u32,
}

impl TraceArgs {
    /// The file, if there is to be one.
    pub fn path(&self) -> Option<&Path> {
        self.trace.as_deref()
    }

    /// Refuses a path that could not be written at the end.
    ///
    /// # Errors
    /// As [`check_writable`].
    pub fn check(&self) -> anyhow::Result<()> {
        self.trace.as_deref().map_or(Ok(()), |path| check_writable(path).context("--trace"))
    }

    /// Opens the device, for timing kernels if a trace is asked for.
    ///
    /// # Errors
    /// As [`DeviceArgs::open`].
    pub fn open(&self, device: &DeviceArgs) -> runtime::Result<Device> {
        if self.trace.is_some() { device.open_with_timestamps() } else { device.open() }
    }

    /// Begins to trace, if asked for, on a device from [`TraceArgs::open`].
    ///
    /// # Errors
    /// As [`Stream::start_profile`].
    pub fn start(&self, stream: &mut Stream) -> anyhow::Result<()> {
        match &self.trace {
            Some(_) => stream.start_profile(self.trace_kernels as usize).context("--trace"),
            None => Ok(()),
        }
    }

    /// Ends the trace and writes it. Gives a line about it, or nothing where nothing was traced.
    ///
    /// # Errors
    /// What the device reports, and as [`write_atomically`].
    pub fn write(&self, stream: &mut Stream) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.trace else { return Ok(None) };
        let device = stream.device().to_string();
        let profile = stream.finish_profile().context("--trace")?;
        write_atomically(path, |writer| Ok(serde_json::to_writer(writer, &events(&profile, &device))?))
            .context("--trace")?;
        Ok(Some(format!(
            "Wrote {} ({} in {:.1} ms); open it in ui.perfetto.dev",
            path.display(),
            counted(profile.kernels.len(), "kernel"),
            1e3 * end(&profile).as_secs_f64()
        )))
    }
}

fn end(profile: &Profile) -> Duration {
    profile.kernels.iter().map(|span| span.start + span.duration).max().unwrap_or_default()
}

/// The trace-event format's "JSON object", of complete events ("X") and the names of tracks ("M").
fn events(profile: &Profile, device: &str) -> Json {
    let name = |what: &str, track: u32, name: &str| json!({ "ph": "M", "name": what, "pid": PROCESS, "tid": track, "args": { "name": name } });
    let span = |track: u32, name: &str, start: Duration, duration: Duration, args: Map<String, Json>| {
        let [ts, dur] = [start, duration].map(|time| 1e6 * time.as_secs_f64());
        json!({ "ph": "X", "name": name, "pid": PROCESS, "tid": track, "ts": ts, "dur": dur, "args": args })
    };
    let mut events = vec![
        name("process_name", HOST, device),
        name("thread_name", HOST, "host"),
        name("thread_name", KERNELS, "kernels"),
    ];
    events.extend(
        profile.host.iter().map(|host| span(HOST, host.activity.name(), host.start, host.duration, Map::new())),
    );
    events.extend(profile.kernels.iter().map(|kernel| {
        let parameters = kernel.parameters().map(|(name, value)| (name.to_owned(), number(value)));
        let constants = kernel.constants.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        let lengths = kernel.kernel.bindings.iter().zip(&kernel.buffers);
        let lengths: Map<_, _> = lengths.map(|(binding, length)| (binding.name.to_owned(), json!(length))).collect();
        let mut args: Map<_, _> = parameters.chain(constants).collect();
        args.insert("buffers".into(), Json::Object(lengths));
        span(KERNELS, kernel.kernel.name, kernel.start, kernel.duration, args)
    }));
    json!({ "displayTimeUnit": "ms", "otherData": { "device": device, "omitted": profile.omitted }, "traceEvents": events })
}

/// JSON has no infinity, which the largest norm of a gradient may be.
fn number(value: Value) -> Json {
    match value {
        Value::U32(value) => value.into(),
        Value::F32(value) => {
            Number::from_f64(f64::from(value)).map_or_else(|| Json::String(value.to_string()), Json::Number)
        }
    }
}
