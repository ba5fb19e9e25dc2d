//! The sizes of the programs' presets, with MNIST's images: what the kernels are there for.

use dit::Config;
use programs::Preset;

const PRESETS: [Preset; 3] = [Preset::Tiny, Preset::Small, Preset::Base];

/// The presets' models, smallest first.
pub(super) fn presets() -> [Config; 3] {
    PRESETS.map(|preset| preset.config(28, 1, 10))
}

/// The presets' batches.
pub(super) fn batches() -> [usize; 3] {
    PRESETS.map(|preset| preset.defaults().batch)
}

/// Items that stand for a batch where all of them would take long.
pub(super) const FEW: usize = 2;
