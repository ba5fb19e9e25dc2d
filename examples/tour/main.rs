//! Draws the pictures of docs/tour.md: one digit on its way through every kernel, with the weights in the repository.
//! `cargo run -p examples --example tour -- docs/images/tour`, in the root of the repository.
//!
//! It calls the operations of the network itself, in order, and fails unless all that comes out is bit for bit
//! what `Dit::forward`, `flow::sample` and `flow::Training` give. So the tour shows what the programs do.

mod pictures;
mod training;
mod walk;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use autograd::Tape;
use dit::{Config, Dit, Input, Weights};
use flow::{SampleOptions, sample};
use image::{DynamicImage, Rgb, RgbImage};
use kernels::{Fill, GaussianNoise, GuidanceEuler, TimeFeatures};
use runtime::{Device, DeviceOptions, Stream};

use pictures::{Panel, grey, grid, heat, heat_map, limit, panel, save, sheet, short};
use training::Step;
use walk::{Matrix, Walk, attention_difference, attention_weights, frequencies, walk};

const DIGIT: u32 = 3;
const SEED: u64 = 3;
const STEPS: usize = 50;
const GUIDANCE: f32 = 2.0;
/// The step at which the tour looks into the network: t = 0.5.
const INSIDE: usize = 25;

/// A step of sampling.
struct Moment {
    time: f32,
    /// (S · S): where the digit is.
    x: Vec<f32>,
    /// (2, S · S): the velocities for the class, and for none.
    velocities: Matrix,
    walk: Walk,
}

impl Moment {
    fn guided(&self) -> Vec<f32> {
        let (class, null) = (self.velocities.row(0), self.velocities.row(1));
        class.iter().zip(null).map(|(class, null)| null + GUIDANCE * (class - null)).collect()
    }

    /// Where the velocity would lead, if it stayed as it is.
    fn end(&self) -> Vec<f32> {
        self.x.iter().zip(self.guided()).map(|(x, v)| x + (1.0 - self.time) * v).collect()
    }
}

fn main() -> anyhow::Result<()> {
    let folder: PathBuf = std::env::args().nth(1).context("name a folder for the pictures, docs/images/tour")?.into();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let weights = Weights::load(root.join("weights/mnist.safetensors"))?;
    // The CPU, so that everyone gets these pictures.
    let mut stream = Device::open(&DeviceOptions::cpu())?.stream()?;
    let model = Dit::from_weights(&mut stream, &weights)?;
    let (moments, image) = draw(&mut stream, &model, &weights)?;
    let step = training::step(&mut stream, &weights, &datasets::mnist()?.train)?;
    let labels = model.parameters().value(model.parameters().named("y_embedder.embedding_table.weight"));
    let labels = Matrix::new(weights.config.width, stream.read(&labels)?);

    let (config, inside) = (&weights.config, &moments[INSIDE]);
    let pictures = [
        ("noise", noise(&mut stream)?),
        ("time_features", time_features(&mut stream, config)?),
        ("condition", condition(&inside.walk, labels.row(DIGIT as usize))),
        ("patches", patches(inside, config)),
        ("filters", sheet(&[vec![filters("x_embedder.proj.weight", &step.filters[0], config, 7)]])),
        ("tokens", tokens(inside, config, &weights.positions)),
        ("modulate", modulate(inside, config)),
        ("qkv", qkv(inside, config)),
        ("attention", attention(inside, config)?),
        ("looks", looks(inside, config)),
        ("gates", gates(inside, config)),
        ("gelu", gelu(inside, config)),
        ("blocks", blocks(inside, config)),
        ("last", last(inside, config)),
        ("guidance", guidance(inside, config)),
        ("way", way(&moments, &image, config)),
        ("batch", batch(&step, config)),
        ("step", training_step(&step, config)),
    ];
    for (name, picture) in pictures {
        save(&folder.join(name).with_extension("png"), &picture)?;
    }
    let (folder, Step { loss, norm, .. }) = (folder.display(), &step);
    println!(
        "pictures of a {DIGIT} in {folder}; the training step had a loss of {loss:.4} and a gradient of norm {norm:.3}"
    );
    Ok(())
}

