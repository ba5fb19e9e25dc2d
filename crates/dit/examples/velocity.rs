//! The velocities that a model gives for inputs in a file: for comparing with another implementation.
//!
//!     cargo run -p dit --example velocity -- --weights W.safetensors --inputs IN.safetensors --out OUT.safetensors
//!
//! IN holds x (B, C, S, S), t (B) and y (B) as f32, f32 and i64; OUT gets v (B, C, S, S) as f32.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use autograd::Tape;
use bytemuck::pod_collect_to_vec;
use clap::Parser;
use dit::{Dit, Input, Weights};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    weights: PathBuf,
    #[arg(long)]
    inputs: PathBuf,
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    device: programs::DeviceArgs,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    programs::run(|| velocity(&arguments).map(|()| ExitCode::SUCCESS))
}

fn velocity(arguments: &Arguments) -> anyhow::Result<()> {
    let weights = Weights::load(&arguments.weights)?;
    let bytes =
        std::fs::read(&arguments.inputs).with_context(|| format!("cannot read {}", arguments.inputs.display()))?;
    let tensors = SafeTensors::deserialize(&bytes).context("the inputs are no safetensors file")?;
    let x = tensors.tensor("x").context("the inputs lack `x`")?;
    let t = tensors.tensor("t").context("the inputs lack `t`")?;
    let y = tensors.tensor("y").context("the inputs lack `y`")?;
    let config = weights.config;
    let batch = t.shape().iter().product();
    let shape = vec![batch, config.channels, config.side, config.side];
    ensure!(x.dtype() == Dtype::F32 && x.shape() == shape, "`x` is not F32 {shape:?}");
    ensure!(
        t.dtype() == Dtype::F32 && y.dtype() == Dtype::I64 && y.shape() == t.shape(),
        "`t` and `y` are not F32 and I64 of one shape"
    );
    let labels: Vec<u32> = pod_collect_to_vec::<u8, i64>(y.data()).iter().map(|label| *label as u32).collect();

    let device = arguments.device.open()?;
    let mut stream = device.stream()?;
    let model = Dit::from_weights(&mut stream, &weights)?;
    let images = stream.upload(x.data())?;
    let time = stream.upload(t.data())?;
    let labels = stream.upload(&labels)?;
    let input = Input { images: &images, source_batch: batch, time: &time, labels: &labels, batch };
    let velocity = model.forward(&mut Tape::inference(&mut stream, model.parameters()), &input)?;
    let values: Vec<u8> = stream.read(velocity.value())?;
    let view = TensorView::new(Dtype::F32, shape, &values)?;
    let file = safetensors::serialize([("v", view)], None::<HashMap<String, String>>)?;
    programs::write_atomically(&arguments.out, |out| out.write_all(&file))?;
    Ok(())
}
