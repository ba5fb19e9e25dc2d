//! What was asked for: by flags, and by the picture that --like names.

use std::ffi::OsString;

use anyhow::{Context, anyhow};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

use crate::args::Args;
use crate::note::{Note, Shows};
use crate::settings::Settings;

/// Flags, and what follows from them before the weights are known.
#[derive(Clone, Debug)]
pub struct Request {
    /// All flags, with those that --like stands for.
    pub args: Args,
    /// What of them shapes the picture.
    pub settings: Settings,
    /// A panel each; at least one.
    pub variants: Vec<Variant>,
    /// The note in the picture that --like names.
    pub like: Option<Note>,
}

/// One way to draw the images.
#[derive(Clone, Debug)]
pub struct Variant {
    /// What sets it apart, where there are several.
    pub title: Option<String>,
    /// The flags, where a value that is compared is in its place.
    pub args: Args,
    /// The guidance scale, of those in the flags.
    pub guidance: f32,
}

impl Request {
    /// Reads a command line, with the program's name in front.
    ///
    /// # Errors
    /// [`clap::Error`] for flags that cannot be meant, and for what is no failure, such as --help; others for
    /// a picture without a note.
    pub fn read(mut words: Vec<OsString>) -> anyhow::Result<Self> {
        let command = Args::command();
        let mut matches = command.clone().try_get_matches_from(&words)?;
        let path = Args::from_arg_matches(&matches)?.like;
        let mut like = None;
        if let Some(path) = path {
            let note = Note::read(&path).context("--like")?;
            let settings = note.settings.not_given(&command, &matches).beside(&command, &words);
            words.splice(1..1, settings.flags());
            matches = command.clone().try_get_matches_from(&words).map_err(|error| {
                let said = error.to_string();
                let reason = said.lines().next().unwrap_or_default().trim_start_matches("error: ");
                anyhow!("--like: the settings in {} cannot be used: {reason}", path.display())
            })?;
            like = Some(note);
        }
        let (args, settings) = (Args::from_arg_matches(&matches)?, Settings::of(&command, &matches));
        if like.as_ref().is_some_and(|note| note.shows == Shows::Trajectory) && args.trajectory.is_none() {
            return Err(usage(
                "--like: that picture shows the way to its images; give --trajectory too, with a file for the new one",
            ));
        }
        let variants = variants(&args, &settings)?;
        Ok(Self { args, settings, variants, like })
    }
}

fn variants(args: &Args, settings: &Settings) -> anyhow::Result<Vec<Variant>> {
    let scales = args.guidance.len();
    let Some(comparison) = &args.compare else {
        if args.trajectory.is_some() && scales > 1 {
            return Err(usage("--trajectory shows one way; give one scale of --guidance"));
        }
        let variant = |&guidance| {
            let title = (scales > 1).then(|| format!("guidance {guidance}"));
            Variant { title, args: args.clone(), guidance }
        };
        return Ok(args.guidance.iter().map(variant).collect());
    };
    if comparison.flag != "guidance" && scales > 1 {
        return Err(usage("--compare makes the panels; give one scale of --guidance"));
    }
    let base = settings.without("compare").without(comparison.flag);
    let variant = |value: &String| {
        let command = Args::command();
        let mut words = vec![OsString::from("sampler"), format!("--{}={value}", comparison.flag).into()];
        words.extend(base.beside(&command, &words).flags());
        let args = Args::from_arg_matches(&command.try_get_matches_from(words)?)?;
        let guidance = args.guidance[0];
        Ok(Variant { title: Some(format!("{} {value}", comparison.flag)), args, guidance })
    };
    comparison.values.iter().map(variant).collect()
}

/// A complaint about flags that cannot be meant, which is shown and ends the program as clap's own do.
pub fn usage(complaint: &str) -> anyhow::Error {
    Args::command().error(ErrorKind::ValueValidation, complaint).into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(flags: &str) -> anyhow::Result<Request> {
        Request::read(["sampler"].into_iter().chain(flags.split_whitespace()).map(OsString::from).collect())
    }

    fn titles(flags: &str) -> Vec<Option<String>> {
        read(flags).unwrap().variants.into_iter().map(|variant| variant.title).collect()
    }

    #[test]
    fn scales_and_compared_values_are_variants() {
        assert_eq!(titles(""), [None]);
        assert_eq!(titles("--guidance 1,2.5"), [Some("guidance 1".into()), Some("guidance 2.5".into())]);
        assert_eq!(titles("--compare guidance=-1,3"), [Some("guidance -1".into()), Some("guidance 3".into())]);
        let steps = read("--compare steps=5,10 --seed 4 --prompt 7").unwrap().variants;
        assert_eq!(steps.iter().map(|variant| variant.args.flow.steps).collect::<Vec<_>>(), [5, 10]);
        assert!(steps.iter().all(|variant| variant.args.seed == 4));
        let forms = read("--compare sde=sigma,linear --sde-norm 2 --sde sbdm").unwrap().variants;
        assert!(forms.iter().all(|variant| variant.args.flow.sde.is_some() && variant.args.flow.sde_norm == 2.0));
        let scales = read("--compare guidance=1,2 --guidance 7").unwrap().variants;
        assert_eq!(scales.iter().map(|variant| variant.guidance).collect::<Vec<_>>(), [1.0, 2.0]);
    }

    #[test]
    fn what_cannot_be_compared_is_a_matter_of_usage() {
        for flags in [
            "--compare steps=5,0",
            "--compare solver=euler,x",
            "--compare steps=5,6 --guidance 1,2",
            "--trajectory a.gif --guidance 1,2",
        ] {
            let error = read(flags).unwrap_err().downcast::<clap::Error>().unwrap();
            assert_eq!(error.exit_code(), 2, "{flags}");
        }
    }
}
