//! metrics.csv: a row a step.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::Context;
use flow::StepRecord;

/// The file, open for more rows.
pub struct Metrics {
    path: PathBuf,
    writer: csv::Writer<File>,
}

const HEADER: [&str; 4] = ["step", "loss", "gradient_norm", "learning_rate"];

impl Metrics {
    /// A new file.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        Self::open(path, &[])
    }

    /// The file of a run that goes on after `step`: later rows, which an interrupted run may have
    /// left, are dropped.
    pub fn resume(path: &Path, step: u32) -> anyhow::Result<Self> {
        let mut kept = Vec::new();
        // A run whose metrics are gone can go on without them.
        if let Ok(mut reader) = csv::Reader::from_path(path) {
            for row in reader.records().map_while(Result::ok) {
                if row.get(0).and_then(|first| first.parse().ok()).is_some_and(|row_step: u32| row_step <= step) {
                    kept.push(row);
                }
            }
        }
        Self::open(path, &kept)
    }

    fn open(path: &Path, kept: &[csv::StringRecord]) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}", path.display());
        let mut all = csv::Writer::from_writer(Vec::new());
        all.write_record(HEADER)?;
        for row in kept {
            all.write_record(row)?;
        }
        let bytes = all.into_inner().map_err(|error| anyhow::anyhow!("{error}"))?;
        programs::write_atomically(path, |file| file.write_all(&bytes))?;
        let file = OpenOptions::new().append(true).open(path).with_context(cannot)?;
        let writer = csv::WriterBuilder::new().has_headers(false).from_writer(file);
        Ok(Self { path: path.to_path_buf(), writer })
    }

    /// Adds a row for each record.
    pub fn append(&mut self, records: &[StepRecord], rate_at: impl Fn(u32) -> f32) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", self.path.display());
        for StepRecord { step, loss, gradient_norm } in records {
            let row = (step, loss, gradient_norm, rate_at(step - 1));
            self.writer.serialize(row).with_context(cannot)?;
        }
        self.writer.flush().with_context(cannot)
    }
}
