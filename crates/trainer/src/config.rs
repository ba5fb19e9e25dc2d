//! Configuration files: TOML whose keys are the flags that make a run, without the dashes in front. Flags win.
//!
//! A file is read as the flags that it stands for, so that both have the same names, ranges and explanations.

use std::any::TypeId;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow, bail, ensure};
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches, Id, Parser};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::arguments::Arguments;
use crate::folder;
use crate::settings::Settings;

/// The structures in [`Arguments`] whose flags are no settings of a run.
const OTHERS: [&str; 4] = ["RunArgs", "DeviceArgs", "TraceArgs", "ManualArgs"];
/// The one flag in them that is: it changes what is computed.
const PRECISION: &str = "precision";

/// The command line, and beneath it the file of `--config` or that of the run to resume. Leaves the program, as clap
/// does, where the command line is none.
pub fn arguments() -> anyhow::Result<Arguments> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let command = Arguments::command();
    let matches = command.clone().get_matches_from(&typed);
    let arguments = Arguments::from_arg_matches(&matches)?;
    let path = match (&arguments.run.config, &arguments.run.resume) {
        (Some(path), _) => path.clone(),
        (None, Some(root)) => root.join(folder::CONFIG),
        (None, None) => return Ok(arguments),
    };
    // A run whose configuration is gone can go on without it.
    if arguments.run.config.is_none() && !path.is_file() {
        return Ok(arguments);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let beneath = entries(&command, &text, &path)?;
    let beneath = beneath.iter().filter(|entry| !entry.is_overridden(&command, &matches));
    let (program, flags) = typed.split_at(1);
    let all = program.iter().cloned().chain(beneath.map(|entry| entry.flag().into())).chain(flags.iter().cloned());
    Ok(Arguments::parse_from(all))
}

/// A file for `--config` that repeats a run: its settings, how often it writes what, and what each key is.
pub fn text(settings: &Settings, arguments: &Arguments) -> String {
    let command = Arguments::command();
    let cadence = [
        ("checkpoint-every", arguments.output.checkpoint_every),
        ("sample-every", arguments.output.sample_every),
        ("log-every", arguments.output.log_every),
    ];
    let set: Vec<(&str, String)> =
        settings.keys().into_iter().chain(cadence.map(|(key, steps)| (key, steps.to_string()))).collect();
    let entry = |arg: &Arg| {
        let key = arg.get_long().unwrap_or_default();
        let line = match set.iter().find(|(name, _)| *name == key) {
            Some((_, value)) => format!("{key} = {value}"),
            None => format!("# {key} = {}", arg.get_value_names().map_or("", |names| names[0].as_str())),
        };
        format!("\n# {}\n{line}\n", help(arg))
    };
    let entries: String = keys(&command).into_iter().map(entry).collect();
    format!("# Settings of a run, for `trainer --config FILE`; flags win over them.\n{entries}")
}

/// What a key is, in one line.
pub fn explanation(key: &str) -> String {
    keys(&Arguments::command()).into_iter().find(|arg| arg.get_long() == Some(key)).map(help).unwrap_or_default()
}

fn help(arg: &Arg) -> String {
    let help = arg.get_help().map(StyledStr::to_string).unwrap_or_default().replace('`', "");
    help.split(" [default").next().unwrap_or_default().to_owned()
}

/// The flags that are keys: all but those of [`OTHERS`], of which clap makes groups, and [`PRECISION`].
fn keys(command: &Command) -> Vec<&Arg> {
    let others = members(command, &OTHERS);
    let is_key = |arg: &&Arg| !others.contains(&arg.get_id()) || arg.get_long() == Some(PRECISION);
    command.get_arguments().filter(is_key).collect()
}

/// The flags of some structures in [`Arguments`].
fn members<'a>(command: &'a Command, structures: &[&str]) -> Vec<&'a Id> {
    let groups = command.get_groups().filter(|group| structures.contains(&group.get_id().as_str()));
    groups.flat_map(|group| group.get_args()).collect()
}

/// A key and its value.
struct Entry<'a> {
    arg: &'a Arg,
    value: String,
}

