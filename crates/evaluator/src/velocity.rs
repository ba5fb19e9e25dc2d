//! The velocities of a model at given points.

use anyhow::{Context, Result};
use autograd::Tape;
use dit::{Dit, Input, Weights, read_tensor};
use programs::{check_writable, say, write_atomically};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::args::Velocity;
use crate::samples::read_labels;

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
    let config = weights.config;
    // The null class comes after the others.
    let labels = read_labels(&tensors, "y", config.classes).with_context(|| name.to_string())?;
    let count = labels.len();
    let shape = [count, config.channels, config.side, config.side];
    let input = |tensor: &str, shape: &[usize]| {
        read_tensor(&tensors, tensor, shape).with_context(|| format!("{name} does not fit {}", args.weights.display()))
    };
    let (x, t) = (input("x", &shape)?, input("t", &[count])?);

    let device = args.device.open()?;
    let mut stream = device.stream()?;
    let model = Dit::from_weights(&mut stream, &weights)?;
    let mut velocities: Vec<f32> = Vec::with_capacity(x.len());
    let points = x.chunks(BATCH * config.image_size()).zip(t.chunks(BATCH)).zip(labels.chunks(BATCH));
    for ((x, t), labels) in points {
        let batch = t.len();
        let (images, time, labels) = (stream.upload(x)?, stream.upload(t)?, stream.upload(labels)?);
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