/// Draws the digit by Euler's method, and looks into the network at each step.
fn draw(stream: &mut Stream, model: &Dit, weights: &Weights) -> anyhow::Result<(Vec<Moment>, Vec<f32>)> {
    let size = model.config().image_size();
    let (x, positions) = (stream.allocate(size)?, stream.upload(&weights.positions)?);
    let (time, labels) = (stream.allocate(2)?, stream.upload(&[DIGIT, model.config().classes as u32])?);
    GaussianNoise { out: &x, seed: SEED, step: u32::MAX, first_item: 0, items: 1, size }.launch(stream)?;
    let mut moments = Vec::with_capacity(STEPS);
    for step in 0..STEPS {
        let at = step as f32 / STEPS as f32;
        Fill { out: &time, value: at }.launch(stream)?;
        let input = Input { images: &x, source_batch: 1, time: &time, labels: &labels, batch: 2 };
        let walk = walk(stream, model, &positions, &input)?;
        let forward = model.forward(&mut Tape::inference(stream, model.parameters()), &input)?;
        let velocities: Vec<f32> = stream.read(&walk.velocity)?;
        ensure!(velocities == stream.read::<f32>(forward.value())?, "the tour has left Dit::forward at t = {at}");
        let before = stream.read(&x)?;
        let (velocity, guidance, dt) = (&walk.velocity, GUIDANCE, 1.0 / STEPS as f32);
        GuidanceEuler { velocity, x: &x, guidance, dt, batch: 1, size }.launch(stream)?;
        moments.push(Moment { time: at, x: before, velocities: Matrix::new(size, velocities), walk });
    }
    let image: Vec<f32> = stream.read(&x)?;
    let options = SampleOptions { steps: STEPS, guidance: GUIDANCE, seed: SEED, ..SampleOptions::default() };
    ensure!(image == sample(stream, model, &[DIGIT], &options, |_| {})?, "the tour has left flow::sample");
    Ok((moments, image))
}

fn noise(stream: &mut Stream) -> anyhow::Result<DynamicImage> {
    let (items, size, side) = (3, 784, 28);
    let out = stream.allocate(items * size)?;
    GaussianNoise { out: &out, seed: SEED, step: u32::MAX, first_item: 0, items, size }.launch(stream)?;
    let values: Vec<f32> = stream.read(&out)?;
    let of_item =
        |(item, values): (usize, &[f32])| heat(&format!("item {item}"), &Matrix::new(side, values.to_vec()), [7, 7]);
    Ok(sheet(&[values.chunks_exact(size).enumerate().map(of_item).collect()]))
}

/// The features of times from 0 to 1.
fn time_features(stream: &mut Stream, config: &Config) -> anyhow::Result<DynamicImage> {
    let (batch, half) = (65, 128);
    let times: Vec<f32> = (0..batch).map(|i| i as f32 / (batch - 1) as f32).collect();
    let (time, frequencies) = (stream.upload(&times)?, stream.upload(&frequencies(half))?);
    let out = stream.allocate(batch * 2 * half)?;
    TimeFeatures { time: &time, frequencies: &frequencies, out: &out, scale: config.time_scale, batch, half }
        .launch(stream)?;
    let features = Matrix::new(2 * half, stream.read(&out)?);
    Ok(sheet(&[vec![heat("down: t from 0 to 1; along: 128 cosines, then 128 sines", &features, [3, 4])]]))
}

