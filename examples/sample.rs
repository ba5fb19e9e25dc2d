//! Ten digits from the weights in the repository: `cargo run -p examples --example sample`, in its root.
//! Other weights and another picture: `-- WEIGHTS.safetensors OUT.png`.

use dit::{Dit, Weights};
use flow::{SampleOptions, sample};
use programs::{Layout, Panel, Tile, contact_sheet, save_png};
use runtime::{Device, DeviceOptions};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let weights = Weights::load(arguments.next().unwrap_or("weights/mnist.safetensors".into()))?;
    let out = arguments.next().unwrap_or("sample.png".into());

    let device = Device::open(&DeviceOptions::default())?; // a hardware GPU where there is one, else the CPU
    let mut stream = device.stream()?;
    let model = Dit::from_weights(&mut stream, &weights)?;
    let labels: Vec<u32> = (0..weights.config.classes as u32).collect();
    let options = SampleOptions { guidance: 2.0, ..SampleOptions::default() };
    let images = sample(&mut stream, &model, &labels, &options, |_| {})?;

    let images = Tile::batch(&images, weights.config.channels, weights.config.side)?;
    save_png(&out, &contact_sheet(&[Panel { title: None, columns: 5, images }], Layout::default())?)?;
    println!("{out}, drawn on {device}");
    Ok(())
}