impl Entry<'_> {
    /// The flag that says the same.
    fn flag(&self) -> String {
        format!("--{}={}", self.arg.get_long().unwrap_or_default(), self.value)
    }

    /// Whether the command line says so itself, or something in its place: what excludes it, or a preset for a size.
    fn is_overridden(&self, command: &Command, matches: &ArgMatches) -> bool {
        let typed = |arg: &Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        let is_size = members(command, &["ModelArgs"]).contains(&self.arg.get_id());
        let replaces = |other: &Arg| exclude(command, self.arg, other) || is_size && other.get_long() == Some("preset");
        typed(self.arg) || keys(command).into_iter().any(|other| typed(other) && replaces(other))
    }
}

/// Whether one of two flags excludes the other.
fn exclude(command: &Command, one: &Arg, other: &Arg) -> bool {
    command.get_arg_conflicts_with(one).contains(&other) || command.get_arg_conflicts_with(other).contains(&one)
}

/// Reads and checks a file.
fn entries<'a>(command: &'a Command, text: &str, path: &Path) -> anyhow::Result<Vec<Entry<'a>>> {
    let name = path.display();
    let line = |place: usize| text[..place].matches('\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let place = error.span().map_or(0, |span| span.start);
        anyhow!("{name}, line {}: this is no TOML ({}); correct it", line(place), error.message().replace('\n', ", "))
    })?;
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for (key, value) in table.get_ref() {
        let at = || format!("{name}, line {}", line(key.span().start));
        let arg = known(command, key.get_ref()).with_context(at)?;
        let value = checked(command, arg, value).with_context(at)?;
        if let Some(other) = entries.iter().find(|other| exclude(command, arg, other.arg)) {
            let other = other.arg.get_long().unwrap_or_default();
            bail!("{}: `{}` and `{other}` exclude each other; leave one of them out", at(), key.get_ref());
        }
        entries.push(Entry { arg, value });
    }
    Ok(entries)
}

/// The flag that a key stands for.
fn known<'a>(command: &'a Command, key: &str) -> anyhow::Result<&'a Arg> {
    let keys = keys(command);
    let long = |arg: &Arg| arg.get_long().unwrap_or_default().to_owned();
    if let Some(arg) = keys.iter().find(|arg| long(arg) == key) {
        return Ok(arg);
    }
    ensure!(
        !command.get_arguments().any(|arg| long(arg) == key),
        "`{key}` is no setting of a run; give it as a flag, --{key}"
    );
    let nearest = keys.iter().map(|arg| long(arg)).min_by_key(|known| strsim::damerau_levenshtein(known, key));
    bail!("there is no key `{key}`; the nearest is `{}`", nearest.unwrap_or_default())
}

/// A value as its flag takes it.
fn checked(command: &Command, arg: &Arg, value: &Spanned<DeValue<'_>>) -> anyhow::Result<String> {
    let key = arg.get_long().unwrap_or_default();
    let kind = arg.get_value_parser().type_id();
    let whole = [TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>()].iter().any(|id| kind == *id);
    let truth = kind == TypeId::of::<bool>();
    let fraction = [TypeId::of::<f32>(), TypeId::of::<f64>()].iter().any(|id| kind == *id);
    let text = match value.get_ref() {
        DeValue::Integer(number) if whole || fraction => {
            i128::from_str_radix(number.as_str(), number.radix()).context("this number is too large")?.to_string()
        }
        DeValue::Float(number) if fraction => number.as_str().to_owned(),
        DeValue::Boolean(answer) if truth => answer.to_string(),
        DeValue::String(text) if !whole && !fraction && !truth => text.clone().into_owned(),
        other => {
            let wanted = match (whole, fraction, truth) {
                (true, ..) => "a whole number",
                (_, true, _) => "a number",
                (.., true) => "true or false",
                _ => "a string",
            };
            bail!("`{key}` is to be {wanted}, not of type {}; write it so", other.type_str())
        }
    };
    let flag = format!("--{key}={text}");
    if let Err(error) = command.clone().try_get_matches_from(["trainer", &flag]) {
        bail!("`{key}` cannot be {text}; {}", reason(&error));
    }
    Ok(text)
}