fn condition(walk: &Walk, label: &[f32]) -> DynamicImage {
    let strip = |name: &str, matrix: &Matrix, along: u32| vec![heat(name, &matrix.rows(0..1), [along, 14])];
    sheet(&[
        strip("256 features of t = 0.5", &walk.features, 3),
        strip("first product of the time MLP, 128 columns", &walk.hidden, 6),
        strip("its SiLU", &walk.active, 6),
        strip("second product: the time", &walk.time, 6),
        strip(&format!("row {DIGIT} of the label table"), &Matrix::new(label.len(), label.to_vec()), 6),
        strip("time + label", &walk.sum, 6),
        strip("its SiLU: the condition", &walk.condition, 6),
    ])
}

fn patches(moment: &Moment, config: &Config) -> DynamicImage {
    let (side, patch) = (config.side, config.patch);
    let cut: Vec<RgbImage> = moment.walk.patches.values[..side * side]
        .chunks_exact(patch * patch)
        .map(|values| grey(values, patch, 7))
        .collect();
    let rows = moment.walk.patches.rows(0..config.tokens());
    sheet(&[vec![
        panel("the digit at t = 0.5", grey(&moment.x, side, 8)),
        panel("its 7 x 7 patches", grid(&cut, side / patch, 8)),
        heat("a row of 16 each", &rows, [10, 4]),
    ]])
}

/// The rows of the patch product's weights as pictures of a patch.
fn filters(label: &str, weights: &Matrix, config: &Config, scale: u32) -> Panel {
    let limit = limit(&weights.values);
    let tile = |row: usize| heat_map(&Matrix::new(config.patch, weights.row(row).to_vec()), [scale, scale], limit);
    let tiles: Vec<RgbImage> = (0..weights.rows).map(tile).collect();
    panel(format!("{label}  ±{}", short(limit)), grid(&tiles, 16, 3))
}

/// The tokens of the first item, down 49 tokens, along 128 columns.
fn of_tokens(label: &str, matrix: &Matrix, config: &Config) -> Vec<Panel> {
    let rows = matrix.rows(0..config.tokens());
    vec![heat(label, &rows.columns(0..config.width.min(rows.columns)), [6, 3])]
}

fn tokens(moment: &Moment, config: &Config, positions: &[f32]) -> DynamicImage {
    let positions = Matrix::new(config.width, positions.to_vec());
    sheet(&[
        of_tokens("product of the patches; down: 49 tokens, along: 128 columns", &moment.walk.product, config),
        of_tokens("positions", &positions, config),
        of_tokens("sum: the tokens", &moment.walk.tokens, config),
    ])
}

fn modulate(moment: &Moment, config: &Config) -> DynamicImage {
    let block = &moment.walk.blocks[0];
    let chunk = |index: usize| block.modulation.rows(0..1).columns(index * config.width..(index + 1) * config.width);
    sheet(&[
        of_tokens("tokens", &moment.walk.tokens, config),
        vec![heat("scale", &chunk(1), [6, 14])],
        vec![heat("shift", &chunk(0), [6, 14])],
        of_tokens("normalised and modulated", &block.modulated, config),
    ])
}

fn qkv(moment: &Moment, config: &Config) -> DynamicImage {
    let rows = moment.walk.blocks[0].qkv.rows(0..config.tokens());
    let part = |index: usize| rows.columns(index * config.width..(index + 1) * config.width);
    let part = |name: &str, index: usize| heat(name, &part(index), [2, 3]);
    sheet(&[vec![part("queries, 4 heads of 32", 0), part("keys", 1), part("values", 2)]])
}

fn attention(moment: &Moment, config: &Config) -> anyhow::Result<DynamicImage> {
    let mut rows = Vec::new();
    for (index, block) in moment.walk.blocks.iter().enumerate() {
        let weights = attention_weights(&block.qkv, config.tokens(), config.heads);
        let difference = attention_difference(block, &weights);
        ensure!(difference < 1e-4, "the attention weights of block {index} are not the kernel's, by {difference}");
        let of_head = |(head, weights): (usize, &Matrix)| {
            let favourite = favourite(weights, config.side / config.patch);
            panel(format!("block {index} head {head}{favourite}"), heat_map(weights, [3, 3], limit(&weights.values)))
        };
        rows.push(weights.iter().enumerate().map(of_head).collect());
    }
    Ok(sheet(&rows))
}

