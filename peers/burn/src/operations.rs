//! Single operations at the sizes of the training step.

use burn::optim::{AdamWConfig, Optimizer};
use burn::prelude::*;
use burn::tensor::Distribution;
use burn::tensor::activation::gelu_approximate;
use burn::tensor::module::{attention, linear};
use measure::sizes::{BATCH, HEAD_DIM, HEADS, HIDDEN, PARAMETERS, ROWS, TOKENS, WIDTH, adamw};
use measure::{Operation, Work};

use crate::model::modulated;

/// How `what` is done on `device`; nothing for what is no single operation.
pub fn work(what: Operation, device: &Device) -> Option<Work> {
    let rows = |columns| random([ROWS, columns], device);
    let weights = |from, to| random([from, to], device);
    Some(match what {
        Operation::QueryKeyValue => {
            let (x, w, b) = (rows(WIDTH), weights(WIDTH, 3 * WIDTH), random([3 * WIDTH], device));
            repeated(device, move || linear(x.clone(), w.clone(), Some(b.clone())))
        }
        Operation::LinearGelu => {
            let (x, w, b) = (rows(WIDTH), weights(WIDTH, HIDDEN), random([HIDDEN], device));
            repeated(device, move || gelu_approximate(linear(x.clone(), w.clone(), Some(b.clone()))))
        }
        Operation::LinearGated => {
            let tokens = |width| random([BATCH, TOKENS, width], device);
            let (x, h, gate) = (tokens(WIDTH), tokens(HIDDEN), random([BATCH, 1, WIDTH], device));
            let (w, b) = (weights(HIDDEN, WIDTH), random([WIDTH], device));
            repeated(device, move || x.clone() + gate.clone() * linear(h.clone(), w.clone(), Some(b.clone())))
        }
        Operation::InputGradient => {
            let (upstream, w) = (rows(HIDDEN), weights(WIDTH, HIDDEN));
            repeated(device, move || upstream.clone().matmul(w.clone().transpose()))
        }
        Operation::WeightGradient => {
            let (x, upstream) = (rows(WIDTH), rows(HIDDEN));
            repeated(device, move || x.clone().transpose().matmul(upstream.clone()))
        }
        Operation::BiasGradient => {
            let upstream = rows(HIDDEN);
            repeated(device, move || upstream.clone().sum_dim(0))
        }
        Operation::SquareProduct => {
            let (a, b) = (weights(512, 512), weights(512, 512));
            repeated(device, move || a.clone().matmul(b.clone()))
        }
        Operation::LayerNorm => layer_norm(device),
        Operation::LayerNormGradient => layer_norm_gradient(device),
        Operation::Attention => {
            let [q, k, v] = query_key_value(device);
            repeated(device, move || attention(q.clone(), k.clone(), v.clone(), None, None, Default::default()))
        }
        Operation::AttentionGradient => attention_gradient(device),
        Operation::AdamW => adamw_update(device),
        Operation::Step | Operation::Sample => return None,
    })
}

fn layer_norm(device: &Device) -> Work {
    let (x, scale, shift) = (random([BATCH, TOKENS, WIDTH], device), modulation(device), modulation(device));
    let ones = Tensor::ones([WIDTH], device);
    repeated(device, move || modulated(x.clone(), ones.clone(), scale.clone(), shift.clone()))
}

fn layer_norm_gradient(device: &Device) -> Work {
    let device = &device.clone().autodiff();
    let (x, scale, shift) = (random([BATCH, TOKENS, WIDTH], device), modulation(device), modulation(device));
    let ones = Tensor::ones([WIDTH], device);
    repeated(device, move || {
        let [x, scale, shift] = [&x, &scale, &shift].map(|tensor| tensor.clone().require_grad());
        let out = modulated(x.clone(), ones.clone(), scale.clone(), shift.clone());
        let gradients = out.backward();
        [x, scale, shift].map(|tensor| tensor.grad(&gradients))
    })
}

fn attention_gradient(device: &Device) -> Work {
    let device = &device.clone().autodiff();
    let inputs = query_key_value(device);
    repeated(device, move || {
        let [q, k, v] = inputs.each_ref().map(|tensor| tensor.clone().require_grad());
        let gradients = attention(q.clone(), k.clone(), v.clone(), None, None, Default::default()).backward();
        [q, k, v].map(|tensor| tensor.grad(&gradients))
    })
}

fn adamw_update(device: &Device) -> Work {
    let optimizer = AdamWConfig::new()
        .with_beta_1(adamw::BETA_1)
        .with_beta_2(adamw::BETA_2)
        .with_epsilon(adamw::EPSILON)
        .with_weight_decay(adamw::WEIGHT_DECAY)
        .build();
    let gradient = random([PARAMETERS], device);
    let (mut parameters, mut state) = (random([PARAMETERS], device), None);
    let mut average: Tensor<1> = parameters.clone();
    repeated(device, move || {
        let (updated, moments) = optimizer.step(adamw::RATE, parameters.clone(), gradient.clone(), state.take());
        (parameters, state) = (updated.clone(), moments);
        average = average.clone() * adamw::DECAY + updated * (1.0 - adamw::DECAY);
        average.clone()
    })
}

fn query_key_value(device: &Device) -> [Tensor<4>; 3] {
    std::array::from_fn(|_| random([BATCH, HEADS, TOKENS, HEAD_DIM], device))
}

fn modulation(device: &Device) -> Tensor<3> {
    random([BATCH, 1, WIDTH], device)
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
}

/// Work that does `once` for each call. Each is handed to the device by itself, so that calls are not fused into
/// one, and every result is kept until the end, so that none is left out.
fn repeated<T: 'static>(device: &Device, mut once: impl FnMut() -> T + 'static) -> Work {
    let device = device.clone();
    Box::new(move |calls| {
        let mut results = Vec::with_capacity(calls);
        for _ in 0..calls {
            results.push(once());
            device.flush()?;
        }
        Ok(device.sync()?)
    })
}
