//! `kernels`: each kernel at each shape that training and sampling launch it with.

use anyhow::Result;
use runtime::Stream;

use super::described;
use crate::args::ModelArgs;
use crate::groups::groups;
use crate::report::{Cell, Table};
use crate::workload;

/// Times every launch of some training steps and of as many sampling steps.
pub fn kernels(stream: &mut Stream, args: &ModelArgs) -> Result<Vec<Table>> {
    let (config, batch) = args.model(stream.device().is_large_gpu());
    let profile = workload::profiled(stream, config, batch, args.common.runs())?;

    let title = format!("Kernels in training and sampling: {}; medians of all launches", described(&config, batch));
    let mut table = Table::new(title, &["kernel", "shape", "launches", "time (µs)", "GFLOP/s", "GB/s", "FLOP/byte"]);
    let mut groups = groups(&profile.kernels);
    groups.sort_by_key(|group| group.kernel);
    for group in groups {
        let intensity = group.work.map(|work| work.operations / work.bytes);
        table.push(vec![
            Cell::Text(group.kernel.into()),
            Cell::Text(group.shape.clone()),
            Cell::Count(group.seconds.len() as u64),
            Cell::Samples(group.seconds.iter().map(|seconds| 1e6 * seconds).collect()),
            Cell::real(group.gigaflops()),
            Cell::real(group.gigabytes()),
            Cell::real(intensity),
        ]);
    }
    Ok(vec![table])
}
