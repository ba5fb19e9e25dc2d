//! Sizes and defaults that go together.

use clap::ValueEnum;
use dit::{Config, FlowPath, Variant};
use flow::TimeSampling;

/// What multiplies t before its features are taken: see [`Config::time_scale`].
const TIME_SCALE: f32 = 1000.0;

/// Times for digits: more of the middle of the way, and still enough of its ends (docs/recipe.md).
const MIDDLE: TimeSampling = TimeSampling::LogitNormal { mean: 0.0, deviation: 1.5 };

/// A named set of sizes and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// 0.3 M parameters, patch 4: to try things out
    Tiny,
    /// 1.3 M parameters, patch 4: good digits on a CPU
    Small,
    /// 7.4 M parameters, patch 2: for a GPU
    Base,
    /// 4.2 M parameters, patch 4: colour images of 32 pixels a side, on a CPU with some patience
    #[value(alias = "color")]
    Colour,
}

/// The defaults of a preset, besides the model's sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defaults {
    /// Images a step.
    pub batch: usize,
    /// The learning rate after warm-up.
    pub rate: f64,
    /// Steps of warm-up.
    pub warmup: u32,
    /// The decay of the moving average.
    pub average_decay: f64,
    /// Passes over the images.
    pub epochs: f64,
    /// How times are drawn.
    pub times: TimeSampling,
}

impl Preset {
    /// The preset for a kind of device: see [`runtime::Device::is_large_gpu`].
    pub fn for_device(large_gpu: bool) -> Self {
        if large_gpu { Self::Base } else { Self::Small }
    }

    /// Pixels along each side of a patch, where that divides the side of the images.
    pub fn patch(self) -> usize {
        match self {
            Self::Base => 2,
            Self::Tiny | Self::Small | Self::Colour => 4,
        }
    }

    /// Whether the preset's patch or a larger one divides the side of images, and is not all of an image for want of others.
    pub fn divides(self, side: usize) -> bool {
        self.patch_of(side) < side || side == self.patch()
    }

    fn patch_of(self, side: usize) -> usize {
        (self.patch()..side).find(|patch| side.is_multiple_of(*patch)).unwrap_or(side)
    }

    /// The model for images of a shape. Where the preset's patch does not divide the side, the next
    /// larger one that does, which may be all of an image: see [`Preset::divides`].
    pub fn config(self, side: usize, channels: usize, classes: usize) -> Config {
        let (width, depth, heads) = match self {
            Self::Tiny => (64, 3, 2),
            Self::Small => (128, 4, 4),
            Self::Base => (256, 6, 8),
            Self::Colour => (192, 6, 6),
        };
        Config {
            side,
            channels,
            patch: self.patch_of(side),
            width,
            depth,
            heads,
            classes,
            time_scale: TIME_SCALE,
            path: FlowPath::CondOt,
            variant: Variant::DIT,
        }
    }

    /// What goes with the sizes.
    pub fn defaults(self) -> Defaults {
        match self {
            Self::Tiny => {
                Defaults { batch: 64, rate: 4e-3, warmup: 100, average_decay: 0.995, epochs: 2.0, times: MIDDLE }
            }
            Self::Small => {
                Defaults { batch: 64, rate: 4e-3, warmup: 200, average_decay: 0.999, epochs: 8.0, times: MIDDLE }
            }
            Self::Base => {
                Defaults { batch: 128, rate: 5e-4, warmup: 500, average_decay: 0.9995, epochs: 30.0, times: MIDDLE }
            }
            Self::Colour => Defaults {
                batch: 64,
                rate: 7e-4,
                warmup: 200,
                average_decay: 0.999,
                epochs: 10.0,
                times: TimeSampling::Uniform,
            },
        }
    }
}
