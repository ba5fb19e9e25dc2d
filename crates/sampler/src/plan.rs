//! What is to be drawn.

use std::borrow::Cow;
use std::fmt;

use dit::{Config, Dit, Weights};
use flow::noise;
use programs::counted;
use runtime::Stream;

use crate::args::Args;
use crate::interpolate::{Interpolation, noises_between, with_classes_between};
use crate::output::{is_gif, is_png};
use crate::request::{Request, Variant};

/// The images that every panel has, and the panels.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The sizes of the model, and with them of an image.
    pub config: Config,
    /// The label of every image of a panel, row by row. Those in between two classes are numbered from the
    /// last class on; see [`Plan::weights`].
    pub labels: Vec<u32>,
    /// Images in a row.
    pub columns: usize,
    /// How each panel is drawn.
    pub variants: Vec<Variant>,
    /// Whether the images stand edge to edge, as the digits of a number do.
    pub joined: bool,
    /// What lies between two ends, if that is asked for.
    pub interpolation: Option<Interpolation>,
    /// What the images are, in words.
    what: String,
    /// How they are drawn, in words.
    how: String,
}

/// The most images of a run; they are all held in memory.
const MOST_IMAGES: usize = 100_000;
/// The most images whose way is shown.
const MOST_WAYS: usize = 100;
/// The digits that are drawn by default, where the weights have so many.
const DIGITS: usize = 10;
/// Images of a digit, and on the way from one to another, unless told otherwise.
const COUNT: usize = 10;
/// The rows on the way from one digit to another, unless told otherwise.
const ROWS: usize = 4;

impl Plan {
    /// What was asked for, from a model; after a check of what no flag shows by itself.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn new(request: &Request, config: &Config) -> Result<Self, String> {
        let Request { args, variants, .. } = request;
        let digits = match &args.digits {
            Some(digits) => digits.to_vec(),
            None => (0..config.classes.min(DIGITS) as u32).collect(),
        };
        known("--digits", &digits, config)?;
        let count = args.count.unwrap_or(if args.trajectory.is_some() { 1 } else { COUNT });
        let (mut joined, mut labels) = (false, Vec::new());
        let (columns, what);
        match (&args.interpolate, &args.prompt, args.grid) {
            (Some(interpolation), ..) => {
                columns = args.grid.map_or(args.count.unwrap_or(COUNT), |grid| grid.columns);
                if columns < 2 {
                    return Err(
                        "--interpolate goes from one image to another; ask for at least 2 of them in a row".into()
                    );
                }
                match interpolation {
                    Interpolation::Digits(from, to) => {
                        known("--interpolate", &[*from, *to], config)?;
                        if args.digits.is_some() {
                            return Err(
                                "--interpolate names its digits itself; leave --digits out, or interpolate seeds=1..2"
                                    .into(),
                            );
                        }
                        let stages = config.classes as u32..(config.classes + columns) as u32;
                        let rows = args.grid.map_or(ROWS, |grid| grid.rows);
                        enough(rows.saturating_mul(columns), variants.len())?;
                        labels.extend((0..rows).flat_map(|_| stages.clone()));
                    }
                    Interpolation::Seeds(..) => {
                        let rows = args.grid.map_or(digits.len(), |grid| grid.rows);
                        enough(rows.saturating_mul(columns), variants.len())?;
                        labels.extend(
                            digits.iter().cycle().take(rows).flat_map(|&digit| std::iter::repeat_n(digit, columns)),
                        );
                    }
                }
                what = format!("{interpolation} in {columns}");
            }
            (_, Some(prompt), _) => {
                let row = prompt.digits();
                known("--prompt", &row, config)?;
                let rows = args.count.unwrap_or(1);
                enough(rows.saturating_mul(row.len()), variants.len())?;
                (columns, joined, labels) = (row.len(), true, row.repeat(rows));
                what = format!("the number {prompt}");
            }
            (.., Some(grid)) => {
                enough(grid.rows.saturating_mul(grid.columns), variants.len())?;
                labels.extend(digits.iter().cycle().take(grid.rows * grid.columns));
                (columns, what) = (grid.columns, format!("{} × {}", grid.rows, grid.columns));
            }
            _ => {
                enough(digits.len().saturating_mul(count), variants.len())?;
                labels.extend(digits.iter().flat_map(|&digit| std::iter::repeat_n(digit, count)));
                // Where each digit is there once, a row of them is easier to look at than a column.
                columns = if count == 1 && args.trajectory.is_some() { digits.len().min(DIGITS / 2) } else { count };
                what = format!("{} × {count}", counted(digits.len(), "digit"));
            }
        }
        if is_gif(&args.out) && (args.interpolate.is_none() || variants.len() > 1) {
            return Err("--out: only --interpolate, in one panel, and --trajectory make animations; give a name that ends in .png".into());
        }
        if !is_gif(&args.out) && !is_png(&args.out) {
            return Err(format!(
                "--out: the picture is a PNG file, and {} does not end in .png; give a name that does",
                args.out.display()
            ));
        }
        if args.trajectory.is_some() && labels.len() > MOST_WAYS {
            return Err(format!(
                "--trajectory shows the way of up to {MOST_WAYS} images, not of {}; lower --count or --grid, or name fewer --digits",
                labels.len()
            ));
        }
        let how = how(args);
        Ok(Self {
            config: *config,
            labels,
            columns,
            variants: variants.clone(),
            joined,
            interpolation: args.interpolate.clone(),
            what,
            how,
        })
    }

    /// All images of all panels.
    pub fn images(&self) -> usize {
        self.variants.len() * self.labels.len()
    }

    /// Panels of grey, in the place of those that are still to be drawn.
    pub fn blank(&self) -> Vec<Vec<f32>> {
        vec![vec![0.0; self.labels.len() * self.config.image_size()]; self.variants.len()]
    }

    /// The weights that know the labels: those of the model, with the classes in between if there are any.
    pub fn weights<'a>(&self, weights: &'a Weights) -> Cow<'a, Weights> {
        match self.interpolation {
            Some(Interpolation::Digits(from, to)) => Cow::Owned(with_classes_between(weights, from, to, self.columns)),
            _ => Cow::Borrowed(weights),
        }
    }

    /// What the images of a panel begin as, (N, C, S, S), where it is not simply the noise of their numbers.
    ///
    /// # Errors
    /// What the device reports.
    pub fn mixed_noise(&self, stream: &mut Stream, model: &Dit, seed: u64) -> runtime::Result<Option<Vec<f32>>> {
        let rows = self.labels.len() / self.columns;
        let size = self.config.image_size();
        match self.interpolation {
            None => Ok(None),
            Some(Interpolation::Digits(..)) => {
                let noise = noise(stream, model, seed, rows)?;
                Ok(Some(noise.chunks(size).flat_map(|row| row.repeat(self.columns)).collect()))
            }
            Some(Interpolation::Seeds(from, to)) => {
                let (from, to) = (noise(stream, model, from, rows)?, noise(stream, model, to, rows)?);
                let ends = from.chunks(size).zip(to.chunks(size));
                Ok(Some(ends.flat_map(|(from, to)| noises_between(from, to, self.columns)).collect()))
            }
        }
    }
}

