//! Weights that other libraries' own classes saved, and what these classes make of them
//! (goldens/interchange.py). A threshold is as in make.py.

use dit::{Config, FlowPath, Imported, Layout, Names, Unsaid, Variant, Weights};
use tests::harness::on_each_device;

use crate::golden::Golden;
use crate::velocity;

/// A file of weights as a library saved it, and points with its velocities.
struct Case {
    weights: &'static [u8],
    points: &'static [u8],
    unsaid: Unsaid<'static>,
    layout: Layout,
    config: Config,
}

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../goldens/interchange/", $name))
    };
}

macro_rules! text {
    ($name:literal) => {
        include_str!(concat!("../../goldens/interchange/", $name))
    };
}

fn cases() -> [Case; 4] {
    let dit = Config {
        side: 6,
        channels: 3,
        patch: 2,
        width: 24,
        depth: 2,
        heads: 3,
        classes: 5,
        time_scale: 1000.0,
        path: FlowPath::CondOt,
        variant: Variant::DIT,
    };
    let sit =
        Config { side: 9, channels: 1, patch: 3, width: 20, depth: 3, heads: 1, classes: 1, time_scale: 1.0, ..dit };
    let diffusers =
        Config { side: 10, channels: 2, width: 16, heads: 2, classes: 4, variant: Variant::DIFFUSERS, ..dit };
    let epsilon = Config {
        side: 3,
        patch: 1,
        width: 12,
        depth: 1,
        heads: 3,
        classes: 2,
        variant: Variant { mlp_epsilon: 0.25, ..Variant::DIFFUSERS },
        ..sit
    };
    let unsaid = |scale| Unsaid { time_scale: Some(scale), ..Unsaid::default() };
    [
        Case {
            weights: file!("dit.safetensors"),
            points: file!("dit.points.safetensors"),
            unsaid: Unsaid { heads: Some(3), ..unsaid(1000.0) },
            layout: Layout { names: Names::Dit, learn_sigma: true },
            config: dit,
        },
        Case {
            weights: file!("sit.safetensors"),
            points: file!("sit.points.safetensors"),
            // This file has no positions.
            unsaid: Unsaid { heads: Some(1), side: Some(9), ..unsaid(1.0) },
            layout: Layout { names: Names::Dit, learn_sigma: false },
            config: sit,
        },
        Case {
            weights: file!("diffusers/diffusion_pytorch_model.safetensors"),
            points: file!("diffusers.points.safetensors"),
            unsaid: Unsaid { config_json: Some(text!("diffusers/config.json")), ..unsaid(1000.0) },
            layout: Layout { names: Names::Diffusers, learn_sigma: true },
            config: diffusers,
        },
        Case {
            weights: file!("diffusers-epsilon/diffusion_pytorch_model.safetensors"),
            points: file!("diffusers-epsilon.points.safetensors"),
            unsaid: Unsaid { config_json: Some(text!("diffusers-epsilon/config.json")), ..unsaid(1.0) },
            layout: Layout { names: Names::Diffusers, learn_sigma: false },
            config: epsilon,
        },
    ]
}

impl Case {
    fn import(&self) -> Imported {
        Weights::import(self.weights, "the golden", &self.unsaid).unwrap()
    }
}

#[test]
fn velocities_are_those_of_the_libraries_classes() {
    for case in cases() {
        let imported = case.import();
        assert_eq!((imported.layout, imported.weights.config), (case.layout, case.config));
        let golden = Golden::new(case.points);
        let (x, t, y) = (golden.read("x"), golden.read("t"), golden.integers("y"));
        on_each_device(|bench| {
            let velocity = velocity(bench, &imported.weights, &x, &t, &y);
            golden.expect("v", &bench.device, &velocity);
        });
    }
}

/// Each of the variants makes a difference that the thresholds see.
#[test]
fn the_other_variant_gives_other_velocities() {
    let [dit, _, diffusers, epsilon] = cases();
    let variants = [
        (dit, Variant { frequency_steps: 127, ..Variant::DIT }),
        (diffusers, Variant { frequency_steps: 128, ..Variant::DIFFUSERS }),
        (epsilon, Variant::DIFFUSERS),
    ];
    for (case, variant) in variants {
        let mut weights = case.import().weights;
        weights.config.variant = variant;
        let golden = Golden::new(case.points);
        let (x, t, y) = (golden.read("x"), golden.read("t"), golden.integers("y"));
        on_each_device(|bench| {
            let velocity = velocity(bench, &weights, &x, &t, &y);
            let differences = velocity.iter().zip(golden.read("v")).map(|(got, want)| (got - want).abs());
            let (worst, threshold) = (differences.fold(0.0, f32::max), golden.number("threshold/v"));
            assert!(worst > 10.0 * threshold, "{variant:?}: {worst:e} is hardly more than {threshold:e}");
        });
    }
}

/// What a library saved comes back as it was, tensor by tensor; only a variance becomes zero.
#[test]
fn what_is_written_back_is_what_the_library_saved() {
    for case in cases() {
        let weights = case.import().weights;
        let written = weights.export(case.layout).unwrap();
        let [written, saved] = [written.tensors.as_slice(), case.weights]
            .map(|bytes| safetensors::SafeTensors::deserialize(bytes).unwrap());
        for (name, view) in saved.iter() {
            let same = written.tensor(name).unwrap();
            assert_eq!(same.shape(), view.shape(), "{name}");
            let last = name.starts_with("final_layer.linear.") || name.starts_with("proj_out_2.");
            if !(case.layout.learn_sigma && last) {
                assert!(same.data() == view.data(), "{name} has changed");
            }
        }
        let more: Vec<_> = written.names().into_iter().filter(|name| saved.tensor(name).is_err()).collect();
        assert!(more.iter().all(|name| *name == "pos_embed"), "{more:?} are more than the library saved");
    }
}
