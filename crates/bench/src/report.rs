//! What was measured, as tables for people and as JSON.

use std::path::Path;

use comfy_table::{CellAlignment, Table as Text, presets};
use programs::{say, write_atomically};
use serde_json::{Map, Value as Json, json};

use crate::machine::Machine;
use crate::statistics::median;

/// A cell of a table.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A whole number.
    Count(u64),
    /// A number, shown with three significant digits.
    Real(f64),
    /// A measurement repeated; the table shows the median, JSON has all of it.
    Samples(Vec<f64>),
    /// What could not be told.
    None,
}

impl Cell {
    /// A number that there may be.
    pub fn real(value: Option<f64>) -> Self {
        value.filter(|value| value.is_finite()).map_or(Self::None, Self::Real)
    }

    /// Seconds in milliseconds.
    pub fn milliseconds(seconds: &[f64]) -> Self {
        Self::Samples(seconds.iter().map(|seconds| 1e3 * seconds).collect())
    }

    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Real(value) => significant(*value),
            Self::Samples(samples) => significant(median(samples)),
            Self::None => "–".into(),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Text(text) => json!(text),
            Self::Count(count) => json!(count),
            Self::Real(value) => json!(value),
            Self::Samples(samples) => json!({ "median": median(samples), "samples": samples }),
            Self::None => Json::Null,
        }
    }
}

/// Three significant digits, and all of those before the point.
fn significant(value: f64) -> String {
    let whole = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    format!("{value:.*}", (2 - whole).clamp(0, 9) as usize)
}

/// A table. The first column says what a row is about.
#[derive(Clone, Debug)]
pub struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows yet; units stand in brackets after a column's name.
    pub fn new(title: impl Into<String>, columns: &[&'static str]) -> Self {
        Self { title: title.into(), columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, a cell a column.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    fn print(&self) {
        let mut text = Text::new();
        text.load_style(presets::NOTHING).set_header(&self.columns);
        for row in &self.rows {
            text.add_row(row.iter().map(Cell::shown));
        }
        for (index, column) in text.column_iter_mut().enumerate() {
            let words = self.rows.iter().all(|row| matches!(row[index], Cell::Text(_)));
            column.set_padding((0, 2));
            column.set_cell_alignment(if words { CellAlignment::Left } else { CellAlignment::Right });
        }
        say(format_args!("\n{}", self.title));
        for line in text.lines() {
            say(line.trim_end());
        }
    }

    fn json(&self) -> Json {
        let row = |cells: &Vec<Cell>| {
            let entries = self.columns.iter().zip(cells).map(|(column, cell)| (key(column), cell.json()));
            Json::Object(entries.collect::<Map<_, _>>())
        };
        json!({ "title": self.title, "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }
}

/// A column's name as JSON has it: `time (ms)` is `time_ms`, `GFLOP/s` is `gflop_s`.
fn key(column: &str) -> String {
    let words = column.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

/// Prints the tables, and writes them to `json` too, if that is given.
///
/// # Errors
/// As [`write_atomically`].
pub fn publish(mode: &str, machine: &Machine, tables: &[Table], json: Option<&Path>) -> anyhow::Result<()> {
    tables.iter().for_each(Table::print);
    if let Some(path) = json {
        let tables: Vec<_> = tables.iter().map(Table::json).collect();
        let all = json!({ "mode": mode, "machine": machine.json(), "tables": tables });
        write_atomically(path, |writer| Ok(serde_json::to_writer_pretty(writer, &all)?))?;
        say(format_args!("\nWrote {}", path.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        let shown = [0.0, 0.001_234, 0.0999, 1.0, 9.876, 98.76, 987.6, 9876.5, -1.5].map(significant);
        assert_eq!(shown, ["0.00", "0.00123", "0.0999", "1.00", "9.88", "98.8", "988", "9876", "-1.50"]);
    }

    #[test]
    fn keys_are_words() {
        assert_eq!(["time (ms)", "GFLOP/s", "share of bound (%)"].map(key), ["time_ms", "gflop_s", "share_of_bound"]);
    }
}
