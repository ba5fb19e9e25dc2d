//! The flags that say which way leads from noise to an image.

use clap::Args;
use clap::builder::RangedU64ValueParser;
use flow::{Adaptive, Diffusion, LastStep, SampleOptions, Sde, SdeSolver, Solver};

use crate::{Interval, counted};

/// The guidance scale with which images are drawn unless told otherwise. Like the defaults of [`FlowArgs`] it is what
/// docs/recipe.md found: the most like real digits, by all figures together, and in the fewest steps that cost nothing.
pub const GUIDANCE: f32 = 1.7;

/// The way from noise to image.
#[derive(Clone, Debug, Args)]
pub struct FlowArgs {
    /// The part of the way on which to insist, such as 0.1..0.9: noise is at 0, the image at 1
    ///
    /// Outside of it the model draws as it learned, which keeps images more varied and takes half the
    /// time (Kynkäänniemi et al., arXiv 2404.07724). 0..1 is all of the way.
    #[arg(long, value_name = "FROM..TO", default_value = "0.1..0.9")]
    pub guidance_interval: Interval,

    /// How far to bring the contrast that guidance adds back to the model's own, from 0 to 1; 0.7 is usual
    ///
    /// The standard deviation of each image's velocity goes back to that of the class's (Lin et al., arXiv 2305.08891).
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share, allow_negative_numbers = true)]
    pub guidance_rescale: f32,

    /// CFG-Zero*: fit v_null to v_class before guiding, and leave out this first part of the steps [without =: 0.04]
    ///
    /// Both are for guidance alone (Fan et al., arXiv 2503.18886).
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "0.04", value_parser = part)]
    pub cfg_zero_star: Option<f32>,

    /// How a step is taken: euler, midpoint, heun, rk4 or dopri5
    ///
    /// The first four look at the image once, twice, twice and four times a step, and are of order 1, 2, 2 and 4: the
    /// higher the order, the less a step is off. dopri5 is of order 5, looks six times, and chooses its steps by
    /// --rtol and --atol in place of --steps.
    #[arg(long, value_name = "SOLVER", default_value_t)]
    pub solver: Solver,

    /// Steps from noise to image; fewer are faster and coarser
    #[arg(long, value_name = "N", default_value = "30", value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub steps: usize,

    /// How step lengths are distributed: 1 is even, above 1 shorter near the noise, below 1 shorter near the image
    ///
    /// A shift s moves the noise level x to s x / (1 + (s - 1) x), as Stable Diffusion 3 does (arXiv 2403.03206).
    #[arg(long, value_name = "SHIFT", default_value = "0.4", value_parser = positive, allow_negative_numbers = true)]
    pub time_shift: f32,

    /// The error that a step of dopri5 may make, as a part of a value
    #[arg(long, value_name = "ERROR", default_value_t = Adaptive::default().relative, value_parser = tolerance, allow_negative_numbers = true)]
    pub rtol: f32,

    /// The error that a step of dopri5 may make, whatever the value
    #[arg(long, value_name = "ERROR", default_value_t = Adaptive::default().absolute, value_parser = tolerance, allow_negative_numbers = true)]
    pub atol: f32,

    /// Add fresh noise at every step: constant, sbdm, sigma, linear, decreasing or increasing-decreasing
    ///
    /// The forms of SiT's diffusion (arXiv 2401.08740), which set how much noise is added at each time. The images
    /// differ from those without noise. It needs more steps than the solvers without noise: try --steps 250.
    #[arg(long, value_name = "FORM", conflicts_with = "solver")]
    pub sde: Option<Diffusion>,

    /// How much noise --sde adds, as a factor
    #[arg(long, value_name = "NORM", default_value_t = Sde::default().norm, requires = "sde", value_parser = norm, allow_negative_numbers = true)]
    pub sde_norm: f32,

    /// How a step of --sde is taken: euler, which looks once, or heun, which looks twice
    #[arg(long, value_name = "SOLVER", default_value_t, requires = "sde")]
    pub sde_solver: SdeSolver,

    /// The last step of --sde, which adds no noise: mean, tweedie, euler or none
    #[arg(long, value_name = "STEP", default_value_t, requires = "sde")]
    pub last_step: LastStep,

    /// The length of the last step of --sde
    #[arg(long, value_name = "LENGTH", default_value_t = Sde::default().last_size, requires = "sde", value_parser = last, allow_negative_numbers = true)]
    pub last_step_size: f32,
}

impl FlowArgs {
    /// The steps in words, such as `50 heun steps`.
    pub fn describe(&self) -> String {
        match (self.sde, self.solver) {
            (Some(form), _) => counted(self.steps, &format!("{form} SDE step")),
            (None, Solver::DormandPrince5) => "dopri5".into(),
            (None, Solver::Euler) => counted(self.steps, "step"),
            (None, solver) => counted(self.steps, &format!("{solver} step")),
        }
    }

