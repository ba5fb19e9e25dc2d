//! The training step. Meganeura draws no random numbers, so that the host has drawn noise, times and labels of a batch
//! before; it hands them to the device in each step.

use anyhow::{Result, ensure};
use measure::Work;
use measure::reference::numbers;
use measure::sizes::{BATCH, CLASSES, PARAMETERS, PATCH_SIZE, ROWS, TIME_FEATURES, adamw};
use meganeura::{Mode, Session};

use crate::device::{Device, session};
use crate::model::Model;

/// What a step is given.
struct Inputs {
    patches: Vec<f32>,
    target: Vec<f32>,
    features: Vec<f32>,
    labels: Vec<u32>,
}

/// Takes so many training steps, and waits for each, as a trainer that looks at its loss does.
///
/// # Errors
/// When the model has other parameters than ours, or does not learn.
pub fn work(device: &Device) -> Result<Work> {
    let model = Model::new();
    let parameters: usize = model.initial.iter().map(|(_, values)| values.len()).sum();
    ensure!(parameters == PARAMETERS, "{parameters} parameters, not {PARAMETERS}");
    let mut session = session(&model.graph, Mode::Training, device);
    for (name, values) in &model.initial {
        session.set_parameter(name, values);
    }
    session.set_adam(adamw::RATE as f32, adamw::BETA_1, adamw::BETA_2, adamw::EPSILON);
    session.set_weight_decay(adamw::WEIGHT_DECAY);

    let inputs = Inputs::new();
    step(&mut session, &inputs);
    let before = session.read_loss();
    (0..3).for_each(|_| step(&mut session, &inputs));
    let after = session.read_loss();
    ensure!(after < before, "meganeura does not learn: its loss went from {before} to {after}");
    Ok(Box::new(move |steps| {
        (0..steps).for_each(|_| step(&mut session, &inputs));
        Ok(())
    }))
}

fn step(session: &mut Session, inputs: &Inputs) {
    session.set_input("patches", &inputs.patches);
    session.set_input("target", &inputs.target);
    session.set_input("features", &inputs.features);
    session.set_input_u32("labels", &inputs.labels);
    session.step();
    session.wait();
}

impl Inputs {
    fn new() -> Self {
        let [images, noise] = [1, 2].map(|seed| numbers(ROWS * PATCH_SIZE, seed));
        let time = |index: usize| (index / PATCH_SIZE % BATCH) as f32 / BATCH as f32;
        let point = |(index, (image, noise)): (usize, (&f32, &f32))| time(index) * image + (1.0 - time(index)) * noise;
        Self {
            patches: images.iter().zip(&noise).enumerate().map(point).collect(),
            target: images.iter().zip(&noise).map(|(image, noise)| image - noise).collect(),
            features: (0..BATCH).flat_map(|image| features(image as f32 / BATCH as f32)).collect(),
            labels: (0..BATCH as u32).map(|image| image % (CLASSES as u32 + 1)).collect(),
        }
    }
}

/// Cosines and sines of a time.
fn features(time: f32) -> Vec<f32> {
    let half = TIME_FEATURES / 2;
    let angle = |index: usize| time * 10_000_f32.powf(-(index as f32) / half as f32);
    (0..half).map(|index| angle(index).cos()).chain((0..half).map(|index| angle(index).sin())).collect()
}