/// The neighbour that gets most of a head's weight, and its share of all weight, where it is a fifth or more.
fn favourite(weights: &Matrix, along: usize) -> String {
    let place = |token: usize| [token / along, token % along];
    let share = |[up, left, down, right]: [usize; 4]| {
        let beside = |query: usize, key: usize| {
            let ([query_row, query_column], [key_row, key_column]) = (place(query), place(key));
            key_row + up == query_row + down && key_column + left == query_column + right
        };
        let pairs = (0..weights.values.len()).map(|pair| (pair / weights.rows, pair % weights.rows));
        let looked = pairs.filter(|(query, key)| beside(*query, *key)).map(|(query, key)| weights.row(query)[key]);
        looked.sum::<f32>() / weights.rows as f32
    };
    let neighbours = [("up", [1, 0, 0, 0]), ("left", [0, 1, 0, 0]), ("down", [0, 0, 1, 0]), ("right", [0, 0, 0, 1])];
    let shares = neighbours.map(|(name, steps)| (share(steps), name));
    let (share, name) = shares.into_iter().fold((0.0, ""), |best, other| if other.0 > best.0 { other } else { best });
    if share < 0.2 { String::new() } else { format!(": {name} {:.0}%", 100.0 * share) }
}

/// The token whose looks are shown, by row and column of patches.
const LOOKING: [usize; 2] = [3, 3];

fn looks(moment: &Moment, config: &Config) -> DynamicImage {
    let along = config.side / config.patch;
    let token = LOOKING[0] * along + LOOKING[1];
    let scale = 8;
    let mut digit = grey(&moment.end(), config.side, scale);
    let side = config.patch as u32 * scale;
    let [top, left] = LOOKING.map(|place| place as u32 * side);
    for (x, y, pixel) in digit.enumerate_pixels_mut() {
        let within = (left..left + side).contains(&x) && (top..top + side).contains(&y);
        let edge = within && (x < left + 2 || x >= left + side - 2 || y < top + 2 || y >= top + side - 2);
        if edge {
            *pixel = Rgb([255, 160, 60]);
        }
    }
    let mut tiles = Vec::new();
    for block in &moment.walk.blocks {
        for weights in attention_weights(&block.qkv, config.tokens(), config.heads) {
            let look = Matrix::new(along, weights.row(token).to_vec());
            tiles.push(heat_map(&look, [16, 16], limit(&look.values)));
        }
    }
    sheet(&[vec![
        panel("who looks", digit),
        panel("where; down: 4 blocks, along: 4 heads", grid(&tiles, config.heads, 6)),
    ]])
}

fn gates(moment: &Moment, config: &Config) -> DynamicImage {
    let (walk, width) = (&moment.walk, config.width);
    let gates = |chunk: usize| {
        let gate = |block: &walk::Block| block.modulation.row(0)[chunk * width..][..width].to_vec();
        Matrix::new(width, walk.blocks.iter().flat_map(gate).collect())
    };
    let block = &walk.blocks[0];
    let difference = |after: &Matrix, before: &Matrix| {
        Matrix::new(width, after.values.iter().zip(&before.values).map(|(after, before)| after - before).collect())
    };
    sheet(&[
        vec![heat("gates of attention, a row a block", &gates(2), [6, 14])],
        vec![heat("gates of the MLP", &gates(5), [6, 14])],
        of_tokens("what attention adds to the tokens in block 0", &difference(&block.between, &walk.tokens), config),
        of_tokens("what the MLP adds", &difference(&block.out, &block.between), config),
    ])
}