/// What clap found wrong with a value.
fn reason(error: &clap::Error) -> String {
    match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => source.to_string(),
        (None, Some(ContextValue::Strings(values))) => format!("give one of {}", values.join(", ")),
        _ => error.kind().to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What a file says, as flags, or the complaint about it.
    fn read(text: &str) -> Result<Vec<String>, String> {
        let command = Arguments::command();
        let entries = entries(&command, text, Path::new("my.toml")).map_err(|error| format!("{error:#}"))?;
        let mut flags: Vec<_> = entries.iter().map(Entry::flag).collect();
        flags.sort();
        Ok(flags)
    }

    #[test]
    fn keys_are_flags() {
        let text = "# mine\nsteps = 1_000\nlr = 1e-3\nema = 0\n'preset' = \"tiny\"\ndata = 'a b'\nseed = 0xff\n";
        let flags = ["--data=a b", "--ema=0", "--lr=1e-3", "--preset=tiny", "--seed=255", "--steps=1000"];
        assert_eq!(read(text).unwrap(), flags);
        assert_eq!(read("seed = 18446744073709551615").unwrap(), ["--seed=18446744073709551615"]);
        assert!(read("").unwrap().is_empty());
        let text = "data = 'mnist'\nimage-size = 32\nimage-channels = 'colour'\nskip-unreadable = true\nheld-out = 0";
        let flags =
            ["--data=mnist", "--held-out=0", "--image-channels=colour", "--image-size=32", "--skip-unreadable=true"];
        assert_eq!(read(text).unwrap(), flags);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, said) in [
            ("steps = 5\nbacth = 4\n", "my.toml, line 2: there is no key `bacth`; the nearest is `batch`"),
            (
                "checkpoint_every = 4",
                "my.toml, line 1: there is no key `checkpoint_every`; the nearest is `checkpoint-every`",
            ),
            ("[training]\nsteps = 4", "my.toml, line 1: there is no key `training`; the nearest is `"),
            ("out = 'runs/x'", "my.toml, line 1: `out` is no setting of a run; give it as a flag, --out"),
            ("device = 'cpu'", "my.toml, line 1: `device` is no setting of a run; give it as a flag, --device"),
            ("\n\nbatch = \"64\"", "my.toml, line 3: `batch` is to be a whole number, not of type string; write it so"),
            ("batch = 64.0", "my.toml, line 1: `batch` is to be a whole number, not of type float; write it so"),
            ("lr = true", "my.toml, line 1: `lr` is to be a number, not of type boolean; write it so"),
            ("preset = 3", "my.toml, line 1: `preset` is to be a string, not of type integer; write it so"),
            (
                "skip-unreadable = 1",
                "my.toml, line 1: `skip-unreadable` is to be true or false, not of type integer; write it so",
            ),
            ("lr = -1", "my.toml, line 1: `lr` cannot be -1; give a number above 0"),
            ("lr = nan", "my.toml, line 1: `lr` cannot be nan; give a number above 0"),
            ("ema = 1", "my.toml, line 1: `ema` cannot be 1; give a number from 0 to below 1"),
            ("log-every = 65", "my.toml, line 1: `log-every` cannot be 65; 65 is not in 1..=64"),
            ("time-scale = 0", "my.toml, line 1: `time-scale` cannot be 0; give a number above 0"),
            ("preset = 'huge'", "my.toml, line 1: `preset` cannot be huge; give one of tiny, small, base, colour"),
            ("steps = 4\nepochs = 2", " exclude each other; leave one of them out"),
            ("steps = 4\nsteps = 5", "my.toml, line 2: this is no TOML (duplicate key); correct it"),
            ("steps = \nlr = 1", "my.toml, line 1: this is no TOML ("),
        ] {
            let got = read(text).unwrap_err();
            assert!(got.contains(said), "{text:?}: {got}");
            assert!(!got.contains('\n'), "{text:?}: {got}");
        }
    }

    #[test]
    fn every_setting_is_explained() {
        let command = Arguments::command();
        let keys = keys(&command);
        let names: Vec<_> = keys.iter().filter_map(|arg| arg.get_long()).collect();
        assert!(
            ["preset", "patch", "steps", "data", "log-every", PRECISION].iter().all(|key| names.contains(key)),
            "{names:?}"
        );
        for other in OTHERS.into_iter().chain(["ModelArgs"]) {
            assert!(command.get_groups().any(|group| group.get_id() == other), "{other} is no group any more");
        }
        for arg in keys {
            assert!(!help(arg).is_empty() && !help(arg).contains('\n'), "{arg:?}");
        }
    }
}
