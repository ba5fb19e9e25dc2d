//! `roofline`: what the device can do, and how near each kernel comes (Williams, Waterman and Patterson,
//! Communications of the ACM 52, 2009).

use anyhow::Result;
use runtime::Stream;

use super::{described, mebibytes};
use crate::args::ModelArgs;
use crate::groups::{Group, groups};
use crate::peak;
use crate::report::{Cell, Table};
use crate::statistics::best;
use crate::workload;

/// Working sets of the bandwidth, in bytes: within a core's cache, within the last one, and far beyond both.
const WORKING_SETS: [usize; 3] = [768 << 10, 12 << 20, 288 << 20];

/// What a device can do.
struct Roof {
    /// Operations a second, in the best run as are the bandwidths.
    operations: f64,
    /// Bytes a second for working sets of up to so many bytes, the smallest first.
    bandwidths: Vec<(usize, f64)>,
}

impl Roof {
    /// The bandwidth for a kernel that moves `bytes`: that of the smallest measured set that has room for it.
    fn bandwidth(&self, bytes: f64) -> f64 {
        let fits = self.bandwidths.iter().find(|(set, _)| bytes <= *set as f64);
        fits.or(self.bandwidths.last()).map_or(f64::NAN, |(_, bandwidth)| *bandwidth)
    }

    /// Seconds that a group's launch takes at least, and what it waits for.
    fn bound(&self, group: &Group) -> Option<(f64, &'static str)> {
        let work = group.work?;
        let (compute, memory) = (work.operations / self.operations, work.bytes / self.bandwidth(work.bytes));
        Some(if compute > memory { (compute, "compute") } else { (memory, "memory") })
    }
}

/// Measures the device, then the kernels of training steps and of sampling.
pub fn roofline(stream: &mut Stream, args: &ModelArgs) -> Result<Vec<Table>> {
    let runs = args.common.runs();
    let (roof, mut tables) = device(stream, runs, args.common.quick)?;
    let (config, batch) = args.model(stream.device().is_large_gpu());
    let profile = workload::profiled(stream, config, batch, runs)?;

    let title = format!("Kernels in training and sampling, by time: {}", described(&config, batch));
    let columns =
        ["kernel", "shape", "time (µs)", "at least (µs)", "bound by", "share of bound (%)", "GFLOP/s", "GB/s"];
    let mut table = Table::new(title, &columns);
    for group in groups(&profile.kernels) {
        let bound = roof.bound(&group);
        table.push(vec![
            Cell::Text(group.kernel.into()),
            Cell::Text(group.shape.clone()),
            Cell::Samples(group.seconds.iter().map(|seconds| 1e6 * seconds).collect()),
            Cell::real(bound.map(|(seconds, _)| 1e6 * seconds)),
            bound.map_or(Cell::None, |(_, by)| Cell::Text(by.into())),
            Cell::real(bound.map(|(seconds, _)| 100.0 * seconds / group.time())),
            Cell::real(group.gigaflops()),
            Cell::real(group.gigabytes()),
        ]);
    }
    tables.push(table);
    Ok(tables)
}

/// The device's own peaks; on the CPU those of one thread too.
fn device(stream: &mut Stream, runs: usize, quick: bool) -> Result<(Roof, Vec<Table>)> {
    let sets: Vec<usize> = WORKING_SETS.iter().map(|bytes| if quick { bytes / 64 } else { *bytes }).collect();
    let mut table = Table::new("The device", &["what", "threads", "best", "median", "unit"]);
    let mut measure = |stream: &mut Stream, threads: Cell| -> Result<Roof> {
        let rates = peak::multiply_adds(stream, runs, quick)?;
        let operations = best(&rates);
        let mut push = |what: String, samples: Vec<f64>, unit: &str| {
            let samples: Vec<f64> = samples.into_iter().map(|sample| 1e-9 * sample).collect();
            let best = Cell::Real(best(&samples));
            table.push(vec![Cell::Text(what), threads.clone(), best, Cell::Samples(samples), Cell::Text(unit.into())]);
        };
        push("multiply-adds in f32".into(), rates, "GFLOP/s");
        let mut bandwidths = Vec::new();
        for bytes in &sets {
            let rates = peak::bandwidth(stream, *bytes, runs)?;
            bandwidths.push((*bytes, best(&rates)));
            push(format!("triad over {:.2} MiB", mebibytes(*bytes)), rates, "GB/s");
        }
        Ok(Roof { operations, bandwidths })
    };
    if stream.device().adapter().is_some() {
        let roof = measure(stream, Cell::None)?;
        return Ok((roof, vec![table]));
    }
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    one.install(|| measure(stream, Cell::Count(1)))?;
    let roof = measure(stream, Cell::Count(rayon::current_num_threads() as u64))?;
    Ok((roof, vec![table]))
}
