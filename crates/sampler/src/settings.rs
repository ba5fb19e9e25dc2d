//! The flags that shape a picture, as text: what a picture's note holds, and what is given again.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args as _, Command};
use programs::{DeviceArgs, ManualArgs, TraceArgs};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The flags by their names without dashes. Each has its value as text, or `true` where it takes none; those
/// that were not given have their defaults, which a later version may have changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings(BTreeMap<String, Value>);

/// The flags that name files, or say what happens besides the picture.
const NOT_OF_THE_PICTURE: [&str; 7] = ["weights", "out", "save_tensor", "folder", "no_show", "like", "trajectory"];
/// The one flag of a device that shapes a picture more than roundings do.
const PRECISION: &str = "precision";

impl Settings {
    /// What was given to a command, and the defaults that may be given beside it.
    pub fn of(command: &Command, matches: &ArgMatches) -> Self {
        let shared = ManualArgs::augment_args(TraceArgs::augment_args(DeviceArgs::augment_args(Command::new(""))));
        let of_the_picture = |arg: &&Arg| {
            let id = arg.get_id().as_str();
            let is_shared = shared.get_arguments().any(|arg| arg.get_id() == id);
            id == PRECISION || !is_shared && !NOT_OF_THE_PICTURE.contains(&id)
        };
        let [mut given, mut defaults] = [(); 2].map(|()| Self(BTreeMap::new()));
        for arg in command.get_arguments().filter(of_the_picture) {
            let id = arg.get_id().as_str();
            let (Some(name), Some(source)) = (arg.get_long(), matches.value_source(id)) else { continue };
            let value = if arg.get_action().takes_values() {
                let words = matches.get_raw(id).into_iter().flatten().map(|word| word.to_string_lossy());
                Value::String(words.collect::<Vec<_>>().join(","))
            } else if matches.get_flag(id) {
                Value::Bool(true)
            } else {
                continue;
            };
            let settings = if source == ValueSource::CommandLine { &mut given } else { &mut defaults };
            settings.0.insert(name.to_owned(), value);
        }
        let words: Vec<_> = [OsString::from("sampler")].into_iter().chain(given.flags()).collect();
        given.0.extend(defaults.beside(command, &words).0);
        given
    }

    /// Those that may be given beside the words of a command: that contradict none, and need none that is not there.
    pub fn beside(&self, command: &Command, words: &[OsString]) -> Self {
        let (mut fitting, mut rest) = (Self(BTreeMap::new()), self.0.clone());
        loop {
            let before = rest.len();
            // One that needs another fits after that one.
            rest.retain(|name, value| {
                let mut more = fitting.clone();
                more.0.insert(name.clone(), value.clone());
                let fits = !contradicts(command, words.iter().cloned().chain(more.flags()));
                if fits {
                    fitting = more;
                }
                !fits
            });
            if rest.len() == before {
                return fitting;
            }
        }
    }

    /// The same without those that were given to a command.
    pub fn not_given(&self, command: &Command, matches: &ArgMatches) -> Self {
        let given = |name: &str| {
            let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name));
            arg.is_some_and(|arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine))
        };
        Self(
            self.0.iter().filter(|(name, _)| !given(name)).map(|(name, value)| (name.clone(), value.clone())).collect(),
        )
    }

    /// The same without a flag.
    pub fn without(&self, flag: &str) -> Self {
        let mut settings = self.clone();
        settings.0.remove(flag);
        settings
    }

    /// As they are given to a command.
    pub fn flags(&self) -> Vec<OsString> {
        let flag = |(name, value): (&String, &Value)| match value {
            Value::Bool(true) => format!("--{name}"),
            Value::String(value) => format!("--{name}={value}"),
            other => format!("--{name}={other}"),
        };
        self.0.iter().map(|setting| flag(setting).into()).collect()
    }
}

/// Whether flags are wrong together, rather than one of them by itself.
fn contradicts(command: &Command, words: impl Iterator<Item = OsString>) -> bool {
    let kind = command.clone().try_get_matches_from(words).err().map(|error| error.kind());
    matches!(kind, Some(ErrorKind::ArgumentConflict | ErrorKind::MissingRequiredArgument))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    fn matches(flags: &str) -> (Command, ArgMatches) {
        let command = Args::command();
        let words = ["sampler"].into_iter().chain(flags.split_whitespace());
        let matches = command.clone().try_get_matches_from(words).unwrap();
        (command, matches)
    }

    fn settings(flags: &str) -> Settings {
        let (command, matches) = matches(flags);
        Settings::of(&command, &matches)
    }

    #[test]
    fn files_and_devices_are_no_settings_but_precision_is() {
        let plain = settings("");
        assert_eq!(settings("--weights a --out b.png --device cpu --trace c --no-show --like d"), plain);
        let names: Vec<_> = plain.0.keys().map(String::as_str).collect();
        for name in ["guidance", "guidance-interval", "precision", "scale", "seed", "solver", "steps"] {
            assert!(names.contains(&name), "no {name} in {names:?}");
        }
        for name in ["out", "weights", "device", "trace", "trace-kernels", "count", "man"] {
            assert!(!names.contains(&name), "{name} in {names:?}");
        }
        assert_ne!(settings("--precision half"), plain);
    }

    #[test]
    fn settings_given_again_are_the_same() {
        for flags in [
            "",
            "--digits 3,1-4 --guidance=-1,3 --count 2 --seed 7",
            "--prompt 2026",
            "--interpolate seeds=1..2",
            "--sde linear --last-step mean",
            "--solver dopri5 --cfg-zero-star",
        ] {
            let once = settings(flags);
            let again = once.flags().iter().map(|flag| flag.to_str().unwrap()).collect::<Vec<_>>().join(" ");
            assert_eq!(settings(&again), once, "{again}");
        }
    }

    #[test]
    fn what_is_given_wins_and_takes_away_what_contradicts_it() {
        let recorded = settings("--prompt 2026 --seed 7 --steps 5");
        let left = |flags: &str| {
            let (command, matches) = matches(flags);
            let words: Vec<_> = ["sampler"].into_iter().chain(flags.split_whitespace()).map(OsString::from).collect();
            recorded
                .not_given(&command, &matches)
                .beside(&command, &words)
                .flags()
                .iter()
                .map(|flag| flag.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let has = |flags: &str, flag: &str| left(flags).contains(&flag.to_owned());
        assert!(has("", "--prompt=2026") && has("", "--seed=7") && has("", "--steps=5"));
        assert!(has("--seed 8", "--prompt=2026") && !has("--seed 8", "--seed=7"));
        // Conflicts are declared on one of the two flags only.
        assert!(!has("--digits 3", "--prompt=2026") && !has("--grid 2x2", "--prompt=2026"));
        assert!(has("--digits 3", "--seed=7"));
        assert!(has("", "--solver=euler") && !has("--sde sigma", "--solver=euler"));
        let stochastic = settings("--sde sigma --sde-norm 2");
        let (command, matches) = matches("--solver heun");
        let words = ["sampler", "--solver", "heun"].map(OsString::from);
        let left = stochastic.not_given(&command, &matches).beside(&command, &words);
        assert!(!left.0.contains_key("sde") && left.0.contains_key("steps"));
        assert!(!contradicts(&command, words.iter().cloned().chain(left.flags())));
    }
}
