//! What the tape itself does on the way back: it adds up, leaves out, and starts afresh.

use autograd::{Activation, Gradients, ParameterSpec, Parameters, Tape, Variable};
use kernels::Heads;
use tests::harness::{Values, on_each_device};

use crate::graph::Graph;

const ROWS: usize = 6;
const WIDTH: usize = 12;

/// One variable read by operations of every kind: some give their gradient, some write it, some add to
/// zeros, and whichever comes later has to add to what is there.
#[test]
fn gradients_of_every_use_of_a_variable_add_up() {
    const HEADS: Heads = Heads { batch: 2, tokens: 3, heads: 1, head_dim: WIDTH / 3 };
    let graph = || {
        let graph = Graph::new(1).input("x", ROWS, WIDTH).linear("linear", WIDTH, WIDTH);
        let graph = graph.parameter("table", &[3, WIDTH], 1.0).linear("join", WIDTH, WIDTH);
        graph.linear("narrow", WIDTH / 3, WIDTH).linear("wide", WIDTH, WIDTH / 3)
    };
    on_each_device(|bench| {
        // Each order once: what is the first use on the way back in one graph is the last in the other.
        for backwards in [false, true] {
            let case = format!("six uses of one variable, backwards {backwards}");
            graph().check(bench, &["add", "fill"], case, |nodes| {
                let (x, linear, wide) = (nodes.input("x"), nodes.linear("linear"), nodes.linear("wide"));
                let narrow = nodes.linear("narrow");
                let labels = nodes.tape.stream().upload(&[0_u32, 1, 2, 1, 1, 0]).unwrap();
                let table = nodes.parameter("table");
                let mut uses: Vec<usize> = (0..5).collect();
                if backwards {
                    uses.reverse();
                }
                let mut all = x.clone();
                for part in uses {
                    let branch: Variable = match part {
                        0 => nodes.tape.silu(&x).unwrap(),
                        1 => nodes.tape.linear(&x, linear, Activation::Gelu).unwrap(),
                        2 => nodes.tape.label_embedding(&x, &labels, table).unwrap(),
                        3 => {
                            let attention = nodes.tape.attention(&x, HEADS).unwrap();
                            nodes.tape.linear(&attention, wide, Activation::Identity).unwrap()
                        }
                        _ => {
                            let few = nodes.tape.linear(&all, narrow, Activation::Identity).unwrap();
                            let normal = nodes.tape.layer_norm_modulate(&few, &x, 5, 0, 1e-6).unwrap();
                            nodes.tape.linear(&normal, wide, Activation::Identity).unwrap()
                        }
                    };
                    all = nodes.join(&all, &branch, "join");
                }
                all
            });
        }
    });
}

/// A branch that leads nowhere passes nothing on, and what only it reads has a gradient of zero.
#[test]
fn what_the_loss_does_not_depend_on_has_no_gradient() {
    on_each_device(|bench| {
        let graph = Graph::new(2).input("x", 3, 5).linear("used", 5, 5).linear("unused", 4, 5);
        graph.check(bench, &["fill"], "a branch that leads nowhere", |nodes| {
            let (x, used, unused) = (nodes.input("x"), nodes.linear("used"), nodes.linear("unused"));
            let branch = nodes.tape.linear(&x, unused, Activation::Gelu).unwrap();
            nodes.tape.silu(&branch).unwrap();
            nodes.tape.linear(&x, used, Activation::Identity).unwrap()
        });
    });
}

/// The gradients of a second step are those of the second step, though it reads other parameters.
#[test]
fn gradients_of_an_earlier_step_are_forgotten() {
    let spec = |name: &str, shape: &[usize]| ParameterSpec { name: name.into(), shape: shape.into() };
    let specs =
        || vec![spec("a.weight", &[3, 2]), spec("a.bias", &[3]), spec("b.weight", &[3, 2]), spec("b.bias", &[3])];
    let values: Vec<Vec<f32>> = specs().iter().map(|spec| Values::new(spec.len() as u64).normal(spec.len())).collect();
    on_each_device(|bench| {
        let parameters = Parameters::new(&mut bench.stream, specs(), &values).unwrap();
        let (x, target, out) = (bench.upload(&[0.5_f32, -1.0]), bench.upload(&[1.0_f32, 2.0, 3.0]), bench.output(1));
        let mut gradients = Gradients::new(&mut bench.stream, &parameters).unwrap();
        let mut step = |gradients: &mut Gradients, name: &str| {
            let mut tape = Tape::training(&mut bench.stream, &parameters, gradients);
            let linear = ["weight", "bias"].map(|part| parameters.named(&format!("{name}.{part}")));
            let y = tape.linear(&Variable::constant(x.clone(), 1, 2), linear, Activation::Identity).unwrap();
            let loss = tape.mean_squared_error(&y, &target, &out).unwrap();
            tape.backward(&loss).unwrap();
            parameters.read(&mut bench.stream, gradients.arena()).unwrap()
        };
        let first = step(&mut gradients, "a");
        assert!(first[..2].iter().flatten().all(|g| *g != 0.0) && first[2..].iter().flatten().all(|g| *g == 0.0));
        let second = step(&mut gradients, "b");
        assert!(second[..2].iter().flatten().all(|g| *g == 0.0) && second[2..].iter().flatten().all(|g| *g != 0.0));
        assert_eq!(step(&mut gradients, "a"), first, "{}: the third step is the first again", bench.device);
    });
}
