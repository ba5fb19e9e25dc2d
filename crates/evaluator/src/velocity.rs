//! The velocities of a model at given points.

use anyhow::{Context, Result, ensure};
use autograd::Tape;
use bytemuck::pod_collect_to_vec;
use dit::{Dit, Input, Weights, read_tensor};
use programs::{check_writable, say, write_atomically};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::args::Velocity;

/// Points at once.
const BATCH: usize = 64;

/// Writes v(x, t, y) of every point.
///
/// # Errors
/// A sentence for whatever is wrong with a file, and what the device reports.
pub fn velocity(args: &Velocity) -> Result<()> {
    let name = args.inputs.display();
    let weights = Weights::load(&args.weights)?;
    check_writable(&args.out)?;
    let bytes = std::fs::read(&args.inputs).with_context(|| format!("cannot read {name}"))?;
    let tensors =
        SafeTensors::deserialize(&bytes).with_context(|| format!("{name} is no complete safetensors file"))?;
    let labels = tensors.tensor("y").ok().filter(|view| view.dtype() == Dtype::I64 && view.shape().len() == 1);
    let labels = labels.with_context(|| format!("{name} has no `y` (N) of I64"))?;
    let labels: Vec<i64> = pod_collect_to_vec(labels.data());
    ensure!(!labels.is_empty(), "{name} holds no points");
    let (config, count) = (weights.config, labels.len());
    let shape = [count, config.channels, config.side, config.side];
    let input = |tensor: &str, shape: &[usize]| {
        read_tensor(&tensors, tensor, shape).with_context(|| format!("{name} does not fit {}", args.weights.display()))
    };
    let (x, t) = (input("x", &shape)?, input("t", &[count])?);
    if let Some(index) = labels.iter().position(|label| !(0..=config.classes as i64).contains(label)) {
        anyhow::bail!("{name}: y[{index}] is {}, not 0 to {} (the null class)", labels[index], config.classes);
    }

    let device = args.device.open()?;
    let mut stream = device.stream()?;
    let model = Dit::from_weights(&mut stream, &weights)?;
    let mut velocities: Vec<f32> = Vec::with_capacity(x.len());
    let points = x.chunks(BATCH * config.image_size()).zip(t.chunks(BATCH)).zip(labels.chunks(BATCH));
    for ((x, t), labels) in points {
        let batch = t.len();
        let labels: Vec<u32> = labels.iter().map(|label| *label as u32).collect();
        let (images, time, labels) = (stream.upload(x)?, stream.upload(t)?, stream.upload(&labels)?);
        let input = Input { images: &images, source_batch: batch, time: &time, labels: &labels, batch };
        let velocity = model.forward(&mut Tape::inference(&mut stream, model.parameters()), &input)?;
        velocities.extend(stream.read::<f32>(velocity.value())?);
    }
    let view = TensorView::new(Dtype::F32, shape.to_vec(), bytemuck::cast_slice(&velocities))?;
    let file = safetensors::serialize([("v", view)], None)?;
    write_atomically(&args.out, |out| out.write_all(&file))?;
    say(format_args!("Wrote {} ({count} velocities, on {device})", args.out.display()));
    Ok(())
}
