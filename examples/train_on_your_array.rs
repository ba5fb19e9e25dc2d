//! Trains on an array that is made here, in memory, draws what was learnt, and keeps it in a file of weights beside the
//! picture, in about a minute on two cores: `cargo run -p examples --example train_on_your_array [-- OUT.png [STEPS]]`.
//! For an array of your own put its values, sizes and classes in the place of `shapes`.

use std::path::Path;

use dit::{Config, Dit, FlowPath, Variant};
use flow::{AdamWOptions, Images, SampleOptions, TrainOptions, Training, sample};
use programs::{Layout, Panel, Tile, contact_sheet, save_png};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use runtime::{Device, DeviceOptions};

const CLASSES: [&str; 4] = ["disc", "square", "triangle", "cross"];
const CONFIG: Config = Config {
    side: 12,
    channels: 3,
    patch: 2,
    width: 64,
    depth: 3,
    heads: 2,
    classes: CLASSES.len(),
    time_scale: 1000.0,
    path: FlowPath::CondOt,
    variant: Variant::DIT,
};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().unwrap_or("shapes.png".into());
    let steps: u32 = arguments.next().map_or(Ok(2000), |steps| steps.parse())?;

    let device = Device::open(&DeviceOptions::default())?;
    let mut stream = device.stream()?;
    // Values of 0 to 255, (N, C, S, S), and a label below `classes` for each image: all that training takes.
    let (values, labels) = shapes(4000);
    let images = Images::upload(&mut stream, &values, &labels)?;

    CONFIG.validate()?;
    let model = Dit::new(&mut stream, CONFIG, 0)?;
    // Of 64 images a step a tenth loses its label, so that the model also learns what guidance leads away from.
    let options = TrainOptions {
        adamw: AdamWOptions { average_decay: 0.995, ..AdamWOptions::default() },
        ..TrainOptions::default()
    };
    let mut training = Training::new(&mut stream, model, images, options)?;
    println!("training on {} images on {device}", labels.len());
    for step in 0..steps {
        // A short warm-up, then half a cosine down to nothing.
        let (done, warm) = (step as f32 / steps as f32, (step as f32 + 1.0) / 100.0);
        training.step(&mut stream, 2e-3 * warm.min(0.5 + 0.5 * (std::f32::consts::PI * done).cos()))?;
        // Losses stay on the device until they are asked for, which its log wants every 64 steps at least.
        if (step + 1).is_multiple_of(50) || step + 1 == steps {
            let losses: Vec<f32> = training.read_log(&mut stream)?.iter().map(|record| record.loss).collect();
            println!("step {}: loss {:.4}", step + 1, losses.iter().sum::<f32>() / losses.len() as f32);
        }
    }

    // The moving average of the parameters draws best.
    let model = training.averaged_model();
    let labels: Vec<u32> = (0..CLASSES.len() as u32).flat_map(|class| [class; 16]).collect();
    let options = SampleOptions { guidance: 3.0, ..SampleOptions::default() };
    let drawn = sample(&mut stream, &model, &labels, &options, |_| {})?;
    let panels = CLASSES.iter().zip(drawn.chunks_exact(drawn.len() / CLASSES.len())).map(|(name, drawn)| {
        let images = Tile::batch(drawn, CONFIG.channels, CONFIG.side)?;
        Ok(Panel { title: Some((*name).to_owned()), columns: 4, images })
    });
    let panels = panels.collect::<anyhow::Result<Vec<_>>>()?;
    save_png(&out, &contact_sheet(&panels, Layout::default())?)?;
    let weights = Path::new(&out).with_extension("safetensors");
    model.weights(&mut stream)?.save(&weights)?;
    println!("{out}, and what drew it: {}", weights.display());
    Ok(())
}

/// Shapes of all classes in turn, (count, 3, 12, 12), each in a colour, place and size of its own on black.
fn shapes(count: usize) -> (Vec<u8>, Vec<u8>) {
    const COLOURS: [[f32; 3]; 5] =
        [[255.0, 90.0, 80.0], [255.0, 190.0, 60.0], [90.0, 210.0, 110.0], [70.0, 170.0, 255.0], [200.0, 120.0, 255.0]];
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for class in (0..CLASSES.len()).cycle().take(count) {
        let colour = COLOURS[random.random_range(0..COLOURS.len())];
        let size = random.random_range(3.8..5.0f32);
        let [x, y] = [(); 2].map(|()| random.random_range(5.5..6.5f32));
        for shade in colour {
            for pixel in 0..CONFIG.side * CONFIG.side {
                // A pixel is as bright as the share of its 16 points that lie within the shape.
                let within = (0..16).filter(|point| {
                    let across = (pixel % CONFIG.side) as f32 + (point % 4) as f32 / 4.0 + 0.125;
                    let down = (pixel / CONFIG.side) as f32 + (point / 4) as f32 / 4.0 + 0.125;
                    is_within(class, (across - x) / size, (down - y) / size)
                });
                values.push((shade * within.count() as f32 / 16.0) as u8);
            }
        }
        labels.push(class as u8);
    }
    (values, labels)
}

/// Whether a point lies within the shape of a class, whose size is 1.
fn is_within(class: usize, x: f32, y: f32) -> bool {
    match CLASSES[class] {
        "disc" => x.hypot(y) < 1.0,
        "square" => x.abs().max(y.abs()) < 0.85,
        "triangle" => y < 0.8 && 2.0 * x.abs() - 1.0 < y,
        _ => x.abs().min(y.abs()) < 0.3 && x.abs().max(y.abs()) < 1.0,
    }
}
