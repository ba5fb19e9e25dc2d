//! What a campaign found, as text and as JSON.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, fs};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::campaign::Outcome;
use crate::known::{Kind, Known};
use crate::mutant::{Body, Mutant};

/// The part of the mutants that tests must notice.
const GOAL: f64 = 0.95;

/// A mutant, and what became of it.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    mutant: Mutant,
    #[serde(flatten)]
    outcome: Outcome,
    known: Option<Kind>,
}

/// How many mutants ended how.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    mutants: usize,
    invalid: usize,
    equivalent: usize,
    noticed: usize,
    survived: usize,
}

/// What a campaign found.
#[derive(Debug, Serialize)]
pub struct Report {
    total: Counts,
    share: f64,
    stale: Vec<String>,
    mutants: Vec<Row>,
}

impl Row {
    /// Whether it survived, and is listed as this or not at all.
    fn survived(&self, known: Option<Kind>) -> bool {
        self.outcome == Outcome::Survived && self.known == known
    }
}

impl Counts {
    fn add(&mut self, row: &Row) {
        self.mutants += 1;
        match &row.outcome {
            Outcome::Invalid { .. } => self.invalid += 1,
            Outcome::Noticed { .. } => self.noticed += 1,
            Outcome::Survived if row.known == Some(Kind::Equivalent) => self.equivalent += 1,
            Outcome::Survived => self.survived += 1,
        }
    }

    /// The noticed part of what could be noticed.
    fn share(&self) -> f64 {
        let all = self.noticed + self.survived;
        if all == 0 { 1.0 } else { self.noticed as f64 / all as f64 }
    }
}

impl Report {
    /// Of mutants and what became of each. A listed change is stale if a test notices it or, where
    /// `complete` says that all mutants of its file were there, if there is none.
    pub fn new(mutants: Vec<Mutant>, outcomes: Vec<Outcome>, known: &Known, complete: impl Fn(&str) -> bool) -> Self {
        let changes = known.changes();
        let kind = |mutant: &Mutant| changes.iter().find(|change| change.is(mutant)).map(|change| change.kind);
        let row = |(mutant, outcome)| Row { known: kind(&mutant), mutant, outcome };
        let mutants: Vec<Row> = mutants.into_iter().zip(outcomes).map(row).collect();
        let mut stale = Vec::new();
        for change in &changes {
            let rows: Vec<_> = mutants.iter().filter(|row| change.is(&row.mutant)).collect();
            let what = match rows[..] {
                [] if complete(&change.file) => "is no mutant any more",
                [_, ..] if rows.iter().all(|row| row.outcome != Outcome::Survived) => "is noticed",
                _ => continue,
            };
            stale.push(format!("{}: {} -> {} {what}", change.file, change.before, shown(&change.after)));
        }
        let mut total = Counts::default();
        mutants.iter().for_each(|row| total.add(row));
        Self { share: total.share(), total, stale, mutants }
    }

    /// Whether enough mutants were noticed.
    pub fn passes(&self) -> bool {
        self.share >= GOAL
    }

    fn counts<K: Ord>(&self, key: impl Fn(&Row) -> K) -> BTreeMap<K, Counts> {
        let mut counts = BTreeMap::<K, Counts>::new();
        self.mutants.iter().for_each(|row| counts.entry(key(row)).or_default().add(row));
        counts
    }
}

/// What survived in an earlier report.
#[derive(Debug, Deserialize)]
pub struct Survivors {
    mutants: Vec<Survivor>,
}

#[derive(Debug, Deserialize)]
struct Survivor {
    file: String,
    before: String,
    after: String,
    outcome: String,
}

impl Survivors {
    /// Those of a report in a file.
    ///
    /// # Errors
    /// Where there is no report.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    }

    /// Whether a mutant is among them.
    pub fn have(&self, mutant: &Mutant) -> bool {
        self.mutants.iter().any(|survivor| {
            survivor.outcome == "survived"
                && survivor.file == mutant.file
                && survivor.before == mutant.before
                && survivor.after == mutant.after
        })
    }
}

fn shown(line: &str) -> &str {
    if line.is_empty() { "(nothing)" } else { line }
}

fn name(body: Body) -> &'static str {
    match body {
        Body::Wgsl => "shaders",
        Body::Cpu => "CPU bodies",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<54}{:>8}{:>8}{:>11}{:>8}{:>9}{:>10}",
            "", "mutants", "invalid", "equivalent", "noticed", "survived", "noticed"
        )?;
        let mut row = |what: &str, counts: &Counts| {
            let Counts { mutants, invalid, equivalent, noticed, survived } = counts;
            writeln!(
                f,
                "{what:<54}{mutants:>8}{invalid:>8}{equivalent:>11}{noticed:>8}{survived:>9}{:>8.1} %",
                100.0 * counts.share()
            )
        };
        let files = self.counts(|row| row.mutant.file.clone());
        files.iter().try_for_each(|(file, counts)| row(file, counts))?;
        self.counts(|row| row.mutant.body).iter().try_for_each(|(body, counts)| row(name(*body), counts))?;
        row("all", &self.total)?;
        for (title, known) in
            [("survived", None), ("survived, since these devices do not show it", Some(Kind::Unobservable))]
        {
            let mut survivors = self.mutants.iter().filter(|row| row.survived(known)).peekable();
            if survivors.peek().is_some() {
                write!(f, "\n{title}:")?;
            }
            for Row { mutant, .. } in survivors {
                write!(f, "\n{}:{}\n  - {}\n  + {}", mutant.file, mutant.line, mutant.before, shown(&mutant.after))?;
            }
        }
        self.stale.iter().try_for_each(|stale| write!(f, "\nstale: {stale}"))
    }
}
