//! Ten steps of AdamW, some of them clipped, with weight decay, a rate that rises and falls, and a moving
//! average whose decay reaches its limit.

use autograd::{AdamWOptions, Gradients, Optimizer, Tape};
use dit::{Dit, Input};
use kernels::FlowPoint;
use tests::harness::{Bench, on_each_device};

use super::{Golden, weights};

const TRAINING: &[u8] = include_bytes!("../../../goldens/training.safetensors");

/// The batches and settings of a training run.
struct Run {
    options: AdamWOptions,
    rates: Vec<f32>,
    data: Vec<f32>,
    noise: Vec<f32>,
    time: Vec<f32>,
    labels: Vec<u32>,
}

impl Run {
    fn of(golden: &Golden) -> Self {
        let option = |name: &str| golden.number(&format!("option/{name}"));
        let options = AdamWOptions {
            beta1: option("beta1"),
            beta2: option("beta2"),
            epsilon: option("epsilon"),
            weight_decay: option("weight_decay"),
            max_norm: option("max_norm"),
            average_decay: option("average_decay"),
        };
        Self {
            options,
            rates: golden.read("rates"),
            data: golden.read("data"),
            noise: golden.read("noise"),
            time: golden.read("time"),
            labels: golden.integers("labels"),
        }
    }

    /// Takes the steps; the losses and the norms of the gradients before clipping.
    fn train(&self, bench: &mut Bench, model: &Dit, optimizer: &mut Optimizer) -> [Vec<f32>; 2] {
        let (steps, size) = (self.rates.len(), model.config().image_size());
        let batch = self.labels.len() / steps;
        let mut gradients = Gradients::new(&mut bench.stream, model.parameters()).unwrap();
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for (step, rate) in self.rates.iter().enumerate() {
            let images = step * batch * size..(step + 1) * batch * size;
            let items = step * batch..(step + 1) * batch;
            let (data, noise) = (bench.upload(&self.data[images.clone()]), bench.upload(&self.noise[images]));
            let (time, labels) = (bench.upload(&self.time[items.clone()]), bench.upload(&self.labels[items]));
            let [out_point, out_velocity] = [(); 2].map(|()| bench.output(batch * size));
            let (loss, clip) = (bench.output(1), bench.output(2));
            let stream = &mut bench.stream;
            FlowPoint {
                data: &data,
                noise: &noise,
                time: &time,
                out_point: &out_point,
                out_velocity: &out_velocity,
                path: model.config().path,
                batch,
                size,
            }
            .launch(stream)
            .unwrap();
            let mut tape = Tape::training(stream, model.parameters(), &mut gradients);
            let input = Input { images: &out_point, source_batch: batch, time: &time, labels: &labels, batch };
            let prediction = model.forward(&mut tape, &input).unwrap();
            let end = tape.mean_squared_error(&prediction, &out_velocity, &loss).unwrap();
            tape.backward(&end).unwrap();
            optimizer.step(stream, model.parameters(), &gradients, *rate, &clip).unwrap();
            losses.extend(bench.read::<f32>(&loss));
            norms.push(bench.read::<f32>(&clip)[0]);
        }
        [losses, norms]
    }
}

#[test]
fn ten_steps_of_adamw_are_those_of_pytorch() {
    let (golden, weights) = (Golden::new(TRAINING), weights());
    let run = Run::of(&golden);
    let norms = golden.read("norms");
    let clipped = norms.iter().filter(|norm| **norm > run.options.max_norm).count();
    assert!(0 < clipped && clipped < norms.len(), "some steps are clipped, and some are not");
    on_each_device(|bench| {
        let model = Dit::from_weights(&mut bench.stream, &weights).unwrap();
        let mut optimizer = Optimizer::new(&mut bench.stream, model.parameters(), run.options).unwrap();
        let [losses, norms] = run.train(bench, &model, &mut optimizer);
        golden.expect("losses", &bench.device, &losses);
        golden.expect("norms", &bench.device, &norms);
        let parameters = model.parameters();
        let arenas = [
            ("trained", parameters.arena()),
            ("average", &optimizer.average),
            ("first", &optimizer.first),
            ("second", &optimizer.second),
        ];
        for (kind, arena) in arenas {
            let values = parameters.read(&mut bench.stream, arena).unwrap();
            for (spec, values) in parameters.specs().iter().zip(&values) {
                golden.expect(&format!("{kind}/{}", spec.name), &bench.device, values);
            }
        }
    });
}
