//! A graph of operations, and the derivatives of a loss after it, along the tape and by differences.
//!
//! A graph starts from parameters only, so that everything in it that is differentiable can be moved
//! by moving parameters. It ends in the mean squared error against random targets, whose gradient
//! differs from element to element.

use std::collections::BTreeSet;
use std::fmt::Display;

use autograd::{Gradients, Parameter, ParameterSpec, Parameters, Tape, Variable};
use tests::harness::{Bench, Kind, Values};

/// The largest error of a derivative, as a part of the root mean square of its tensor's gradient times
/// the length of the direction, and of the derivative itself.
const TOLERANCE: f64 = 3e-5;
/// The roundings of an output, in halves of its last bit, that a difference may see besides.
const ROUNDINGS: f64 = 8.0;
const REASON: &str = "outputs are rounded, and drivers' exp and tanh are off by some 1e-7, \
     which a difference over a 32nd multiplies by 48";
/// How far the nearest points of a difference are from the middle, in deviations of what is moved.
/// The difference is of the sixth order: what it leaves out is (1/32)⁶ / 140 = 7e-12 of the seventh
/// derivative.
const STEP: f32 = 1.0 / 32.0;
/// The same where the loss is a polynomial of a degree below seven: the difference is exact however far
/// the points are, and the farther the less it sees of roundings.
const POLYNOMIAL_STEP: f32 = 2.0;
/// The weights of the points one, two and three steps away.
const STENCIL: [f64; 3] = [3.0 / 4.0, -3.0 / 20.0, 1.0 / 60.0];
/// Launches of a way back, at most.
const MOST_LAUNCHES: usize = 1000;
/// Values are multiples of this part of their deviation, so that steps away from them are exact in f32.
const GRID: f32 = 1024.0;

struct Tensor {
    spec: ParameterSpec,
    values: Vec<f32>,
    deviation: f32,
}

/// The parameters of a graph.
pub struct Graph {
    tensors: Vec<Tensor>,
    values: Values,
    step: f32,
}

impl Graph {
    pub fn new(seed: u64) -> Self {
        Self { tensors: Vec::new(), values: Values::new(seed), step: STEP }
    }

    /// A graph that is at most quadratic in each of its parameters, and its loss a polynomial.
    pub fn polynomial(seed: u64) -> Self {
        Self { step: POLYNOMIAL_STEP, ..Self::new(seed) }
    }

    /// A parameter with values near `deviation`, a power of two.
    pub fn parameter(mut self, name: &str, shape: &[usize], deviation: f32) -> Self {
        assert_eq!(deviation.log2().fract(), 0.0, "steps would not be exact");
        let spec = ParameterSpec { name: name.to_owned(), shape: shape.to_vec() };
        let values = self.values.normal(spec.len());
        let values = values.iter().map(|value| (value * GRID).round() / GRID * deviation).collect();
        self.tensors.push(Tensor { spec, values, deviation });
        self
    }

    /// A weight and a bias, so scaled that outputs are near 1 where inputs are.
    pub fn linear(self, name: &str, outputs: usize, inputs: usize) -> Self {
        self.weight(name, &[outputs, inputs])
    }

    /// As [`Graph::linear`], with a weight of more dimensions.
    pub fn weight(self, name: &str, shape: &[usize]) -> Self {
        let inputs: usize = shape[1..].iter().product();
        let deviation = (inputs as f32).sqrt().log2().floor().exp2().recip();
        self.parameter(&format!("{name}.weight"), shape, deviation).parameter(&format!("{name}.bias"), &shape[..1], 1.0)
    }

    /// The parameters behind [`Nodes::input`].
    pub fn input(self, name: &str, rows: usize, columns: usize) -> Self {
        self.spread_input(name, rows, columns, 1.0)
    }

    /// As [`Graph::input`], with values near `deviation`.
    pub fn spread_input(self, name: &str, rows: usize, columns: usize, deviation: f32) -> Self {
        self.parameter(&format!("{name}.weight"), &[columns, rows], deviation).parameter(
            &format!("{name}.bias"),
            &[columns],
            deviation,
        )
    }

