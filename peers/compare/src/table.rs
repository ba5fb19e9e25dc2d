//! What all took, side by side.

use std::collections::BTreeMap;
use std::fmt;

use measure::{Operation, Report, median};
use serde_json::{Value as Json, json};

/// The rounds of all contenders; ours is the first.
#[derive(Debug, Default)]
pub struct Table {
    contenders: Vec<Contender>,
    skipped: Vec<String>,
}

#[derive(Debug)]
struct Contender {
    name: String,
    title: String,
    adapter: String,
    rounds: BTreeMap<Operation, Vec<f64>>,
}

impl Table {
    /// Adds a round of a contender.
    pub fn add(&mut self, name: &str, reports: Vec<Report>) {
        for report in reports {
            let contender = self.contender(name, &report);
            contender.rounds.entry(report.what).or_default().push(report.ms);
        }
    }

    /// Notes that a contender was left out, and why.
    pub fn skip(&mut self, name: &str, error: &anyhow::Error) {
        self.skipped.push(format!("{name} was left out: {error:#}."));
    }

    fn contender(&mut self, name: &str, report: &Report) -> &mut Contender {
        let index = self.contenders.iter().position(|known| known.name == name).unwrap_or_else(|| {
            // A variant is told by what follows the comma: "PyTorch 2.0, compiled".
            let variant = name.split_once(',').map_or("", |(_, variant)| variant);
            let title = if variant.is_empty() { report.peer.clone() } else { format!("{},{variant}", report.peer) };
            let adapter = report.adapter.clone();
            self.contenders.push(Contender { name: name.into(), title, adapter, rounds: BTreeMap::new() });
            self.contenders.len() - 1
        });
        &mut self.contenders[index]
    }

    /// How many times as long as ours a contender takes.
    fn ratio(&self, contender: &Contender, what: Operation) -> Option<f64> {
        let ours = self.contenders.iter().find(|contender| contender.name == "ours")?;
        Some(median(contender.rounds.get(&what)?) / median(ours.rounds.get(&what)?))
    }

    fn measured(&self) -> impl Iterator<Item = Operation> {
        let any = |what: &Operation| self.contenders.iter().any(|contender| contender.rounds.contains_key(what));
        Operation::ALL.into_iter().filter(any)
    }

    /// All of it.
    pub fn json(&self) -> Json {
        let row = |contender: &Contender, what: Operation, rounds: &Vec<f64>| {
            let ratio = self.ratio(contender, what);
            json!({ "what": what, "shape": what.shape(), "ms": median(rounds), "rounds": rounds, "ratio": ratio })
        };
        let contender = |contender: &Contender| {
            let rows: Vec<_> = contender.rounds.iter().map(|(what, rounds)| row(contender, *what, rounds)).collect();
            json!({ "peer": contender.title, "adapter": contender.adapter, "rows": rows })
        };
        json!({ "contenders": self.contenders.iter().map(contender).collect::<Vec<_>>(), "skipped": self.skipped })
    }
}

impl fmt::Display for Table {
    /// Markdown: who ran where, and a row for each operation.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for contender in &self.contenders {
            writeln!(f, "- {}: {}", contender.title, contender.adapter)?;
        }
        self.skipped.iter().try_for_each(|reason| writeln!(f, "- {reason}"))?;
        write!(f, "\nMilliseconds: the median of the rounds [the least – the most] and how many times ours.\n\n")?;
        let titles = self.contenders.iter().map(|contender| contender.title.as_str());
        line(f, ["operation", "size"].into_iter().chain(titles).map(String::from))?;
        line(f, (0..2 + self.contenders.len()).map(|_| "---".into()))?;
        for what in self.measured() {
            let cells = self.contenders.iter().map(|contender| self.cell(contender, what));
            line(f, [what.title().into(), what.shape()].into_iter().chain(cells))?;
        }
        Ok(())
    }
}

impl Table {
    fn cell(&self, contender: &Contender, what: Operation) -> String {
        let Some(rounds) = contender.rounds.get(&what) else { return "–".into() };
        let [least, most] = [f64::min, f64::max].map(|choose| rounds.iter().copied().fold(f64::NAN, choose));
        let times = format!("{} [{} – {}]", significant(median(rounds)), significant(least), significant(most));
        match self.ratio(contender, what) {
            Some(ratio) if contender.name != "ours" => format!("{times} ×{}", significant(ratio)),
            _ => times,
        }
    }
}

fn line(f: &mut fmt::Formatter, cells: impl Iterator<Item = String>) -> fmt::Result {
    writeln!(f, "| {} |", cells.collect::<Vec<_>>().join(" | "))
}

/// Three significant digits, and all of those before the point.
fn significant(value: f64) -> String {
    let whole = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    format!("{value:.*}", (2 - whole).clamp(0, 9) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_stand_beside_ours() {
        let report = |peer, ms| vec![Report::new(peer, "somewhere", Operation::Step, vec![ms])];
        let mut table = Table::default();
        for (ours, peer) in [(2.0, 5.0), (1.0, 4.0), (3.0, 9.0)] {
            table.add("ours", report("ours 1", ours));
            table.add("PyTorch, compiled", report("PyTorch 2", peer));
        }
        table.skip("burn", &anyhow::anyhow!("it is not there"));
        let text = table.to_string();
        assert!(text.contains("| ours 1 | PyTorch 2, compiled |"), "{text}");
        assert!(text.contains("| 2.00 [1.00 – 3.00] | 5.00 [4.00 – 9.00] ×2.50 |"), "{text}");
        assert!(text.contains("burn was left out: it is not there."), "{text}");
        assert_eq!(table.json()["contenders"][1]["rows"][0]["ratio"], 2.5);
    }
}
