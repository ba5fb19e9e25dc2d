//! Training on the device: the loss falls, a run repeats itself, and restored state goes on as if
//! nothing had happened.

use autograd::AdamWOptions;
use dit::{Config, Dit, FlowPath, Variant};
use flow::{Images, SampleOptions, TimeSampling, TrainOptions, Training, sample};
use runtime::Stream;
use tests::harness::on_each_device;

const CONFIG: Config = Config {
    side: 8,
    channels: 1,
    patch: 4,
    width: 32,
    depth: 2,
    heads: 2,
    classes: 2,
    time_scale: 1000.0,
    path: FlowPath::CondOt,
    variant: Variant::DIT,
};
const OPTIONS: TrainOptions = TrainOptions {
    batch: 16,
    seed: 5,
    label_dropout: 0.1,
    times: TimeSampling::Uniform,
    adamw: AdamWOptions {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
        max_norm: 1.0,
        average_decay: 0.9,
    },
};

/// Two classes anyone can tell apart: bright on the left, bright on the right.
fn images(stream: &mut Stream) -> Images {
    let labels: Vec<u8> = (0..33).map(|i| i % 2).collect();
    let pixel = |label: u8, column: usize| if (column < 4) == (label == 0) { 230 } else { 20 };
    let bytes: Vec<u8> = labels.iter().flat_map(|label| (0..64).map(move |i| pixel(*label, i % 8))).collect();
    Images::upload(stream, &bytes, &labels).unwrap()
}

pub(crate) fn start(stream: &mut Stream) -> Training {
    let images = images(stream);
    let model = Dit::new(stream, CONFIG, 3).unwrap();
    Training::new(stream, model, images, OPTIONS).unwrap()
}

pub(crate) fn run(stream: &mut Stream, training: &mut Training, steps: usize) -> Vec<f32> {
    let mut losses = Vec::new();
    for _ in 0..steps {
        training.step(stream, 5e-3).unwrap();
        if training.log_is_full() {
            losses.extend(training.read_log(stream).unwrap().iter().map(|record| record.loss));
        }
    }
    losses.extend(training.read_log(stream).unwrap().iter().map(|record| record.loss));
    losses
}

pub(crate) fn state(stream: &mut Stream, training: &Training) -> Vec<Vec<u32>> {
    let optimizer = &training.optimizer;
    [training.model.parameters().arena(), &optimizer.average, &optimizer.first, &optimizer.second]
        .map(|arena| stream.read(arena).unwrap())
        .to_vec()
}

#[test]
fn the_loss_falls_and_samples_are_of_their_class() {
    on_each_device(|bench| {
        let mut training = start(&mut bench.stream);
        let losses = run(&mut bench.stream, &mut training, 500);
        let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
        let (first, last) = (mean(&losses[..10]), mean(&losses[490..]));
        assert!(
            (1.3..2.0).contains(&first),
            "an untrained network has the variance of the velocity as its loss, not {first}"
        );
        assert!(last < 0.35 * first, "{}: the loss went from {first} to {last}", bench.device);
        let options = SampleOptions { steps: 20, guidance: 2.0, seed: 1, batch: 3, ..SampleOptions::default() };
        let labels = [0, 1, 0, 1, 1];
        let drawn = sample(&mut bench.stream, &training.averaged_model(), &labels, &options, |_| {}).unwrap();
        for (label, image) in labels.iter().zip(drawn.chunks_exact(64)) {
            let side = |left: bool| (0..64).filter(|i| (i % 8 < 4) == left).map(|i| image[i]).sum::<f32>() / 32.0;
            let (bright, dark) = (side(*label == 0), side(*label != 0));
            assert!(bright > 0.5 && dark < -0.5, "{}: class {label} drew {bright} beside {dark}", bench.device);
        }
    });
}

#[test]
fn the_same_seed_is_the_same_run_and_restored_state_goes_on_bit_for_bit() {
    on_each_device(|bench| {
        let stream = &mut bench.stream;
        let mut whole = start(stream);
        let mut losses = run(stream, &mut whole, 7);
        let middle = state(stream, &whole);
        losses.extend(run(stream, &mut whole, 6));

        let mut again = start(stream);
        assert_eq!(run(stream, &mut again, 7), losses[..7], "{}: a second run differs", bench.device);

        let mut resumed = start(stream);
        let optimizer = &resumed.optimizer;
        let arenas = [resumed.model.parameters().arena(), &optimizer.average, &optimizer.first, &optimizer.second];
        for (arena, words) in arenas.iter().zip(&middle) {
            stream.write(arena, words).unwrap();
        }
        resumed.optimizer.steps = 7;
        assert_eq!(run(stream, &mut resumed, 6), losses[7..], "{}: a resumed run differs", bench.device);
        assert_eq!(state(stream, &resumed), state(stream, &whole), "{}: a resumed run ends elsewhere", bench.device);
    });
}