    /// Fails unless the tape's derivatives of the loss after `build`, by every parameter, are those of differences, and
    /// each of `kernels`, or a variant of it, had a part in them. What is seen is recorded for all that had.
    pub fn check(
        &self,
        bench: &mut Bench,
        kernels: &[&str],
        case: impl Display,
        build: impl Fn(&mut Nodes<'_, '_>) -> Variable,
    ) {
        let values: Vec<Vec<f32>> = self.tensors.iter().map(|tensor| tensor.values.clone()).collect();
        let len = self.output(bench, &values, &build).len();
        let target = Values::new(len as u64).normal(len);
        let (gradients, launched) = self.gradients(bench, &values, &target, &build);
        for kernel in kernels {
            let had_a_part = launched.iter().any(|name| name.starts_with(kernel));
            assert!(had_a_part, "{case} on {}: no {kernel} among {launched:?}", bench.device);
        }
        let (mut count, mut worst) = (0, [0.0_f64; 2]);
        for (index, (tensor, gradient)) in self.tensors.iter().zip(&gradients).enumerate() {
            let step = self.step * tensor.deviation;
            let root_mean_square = norm(gradient) / (gradient.len() as f64).sqrt();
            for direction in directions(gradient) {
                let mut output_at = |steps: i8| {
                    let mut moved = values.clone();
                    for (value, direction) in moved[index].iter_mut().zip(&direction) {
                        *value += f32::from(steps) * step * direction;
                    }
                    self.output(bench, &moved, &build)
                };
                let (mut numeric, mut rounding) = (0.0, 0.0);
                for (weight, steps) in STENCIL.iter().zip(1..) {
                    let [above, below] = [steps, -steps].map(&mut output_at);
                    numeric += weight * (loss(&above, &target) - loss(&below, &target)) / f64::from(step);
                    rounding += weight.abs() * loss_rounding(&above, &below, &target) / f64::from(step);
                }
                let product = |(gradient, direction): (&f32, &f32)| f64::from(*gradient) * f64::from(*direction);
                let analytic: f64 = gradient.iter().zip(&direction).map(product).sum();
                let scale = root_mean_square * norm(&direction) + numeric.abs();
                let (error, allowed) = ((analytic - numeric).abs(), TOLERANCE * scale + ROUNDINGS * rounding);
                assert!(
                    error <= allowed,
                    "{case} on {}: by {} the derivative along {} is {analytic:e}, differences say {numeric:e}; that is \
                     {:.1e} of its scale (allowed: {:.1e}, because {REASON})",
                    bench.device,
                    tensor.spec.name,
                    describe(&direction),
                    error / scale,
                    allowed / scale,
                );
                count += 1;
                if error > 0.0 {
                    worst = [worst[0].max(error / scale), worst[1].max(error / allowed)];
                }
            }
        }
        for kernel in launched {
            bench.observe_for(kernel, Kind::Gradient, case.to_string(), count, worst, REASON);
        }
    }

    fn parameters(&self, bench: &mut Bench, values: &[Vec<f32>]) -> Parameters {
        let specs = self.tensors.iter().map(|tensor| tensor.spec.clone()).collect();
        Parameters::new(&mut bench.stream, specs, values).unwrap()
    }

    fn output(
        &self,
        bench: &mut Bench,
        values: &[Vec<f32>],
        build: impl Fn(&mut Nodes<'_, '_>) -> Variable,
    ) -> Vec<f32> {
        let parameters = &self.parameters(bench, values);
        let tape = Tape::inference(&mut bench.stream, parameters);
        let output = build(&mut Nodes { tape, parameters });
        bench.read(output.value())
    }

    fn gradients(
        &self,
        bench: &mut Bench,
        values: &[Vec<f32>],
        target: &[f32],
        build: impl Fn(&mut Nodes<'_, '_>) -> Variable,
    ) -> (Vec<Vec<f32>>, BTreeSet<&'static str>) {
        let parameters = &self.parameters(bench, values);
        let (target, loss) = (bench.upload(target), bench.output(1));
        let mut gradients = Gradients::new(&mut bench.stream, parameters).unwrap();
        // What a step before this one left there has no part in this one.
        let stale = vec![f32::NAN; gradients.arena().len()];
        bench.stream.write(gradients.arena(), &stale).unwrap();
        let tape = Tape::training(&mut bench.stream, parameters, &mut gradients);
        let mut nodes = Nodes { tape, parameters };
        let output = build(&mut nodes);
        let loss = nodes.tape.mean_squared_error(&output, &target, &loss).unwrap();
        nodes.tape.stream().start_profile(MOST_LAUNCHES).unwrap();
        nodes.tape.backward(&loss).unwrap();
        let profile = bench.stream.finish_profile().unwrap();
        assert_eq!(profile.omitted, 0, "the way back has more launches");
        let launched = profile.kernels.iter().map(|span| span.kernel.name).collect();
        (parameters.read(&mut bench.stream, gradients.arena()).unwrap(), launched)
    }
}

