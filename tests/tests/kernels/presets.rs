//! The sizes of the trainer's presets, with MNIST's images: what the kernels are there for.

use dit::{Config, FlowPath, Variant};

/// The presets' models, smallest first.
pub(super) fn presets() -> [Config; 3] {
    [(4, 64, 3, 2), (4, 128, 4, 4), (2, 256, 6, 8)].map(|(patch, width, depth, heads)| Config {
        side: 28,
        channels: 1,
        patch,
        width,
        depth,
        heads,
        classes: 10,
        time_scale: 1000.0,
        path: FlowPath::CondOt,
        variant: Variant::DIT,
    })
}

/// The presets' batches.
pub(super) const BATCHES: [usize; 3] = [64, 64, 128];

/// Items that stand for a batch where all of them would take long.
pub(super) const FEW: usize = 2;

/// The presets are the programs', whose source is all that can be asked here.
#[test]
fn presets_are_the_trainers() {
    let source = include_str!("../../../crates/programs/src/presets.rs");
    // However its lines are broken.
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ").replace("=> { Defaults", "=> Defaults");
    for ((name, config), batch) in ["Tiny", "Small", "Base"].into_iter().zip(presets()).zip(BATCHES) {
        let Config { patch, width, depth, heads, time_scale, .. } = config;
        for text in [
            format!("Self::{name} => ({patch}, {width}, {depth}, {heads})"),
            format!("Self::{name} => Defaults {{ batch: {batch},"),
            format!("TIME_SCALE: f32 = {time_scale:.1}"),
        ] {
            assert!(source.contains(&text), "the trainer's presets no longer say `{text}`");
        }
    }
}
