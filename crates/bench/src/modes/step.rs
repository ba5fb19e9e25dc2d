//! `step`: the training step, and where its time goes.

use std::collections::BTreeMap;

use anyhow::Result;
use runtime::{KernelSpan, Stream};
use stats_alloc::Region;

use super::{described, memory};
use crate::ALLOCATOR;
use crate::args::ModelArgs;
use crate::report::{Cell, Table};
use crate::statistics::median;
use crate::workload;

/// Times steps by the host's clock, then profiles as many.
pub fn step(stream: &mut Stream, args: &ModelArgs) -> Result<Vec<Table>> {
    let (config, batch) = args.model(stream.device().is_large_gpu());
    let runs = args.common.runs();
    let mut training = workload::training(stream, config, batch)?;
    let times = workload::steps(stream, &mut training, runs)?;
    let region = Region::new(ALLOCATOR);
    workload::step(stream, &mut training)?;
    let change = region.change();
    let (profile, profiled) = workload::profiled_steps(stream, &mut training, runs)?;

    let whole: Vec<f64> = times.iter().map(|time| time.whole).collect();
    let launching: Vec<f64> = times.iter().map(|time| time.launching).collect();
    let on_gpu = stream.device().adapter().is_some();
    let mut summary = Table::new(format!("Training step: {}", described(&config, batch)), &["what", "value", "unit"]);
    let mut push = |what: &str, value: Cell, unit: &str| {
        summary.push(vec![Cell::Text(what.into()), value, Cell::Text(unit.into())]);
    };
    push("step", Cell::milliseconds(&whole), "ms");
    push("images", Cell::Real(batch as f64 / median(&whole)), "1/s");
    let launching = if on_gpu { Cell::milliseconds(&launching) } else { Cell::None };
    push("host, to record and submit it", launching, "ms");
    push("step while profiled", Cell::milliseconds(&profiled), "ms");
    push("of that in kernels", Cell::Real(1e3 * total(&profile.kernels) / runs as f64), "ms");
    push("kernels", Cell::Count((profile.kernels.len() / runs) as u64), "");
    push("allocations on the host", Cell::Count(change.allocations as u64), "");
    push("allocated on the host", Cell::Real(change.bytes_allocated as f64 / 1024.0), "KiB");
    let [in_use, held, resident] = memory(stream);
    push("device memory, peak in buffers", in_use, "MiB");
    push("device memory, peak held", held, "MiB");
    push("process, peak resident", resident, "MiB");
    Ok(vec![summary, shares(&profile.kernels, runs)])
}

/// How much of the kernels' time each kernel takes.
fn shares(spans: &[KernelSpan], runs: usize) -> Table {
    let mut table = Table::new("Where its time goes", &["kernel", "launches", "time (ms)", "share (%)"]);
    let mut kernels: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for span in spans {
        kernels.entry(span.kernel.name).or_default().push(span.duration.as_secs_f64());
    }
    let mut kernels: Vec<_> =
        kernels.into_iter().map(|(name, times)| (name, times.len(), times.iter().sum())).collect();
    kernels.sort_by(|one: &(_, _, f64), other| other.2.total_cmp(&one.2));
    for (name, launches, seconds) in kernels {
        table.push(vec![
            Cell::Text(name.into()),
            Cell::Count((launches / runs) as u64),
            Cell::Real(1e3 * seconds / runs as f64),
            Cell::Real(100.0 * seconds / total(spans)),
        ]);
    }
    table
}

/// Seconds in all kernels.
fn total(spans: &[KernelSpan]) -> f64 {
    spans.iter().map(|span| span.duration.as_secs_f64()).sum()
}