fn gelu(moment: &Moment, config: &Config) -> DynamicImage {
    let block = &moment.walk.blocks[0];
    sheet(&[
        of_tokens("before GELU, the first 128 of 512 columns", &block.before_gelu, config),
        of_tokens("after", &block.after_gelu, config),
    ])
}

fn blocks(moment: &Moment, config: &Config) -> DynamicImage {
    let of_block = |(index, block): (usize, &walk::Block)| {
        vec![heat(&format!("tokens after block {index}"), &block.out.rows(0..config.tokens()), [6, 2])]
    };
    sheet(&moment.walk.blocks.iter().enumerate().map(of_block).collect::<Vec<_>>())
}

fn last(moment: &Moment, config: &Config) -> DynamicImage {
    let velocity = Matrix::new(config.side, moment.velocities.row(0).to_vec());
    sheet(&[
        of_tokens("normalised and modulated for the last time", &moment.walk.last, config),
        vec![
            heat("a patch of velocity each", &moment.walk.last_patches.rows(0..config.tokens()), [10, 4]),
            heat("put together: the velocity", &velocity, [7, 7]),
        ],
    ])
}

fn guidance(moment: &Moment, config: &Config) -> DynamicImage {
    let (class, null) = (moment.velocities.row(0), moment.velocities.row(1));
    let difference: Vec<f32> = class.iter().zip(null).map(|(class, null)| class - null).collect();
    let map = |name: &str, values: &[f32]| heat(name, &Matrix::new(config.side, values.to_vec()), [7, 7]);
    sheet(&[vec![
        map("v, no class", null),
        map("v, class 3", class),
        map("their difference", &difference),
        map("guided, s = 2", &moment.guided()),
    ]])
}

fn way(moments: &[Moment], image: &[f32], config: &Config) -> DynamicImage {
    let side = config.side;
    let times = [0, 10, 20, 30, 40, 49].map(|step| &moments[step]);
    let map = |values: Vec<f32>| Matrix::new(side, values);
    let mut x: Vec<Panel> =
        times.iter().map(|moment| panel(format!("x, t = {:.2}", moment.time), grey(&moment.x, side, 4))).collect();
    x.push(panel("t = 1", grey(image, side, 4)));
    let v = times.iter().map(|moment| heat("v", &map(moment.guided()), [4, 4])).collect();
    let end = times.iter().map(|moment| panel("x + (1 - t) v", grey(&moment.end(), side, 4))).collect();
    sheet(&[x, v, end])
}

fn batch(step: &Step, config: &Config) -> DynamicImage {
    let side = config.side;
    let map =
        |name: &str, matrix: &Matrix, item: usize| heat(name, &Matrix::new(side, matrix.row(item).to_vec()), [4, 4]);
    let row = |item: usize| {
        let label = match step.labels[item] {
            label if label == config.classes as u32 => "hidden".into(),
            label => label.to_string(),
        };
        vec![
            panel(format!("data, label {label}"), grey(step.data.row(item), side, 4)),
            map("noise", &step.noise, item),
            panel(format!("point, t = {:.2}", step.time[item]), grey(step.point.row(item), side, 4)),
            map("target v", &step.velocity, item),
            map("prediction", &step.prediction, item),
            map("gradient", &step.gradient, item),
        ]
    };
    // The first of each kind: a 3, and one whose label was hidden.
    let first = |label: u32| step.labels.iter().position(|other| *other == label);
    let items = [first(DIGIT), first(config.classes as u32)];
    sheet(&items.into_iter().flatten().map(row).collect::<Vec<_>>())
}

fn training_step(step: &Step, config: &Config) -> DynamicImage {
    let [weights, gradient, change, average] = &step.filters;
    sheet(&[
        vec![filters("weights", weights, config, 4), filters("gradient", gradient, config, 4)],
        vec![filters("what AdamW adds", change, config, 4), filters("what the average moves", average, config, 4)],
    ])
}