    /// What these flags mean for a guidance scale, a seed and a batch.
    pub fn options(&self, guidance: f32, seed: u64, batch: usize) -> SampleOptions {
        SampleOptions {
            solver: self.solver,
            steps: self.steps,
            time_shift: self.time_shift,
            adaptive: Adaptive { relative: self.rtol, absolute: self.atol, ..Adaptive::default() },
            sde: self.sde.map(|diffusion| Sde {
                diffusion,
                norm: self.sde_norm,
                solver: self.sde_solver,
                last: self.last_step,
                last_size: self.last_step_size,
            }),
            guidance,
            guided: self.guidance_interval.times(),
            guidance_rescale: self.guidance_rescale,
            cfg_zero_star: self.cfg_zero_star,
            seed,
            batch,
        }
    }
}

/// A shift beyond which all but the last steps would stand still at an end.
const MOST_SHIFT: f32 = 1000.0;
/// f32 is no more exact than this.
const LEAST_ERROR: f32 = 1e-6;

fn positive(text: &str) -> Result<f32, String> {
    number(text, |value| (1.0 / MOST_SHIFT..=MOST_SHIFT).contains(&value), "from 0.001 to 1000")
}

fn tolerance(text: &str) -> Result<f32, String> {
    number(text, |value| (LEAST_ERROR..=1.0).contains(&value), "from 1e-6, below which 32 bits are too coarse, to 1")
}

fn share(text: &str) -> Result<f32, String> {
    number(text, |value| (0.0..=1.0).contains(&value), "from 0 to 1")
}

fn part(text: &str) -> Result<f32, String> {
    number(text, |value| (0.0..=0.5).contains(&value), "from 0 to 0.5")
}

fn last(text: &str) -> Result<f32, String> {
    number(text, |value| (0.001..=0.5).contains(&value), "from 0.001 to 0.5")
}

fn norm(text: &str) -> Result<f32, String> {
    number(text, |value| (0.0..=100.0).contains(&value), "from 0 to 100")
}

fn number(text: &str, fits: impl FnOnce(f32) -> bool, which: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|value| fits(*value));
    value.ok_or_else(|| format!("`{text}` is no number {which}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        flow: FlowArgs,
    }

    fn parsed(flags: &str) -> Result<FlowArgs, String> {
        let flags = std::iter::once("program").chain(flags.split_whitespace());
        Program::try_parse_from(flags).map(|program| program.flow).map_err(|error| error.to_string())
    }

    #[test]
    fn without_flags_images_are_drawn_as_was_found_best() {
        let options = parsed("").unwrap().options(GUIDANCE, 7, 5);
        let found =
            SampleOptions { steps: 30, time_shift: 0.4, guided: 0.1..0.9, guidance: GUIDANCE, ..Default::default() };
        assert_eq!(options, SampleOptions { seed: 7, batch: 5, ..found });
    }

    #[test]
    fn flags_mean_what_they_say() {
        let flags = "--guidance-rescale 0.7 --cfg-zero-star --solver dopri5 --rtol 1e-4 --atol 2e-5 --time-shift 3";
        let options = parsed(flags).unwrap().options(2.0, 0, 1);
        assert_eq!((options.guidance_rescale, options.cfg_zero_star, options.time_shift), (0.7, Some(0.04), 3.0));
        assert_eq!((options.solver, options.sde), (Solver::DormandPrince5, None));
        assert_eq!(options.adaptive, Adaptive { relative: 1e-4, absolute: 2e-5, ..Adaptive::default() });
        let flags =
            "--cfg-zero-star=0.1 --sde linear --sde-norm 2 --sde-solver heun --last-step tweedie --last-step-size 0.1";
        let options = parsed(flags).unwrap().options(2.0, 0, 1);
        let sde = Sde {
            diffusion: Diffusion::Linear,
            norm: 2.0,
            solver: SdeSolver::Heun,
            last: LastStep::Tweedie,
            last_size: 0.1,
        };
        assert_eq!((options.sde, options.cfg_zero_star), (Some(sde), Some(0.1)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (flags, said) in [
            ("--sde sigma --solver heun", "cannot be used with"),
            ("--sde-norm 2", "--sde <FORM>"),
            ("--last-step mean", "--sde <FORM>"),
            ("--sde sigmoid", "increasing-decreasing"),
            ("--time-shift 0", "from 0.001 to 1000"),
            ("--time-shift nan", "`nan`"),
            ("--rtol 1e-9", "32 bits"),
            ("--guidance-rescale 1.5", "from 0 to 1"),
            ("--cfg-zero-star=0.9", "from 0 to 0.5"),
            ("--sde sigma --last-step-size 0", "from 0.001 to 0.5"),
            ("--solver rk5", "dopri5"),
            ("--steps 0", "1..=10000"),
        ] {
            let complaint = parsed(flags).unwrap_err();
            assert!(complaint.contains(said), "{flags}: `{said}` is not in: {complaint}");
        }
    }

    #[test]
    fn steps_are_described() {
        for (flags, wanted) in [
            ("", "30 steps"),
            ("--steps 1 --solver heun", "1 heun step"),
            ("--solver dopri5", "dopri5"),
            ("--sde sigma --steps 250", "250 sigma SDE steps"),
        ] {
            assert_eq!(parsed(flags).unwrap().describe(), wanted);
        }
    }
}
