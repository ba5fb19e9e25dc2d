//! `scale`: what an image costs as batches and models grow.

use std::time::Instant;

use anyhow::Result;
use dit::{Config, FlowPath, Variant};
use runtime::Stream;

use super::{described, memory};
use crate::args::ScaleArgs;
use crate::report::{Cell, Table};
use crate::statistics::median;
use crate::workload;

const COLUMNS: [&str; 9] = [
    "model",
    "depth",
    "batch",
    "step (ms)",
    "velocity (ms)",
    "step an image (ms)",
    "velocity an image (ms)",
    "buffers (MiB)",
    "held (MiB)",
];

/// Latents of 32 × 32 × 4, as the models of the DiT paper have them.
const fn latent(patch: usize, width: usize, depth: usize, heads: usize) -> Config {
    Config {
        side: 32,
        channels: 4,
        patch,
        width,
        depth,
        heads,
        classes: 1000,
        time_scale: 1000.0,
        path: FlowPath::CondOt,
        variant: Variant::DIT,
    }
}

/// Sizes of Peebles and Xie, 2212.09748, table 1.
const LARGE: [(&str, Config); 2] = [("DiT-S/2", latent(2, 384, 12, 6)), ("DiT-B/4", latent(4, 768, 12, 12))];

/// Times steps and velocities for each batch, each depth, and the large models.
pub fn scale(stream: &mut Stream, args: &ScaleArgs) -> Result<Vec<Table>> {
    let (config, batch) = args.model.model(stream.device().is_large_gpu());
    let quick = args.model.common.quick;
    let (batches, depths) = if quick { (&[1, 2][..], &[1, 2][..]) } else { (&args.batches[..], &args.depths[..]) };
    let title = |what: &str| format!("By {what}: {}", described(&config, batch));
    let mut scale =
        Scale { stream, runs: args.model.common.runs(), budget: f64::from(args.budget), seconds_a_unit: None };

    let mut by_batch = Table::new(title("batch"), &COLUMNS);
    scale.series(&mut by_batch, batches.iter().map(|batch| ("preset", config, usize::from(*batch))))?;
    let mut by_depth = Table::new(title("depth"), &COLUMNS);
    scale.series(
        &mut by_depth,
        depths.iter().map(|depth| ("preset", Config { depth: usize::from(*depth), ..config }, batch)),
    )?;
    let mut tables = vec![by_batch, by_depth];
    if args.large > 0 && !quick {
        let mut large = Table::new("Larger models, 32×32×4", &COLUMNS);
        scale.series(&mut large, LARGE.into_iter().map(|(name, config)| (name, config, usize::from(args.large))))?;
        tables.push(large);
    }
    Ok(tables)
}

struct Scale<'a> {
    stream: &'a mut Stream,
    runs: usize,
    budget: f64,
    /// Of the row before: its seconds by depth · batch · tokens · width².
    seconds_a_unit: Option<f64>,
}

impl Scale<'_> {
    /// Rows for models and batches that grow. What the device refuses, or would by the cost of the row before
    /// take longer than the budget, has none, and says so.
    fn series(&mut self, table: &mut Table, models: impl Iterator<Item = (&'static str, Config, usize)>) -> Result<()> {
        for (name, config, batch) in models {
            let units = (config.depth * batch * config.tokens() * config.width * config.width) as f64;
            let expected = self.seconds_a_unit.map_or(0.0, |seconds| seconds * units);
            let head = [Cell::Text(name.into()), Cell::Count(config.depth as u64), Cell::Count(batch as u64)];
            let start = Instant::now();
            let row = if expected > self.budget { Ok(None) } else { self.row(config, batch).map(Some) };
            let cells = match row {
                Ok(Some(cells)) => {
                    self.seconds_a_unit = Some(start.elapsed().as_secs_f64() / units);
                    cells
                }
                Ok(None) => unmeasured(&format!("left out: about {expected:.0} s")),
                Err(error) => unmeasured(&format!("refused: {error:#}")),
            };
            table.push(head.into_iter().chain(cells).collect());
        }
        Ok(())
    }

    fn row(&mut self, config: Config, batch: usize) -> Result<Vec<Cell>> {
        self.stream.synchronize()?;
        self.stream.device().release_unused();
        let mut training = workload::training(self.stream, config, batch)?;
        let steps = workload::steps(self.stream, &mut training, self.runs)?;
        let steps: Vec<f64> = steps.iter().map(|step| step.whole).collect();
        let velocities = workload::velocities(self.stream, &training.model, batch, self.runs)?;
        let an_image = |seconds: &[f64]| Cell::Real(1e3 * median(seconds) / batch as f64);
        let [in_use, held, _] = memory(self.stream);
        Ok(vec![
            Cell::milliseconds(&steps),
            Cell::milliseconds(&velocities),
            an_image(&steps),
            an_image(&velocities),
            in_use,
            held,
        ])
    }
}

fn unmeasured(why: &str) -> Vec<Cell> {
    let mut cells = vec![Cell::None; COLUMNS.len() - 3];
    cells[0] = Cell::Text(why.into());
    cells
}