fn known(flag: &str, digits: &[u32], config: &Config) -> Result<(), String> {
    match digits.iter().find(|&&digit| digit as usize >= config.classes) {
        Some(wrong) => {
            let last = config.classes - 1;
            Err(format!("{flag}: {wrong} is no digit of 0-{last}, the classes of these weights"))
        }
        None => Ok(()),
    }
}

fn enough(images: usize, panels: usize) -> Result<(), String> {
    let images = images.saturating_mul(panels);
    if images <= MOST_IMAGES {
        return Ok(());
    }
    Err(format!(
        "{images} images are more than {MOST_IMAGES} in one run; lower --count or --grid, and draw the rest with another --seed"
    ))
}

/// Guidance and steps, without the one that is compared.
fn how(args: &Args) -> String {
    let compared = args.compare.as_ref().map_or("", |comparison| comparison.flag);
    let mut flow = args.flow.clone();
    if matches!(compared, "solver" | "sde") {
        (flow.solver, flow.sde) = Default::default();
    }
    let settings = [
        (compared != "guidance").then(|| format!("guidance {}", args.guidance)),
        (compared != "steps").then(|| flow.describe()),
        args.compare.as_ref().map(ToString::to_string),
    ];
    settings.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}; {}", counted(self.images(), "image"), self.what, self.how)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::ffi::OsString;

    use dit::FlowPath;

    use super::*;

    const CONFIG: Config = Config {
        side: 4,
        channels: 3,
        patch: 2,
        width: 8,
        depth: 1,
        heads: 2,
        classes: 10,
        time_scale: 1.0,
        path: FlowPath::CondOt,
        variant: dit::Variant::DIT,
    };

    fn plan_of(flags: &str, classes: usize) -> Result<Plan, String> {
        let words = ["sampler"].into_iter().chain(flags.split_whitespace()).map(OsString::from);
        Plan::new(&Request::read(words.collect()).unwrap(), &Config { classes, ..CONFIG })
    }

    fn plan(flags: &str) -> Plan {
        plan_of(flags, 10).unwrap()
    }

    #[test]
    fn labels_go_row_by_row() {
        let rows = plan("--digits 3,1 --count 2 --guidance 1,3,5");
        assert_eq!((rows.labels.as_slice(), rows.columns, rows.images()), (&[3, 3, 1, 1][..], 2, 12));
        assert_eq!(rows.blank(), vec![vec![0.0; 4 * 3 * 4 * 4]; 3]);
        let grid = plan("--digits 0-2 --grid 2x4");
        assert_eq!((grid.labels.as_slice(), grid.columns), (&[0, 1, 2, 0, 1, 2, 0, 1][..], 4));
        let number = plan("--prompt 707 --count 2");
        assert_eq!((number.labels.as_slice(), number.columns), (&[7, 0, 7, 7, 0, 7][..], 3));
        let seeds = plan("--digits 4,2 --interpolate seeds=1..2 --count 3");
        assert_eq!((seeds.labels.as_slice(), seeds.columns), (&[4, 4, 4, 2, 2, 2][..], 3));
        let between = plan("--interpolate 3..8 --grid 2x3");
        assert_eq!((between.labels.as_slice(), between.columns), (&[10, 11, 12, 10, 11, 12][..], 3));
        assert_eq!((plan("").labels.len(), plan("").columns), (100, 10));
        let ways = plan("--trajectory a.gif");
        assert_eq!((ways.labels.len(), ways.columns), (10, 5));
    }

    #[test]
    fn a_plan_reads_well() {
        let cases = [
            ("--digits 3,1 --count 4 --guidance 1,3.5", "16 images, 2 digits × 4; guidance 1,3.5, 30 steps"),
            ("--digits 3 --count 1 --steps 1 --solver heun", "1 image, 1 digit × 1; guidance 1.7, 1 heun step"),
            ("--prompt 2026 --compare steps=5,10", "8 images, the number 2026; guidance 1.7, steps 5,10"),
            (
                "--grid 2x3 --compare solver=euler,rk4 --solver heun",
                "12 images, 2 × 3; guidance 1.7, 30 steps, solver euler,rk4",
            ),
            ("--interpolate 3..8", "40 images, from 3 to 8 in 10; guidance 1.7, 30 steps"),
            ("--interpolate seeds=1..2", "100 images, from seed 1 to 2 in 10; guidance 1.7, 30 steps"),
        ];
        for (flags, words) in cases {
            assert_eq!(plan(flags).to_string(), words);
        }
    }

    #[test]
    fn digits_are_classes_of_the_weights() {
        assert_eq!(plan_of("--digits 12 --count 1", 13).unwrap().labels, [12]);
        assert_eq!(
            plan_of("--digits 7,12", 10).unwrap_err(),
            "--digits: 12 is no digit of 0-9, the classes of these weights"
        );
        assert!(plan_of("--prompt 14", 3).unwrap_err().starts_with("--prompt: 4 is no digit of 0-2"));
        assert!(plan_of("--interpolate 1..3", 3).unwrap_err().starts_with("--interpolate: 3 is no digit of 0-2"));
        assert_eq!(plan_of("--count 1", 3).unwrap().labels, [0, 1, 2]);
        assert_eq!(plan_of("--count 1", 1000).unwrap().labels, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn there_is_an_end_to_how_many() {
        assert!(plan_of("--count 10000", 10).is_ok());
        for flags in [
            "--count 10000 --guidance 1,3",
            "--grid 10000x20",
            "--interpolate 1..2 --grid 20x10000",
            "--prompt 11 --count 10000 --compare seed=1,2,3,4,5,6,7,8,9,10",
        ] {
            let complaint = plan_of(flags, 10).unwrap_err();
            assert!(complaint.starts_with("200000 images"), "{complaint}");
        }
        assert!(plan_of("--trajectory a.gif --count 11", 10).unwrap_err().contains("not of 110"));
    }

    #[test]
    fn an_interpolation_has_two_ends_and_no_digits_besides() {
        assert!(plan_of("--interpolate 1..2 --count 1", 10).unwrap_err().contains("at least 2"));
        assert!(plan_of("--interpolate 1..2 --digits 3", 10).unwrap_err().contains("--digits"));
    }

    #[test]
    fn a_picture_is_called_one() {
        for name in ["a.png", "a.b.PNG", "a/b.png"] {
            assert!(plan_of(&format!("--out {name}"), 10).is_ok(), "{name}");
        }
        for name in ["a", "a.jpg", ".png", "png", "a.png/b"] {
            assert!(plan_of(&format!("--out {name}"), 10).unwrap_err().contains("does not end in .png"), "{name}");
        }
    }
}
