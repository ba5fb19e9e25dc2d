//! CSV files with a row for a step: metrics.csv and heldout.csv.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

/// A file, open for more rows.
pub struct Table {
    path: PathBuf,
    writer: csv::Writer<File>,
}

impl Table {
    /// A new file with these columns, the first of which is the step.
    pub fn create(path: &Path, header: &[impl AsRef<str>]) -> anyhow::Result<Self> {
        Self::open(path, header, &[])
    }

    /// The file of a run that goes on after `step`: later rows, which an interrupted run may have
    /// left, are dropped.
    pub fn resume(path: &Path, header: &[impl AsRef<str>], step: u32) -> anyhow::Result<Self> {
        let mut kept = Vec::new();
        // A run whose metrics are gone can go on without them.
        if let Ok(mut reader) = csv::Reader::from_path(path) {
            for row in reader.records().map_while(Result::ok) {
                if row.get(0).and_then(|first| first.parse().ok()).is_some_and(|row_step: u32| row_step <= step) {
                    kept.push(row);
                }
            }
        }
        Self::open(path, header, &kept)
    }

    fn open(path: &Path, header: &[impl AsRef<str>], kept: &[csv::StringRecord]) -> anyhow::Result<Self> {
        let mut all = csv::Writer::from_writer(Vec::new());
        all.write_record(header.iter().map(AsRef::as_ref))?;
        for row in kept {
            all.write_record(row)?;
        }
        let bytes = all.into_inner().map_err(|error| anyhow::anyhow!("{error}"))?;
        programs::write_atomically(path, |file| file.write_all(&bytes))?;
        let file = OpenOptions::new().append(true).open(path).with_context(|| cannot_write(path))?;
        let writer = csv::WriterBuilder::new().has_headers(false).from_writer(file);
        Ok(Self { path: path.to_path_buf(), writer })
    }

    /// Adds rows.
    pub fn append<R: Serialize>(&mut self, rows: impl IntoIterator<Item = R>) -> anyhow::Result<()> {
        for row in rows {
            self.writer.serialize(row).with_context(|| cannot_write(&self.path))?;
        }
        self.writer.flush().with_context(|| cannot_write(&self.path))
    }
}

/// The rows of a file as numbers, the step first. What cannot be read is left out.
pub fn read(path: &Path) -> Vec<Vec<f64>> {
    let Ok(mut reader) = csv::Reader::from_path(path) else { return Vec::new() };
    reader.deserialize().map_while(Result::ok).collect()
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}