/// The loss of [`Tape::mean_squared_error`], without its roundings.
fn loss(output: &[f32], target: &[f32]) -> f64 {
    let square = |(output, target): (&f32, &f32)| (f64::from(*output) - f64::from(*target)).powi(2);
    output.iter().zip(target).map(square).sum::<f64>() / output.len() as f64
}

/// What the loss at two points is off by at random, if each output that is not the same at both is off by
/// half of its last bit. What is the same is off by the same, which a difference does not see.
fn loss_rounding(above: &[f32], below: &[f32], target: &[f32]) -> f64 {
    let outputs = above.iter().zip(below).zip(target).filter(|((above, below), _)| above != below);
    let of = |((above, _), target): ((&f32, &f32), &f32)| {
        let (output, target) = (f64::from(*above), f64::from(*target));
        (2.0 * (output - target) * output * f64::from(f32::EPSILON) / 2.0).powi(2)
    };
    (2.0 * outputs.map(of).sum::<f64>()).sqrt() / above.len() as f64
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

/// Where to go from a parameter: every element up or down at random, twice, and single elements: that
/// of the largest gradient, the first, the last, and one more.
fn directions(gradient: &[f32]) -> Vec<Vec<f32>> {
    let (len, mut values) = (gradient.len(), Values::new(gradient.len() as u64));
    let signs = |values: &mut Values| values.below(2, len).iter().map(|sign| 1.0 - 2.0 * *sign as f32).collect();
    let largest = (0..len).max_by(|a, b| gradient[*a].abs().total_cmp(&gradient[*b].abs())).unwrap();
    let mut places = vec![0, len - 1, largest, values.below(len as u32, 1)[0] as usize];
    places.sort_unstable();
    places.dedup();
    let unit = |place: usize| (0..len).map(|i| f32::from(u8::from(i == place))).collect();
    let mut all: Vec<Vec<f32>> = places.into_iter().map(unit).collect();
    if len > 1 {
        all.extend([signs(&mut values), signs(&mut values)]);
    }
    all
}

fn describe(direction: &[f32]) -> String {
    match direction.iter().filter(|d| **d != 0.0).count() {
        1 => format!("element {}", direction.iter().position(|d| *d != 0.0).unwrap()),
        _ => "random signs".into(),
    }
}

/// What a graph is built from.
pub struct Nodes<'t, 'a> {
    pub tape: Tape<'t>,
    parameters: &'a Parameters,
}

impl Nodes<'_, '_> {
    /// A matrix whose every element is one of a parameter: what comes before the operation in question,
    /// and wants its gradient.
    pub fn input(&mut self, name: &str) -> Variable {
        let linear = self.linear(name);
        let rows = self.parameters.value(linear[0]).len() / self.parameters.rows(linear[0]);
        let identity = (0..rows * rows).map(|i| f32::from(u8::from(i / rows == i % rows))).collect::<Vec<_>>();
        let identity = self.constant(&identity, rows);
        self.tape.linear(&identity, linear, autograd::Activation::Identity).unwrap()
    }

    /// A matrix that wants no gradient.
    pub fn constant(&mut self, values: &[f32], rows: usize) -> Variable {
        Variable::constant(self.tape.stream().upload(values).unwrap(), rows, values.len() / rows)
    }

    pub fn parameter(&self, name: &str) -> Parameter {
        self.parameters.named(name)
    }

    pub fn linear(&self, name: &str) -> [Parameter; 2] {
        ["weight", "bias"].map(|part| self.parameters.named(&format!("{name}.{part}")))
    }

    /// a + gate ⊙ (b · weightᵀ + bias), with constant gates: both branches lead to the loss, with
    /// different gradients.
    pub fn join(&mut self, a: &Variable, b: &Variable, name: &str) -> Variable {
        let gates = self.constant(&Values::new(7).uniform(0.5, 1.5, a.columns()), 1);
        let linear = self.linear(name);
        self.tape.gated_linear(b, linear, a, &gates, 0).unwrap()
    }
}
