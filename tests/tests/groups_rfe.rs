//! Randomness, flow, embeddings and layout: both bodies agree, at sizes that fill no workgroup, and
//! random numbers have the distribution that they claim.
#![allow(clippy::unwrap_used)]

use std::f64::consts::TAU;

use kernels::*;
use runtime::{Buffer, Device, DeviceOptions, Result, Stream};

/// Runs `body` on the CPU and on llvmpipe where it is installed, compares what comes back, and
/// returns what the CPU said.
fn both(tolerance: f32, body: impl Fn(&mut Stream) -> Result<Vec<f32>>) -> Vec<f32> {
    let run = |options: &DeviceOptions| -> Result<Vec<f32>> { body(&mut Device::open(options)?.stream()?) };
    let cpu = run(&DeviceOptions::cpu()).unwrap();
    let llvmpipe = DeviceOptions { default_limits: true, ..DeviceOptions::adapter("llvmpipe") };
    if Device::open(&llvmpipe).is_err() {
        eprintln!("llvmpipe is not installed: the CPU is compared with nothing");
        return cpu;
    }
    let gpu = run(&llvmpipe).unwrap();
    assert_eq!(cpu.len(), gpu.len());
    for (i, (cpu, gpu)) in cpu.iter().zip(&gpu).enumerate() {
        let close = (cpu - gpu).abs() <= tolerance * cpu.abs().max(1.0);
        assert!(close || cpu.is_nan() && gpu.is_nan(), "element {i}: {cpu} on the CPU, {gpu} on llvmpipe");
    }
    cpu
}

fn wave(len: usize, frequency: f32) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * frequency).sin()).collect()
}

fn numbers(stream: &mut Stream, out: &Buffer) -> Result<Vec<f32>> {
    Ok(stream.read::<u32>(out)?.into_iter().map(|word| word as f32).collect())
}

#[test]
fn batches_go_through_every_epoch_in_a_new_order() {
    for (count, size, batch) in [(1, 1, 1), (2, 3, 1), (3, 1, 3), (10, 5, 4), (255, 7, 100)] {
        let bytes: Vec<u8> = (0..count * size).map(|i| (i / size) as u8).collect();
        let labels: Vec<u8> = (0..count).map(|i| 255 - i as u8).collect();
        let seen = both(0.0, |stream| {
            let (images, labels) = (stream.upload(&bytes)?, stream.upload(&labels)?);
            let (out_images, out_labels) = (stream.allocate(batch * size)?, stream.allocate(batch)?);
            let mut seen = Vec::new();
            for step in 0..2 * count {
                let position = (step * batch) as u64 + 7 * count as u64;
                GatherBatch {
                    images: &images,
                    labels: &labels,
                    out_images: &out_images,
                    out_labels: &out_labels,
                    seed: 0x0123_4567_89ab_cdef,
                    position,
                    count,
                    size,
                    batch,
                }
                .launch(stream)?;
                let pixels: Vec<f32> = stream.read(&out_images)?;
                let labels = numbers(stream, &out_labels)?;
                for (pixels, label) in pixels.chunks(size).zip(labels) {
                    let expected = ((255.0 - label) / 127.5) - 1.0;
                    assert!(pixels.iter().all(|pixel| (pixel - expected).abs() < 2e-7));
                    seen.push(label);
                }
            }
            Ok(seen)
        });
        for epoch in seen.chunks_exact(count) {
            let mut sorted: Vec<u8> = epoch.iter().map(|label| *label as u8).collect();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            assert_eq!(sorted, labels);
        }
        assert!(count < 10 || seen[..count] != seen[count..2 * count]);
    }
}

#[test]
fn a_large_batch_is_the_same_on_both() {
    let seen = both(0.0, |stream| {
        let count = 60_000;
        let images = stream.upload(&vec![0u8; count])?;
        let labels = stream.upload(&(0..count).map(|i| (i % 251) as u8).collect::<Vec<_>>())?;
        let (out_images, out_labels) = (stream.allocate(count)?, stream.allocate(count)?);
        GatherBatch {
            images: &images,
            labels: &labels,
            out_images: &out_images,
            out_labels: &out_labels,
            seed: 1,
            position: 59_999,
            count,
            size: 1,
            batch: count,
        }
        .launch(stream)?;
        numbers(stream, &out_labels)
    });
    assert_eq!(seen.len(), 60_000);
}

#[test]
fn labels_are_dropped_as_often_as_said() {
    for (probability, low, high) in [(0.0, 0, 0), (0.1, 9_700, 10_300), (1.0, 100_000, 100_000)] {
        let labels = both(0.0, |stream| {
            let labels = stream.upload(&vec![3u32; 100_000])?;
            LabelDropout { labels: &labels, seed: 5, step: 9, probability, null_class: 10 }.launch(stream)?;
            numbers(stream, &labels)
        });
        let dropped = labels.iter().filter(|label| **label == 10.0).count();
        assert!((low..=high).contains(&dropped), "{dropped}");
    }
}

fn noise(first_item: u32, items: usize, size: usize) -> Vec<f32> {
    both(3e-6, |stream| {
        let out = stream.allocate(items * size)?;
        GaussianNoise { out: &out, seed: u64::MAX, step: 3, first_item, items, size }.launch(stream)?;
        stream.read(&out)
    })
}

#[test]
fn noise_is_standard_normal() {
    let values = noise(0, 1000, 999);
    let moment = |power| values.iter().map(|x| f64::from(*x).powi(power)).sum::<f64>() / values.len() as f64;
    assert!(moment(1).abs() < 4e-3, "mean {}", moment(1));
    assert!((moment(2) - 1.0).abs() < 6e-3, "variance {}", moment(2));
    assert!(moment(3).abs() < 0.02, "skewness {}", moment(3));
    assert!((moment(4) - 3.0).abs() < 0.04, "kurtosis {}", moment(4));
    let neighbours = values.windows(2).map(|pair| f64::from(pair[0] * pair[1])).sum::<f64>() / values.len() as f64;
    assert!(neighbours.abs() < 4e-3, "correlation {neighbours}");
}

#[test]
fn noise_of_an_item_does_not_depend_on_its_batch() {
    let together = noise(5, 4, 13);
    let apart: Vec<f32> = (5..9).flat_map(|item| noise(item, 1, 13)).collect();
    assert_eq!(together, apart);
    assert_eq!(noise(5, 1, 1), [together[0]]);
}

#[test]
fn times_are_uniform_and_bit_equal() {
    let times = both(0.0, |stream| {
        let out = stream.allocate(100_001)?;
        UniformTime { out: &out, seed: 42 << 32 | 7, step: 1 }.launch(stream)?;
        stream.read(&out)
    });
    assert!(times.iter().all(|t| *t > 0.0 && *t < 1.0));
    let mean = times.iter().map(|t| f64::from(*t)).sum::<f64>() / times.len() as f64;
    assert!((mean - 0.5).abs() < 4e-3, "{mean}");
}

#[test]
fn flow_agrees() {
    for (batch, size) in [(1, 1), (3, 5), (7, 133), (70_001, 1)] {
        let len = batch * size;
        let all = both(1e-6, |stream| {
            let (data, noise) = (stream.upload(&wave(len, 0.3))?, stream.upload(&wave(len, 1.7))?);
            let time = stream.upload(&wave(batch, 0.9))?;
            let (point, velocity) = (stream.allocate(len)?, stream.allocate(len)?);
            let (error, gradient) = (stream.allocate(batch)?, stream.allocate(len)?);
            FlowPoint {
                data: &data,
                noise: &noise,
                time: &time,
                out_point: &point,
                out_velocity: &velocity,
                batch,
                size,
            }
            .launch(stream)?;
            Mse { prediction: &point, target: &velocity, out: &error, batch, size }.launch(stream)?;
            let upstream = stream.upload(&[-3.0f32])?;
            MseBackward { prediction: &point, target: &velocity, upstream: &upstream, out: &gradient, batch, size }
                .launch(stream)?;
            let both_velocities = stream.upload(&wave(2 * len, 0.7))?;
            GuidanceEuler { velocity: &both_velocities, x: &data, guidance: 4.0, dt: 0.02, batch, size }
                .launch(stream)?;
            Euler { velocity: &velocity, x: &noise, dt: 0.25 }.launch(stream)?;
            let mut all = Vec::new();
            for buffer in [&point, &velocity, &error, &gradient, &data, &noise] {
                all.extend(stream.read::<f32>(buffer)?);
            }
            Ok(all)
        });
        let [point, velocity] = [&all[..len], &all[len..2 * len]];
        let error: f32 =
            point.iter().zip(velocity).take(size).map(|(p, v)| (p - v) * (p - v)).sum::<f32>() / size as f32;
        assert!((all[2 * len] - error).abs() < 1e-6);
        let gradient = -6.0 * (point[0] - velocity[0]) / len as f32;
        assert!((all[2 * len + batch] - gradient).abs() < 1e-6);
    }
}

#[test]
fn time_features_hold_at_large_angles() {
    for (batch, half) in [(1, 1), (5, 3), (33, 128)] {
        let times: Vec<f32> = (0..batch).map(|i| i as f32 / 32.0 - 0.1).collect();
        let frequencies: Vec<f32> = (0..half).map(|i| (-(i as f32) / half as f32 * 1e4f32.ln()).exp()).collect();
        let features = both(3e-7, |stream| {
            let (time, frequencies) = (stream.upload(&times)?, stream.upload(&frequencies)?);
            let out = stream.allocate(2 * batch * half)?;
            TimeFeatures { time: &time, frequencies: &frequencies, out: &out, scale: 12_345.0, batch, half }
                .launch(stream)?;
            stream.read(&out)
        });
        for (row, time) in features.chunks_exact(2 * half).zip(&times) {
            for (column, frequency) in frequencies.iter().enumerate() {
                let angle = f64::from(12_345.0 * time * frequency) % TAU;
                assert!((f64::from(row[column]) - angle.cos()).abs() < 3e-7);
                assert!((f64::from(row[half + column]) - angle.sin()).abs() < 3e-7);
            }
        }
    }
}

#[test]
fn patches_go_there_and_back() {
    for (source_batch, batch, channels, side, patch) in
        [(1, 1, 1, 1, 1), (2, 4, 3, 6, 3), (3, 3, 1, 28, 4), (1, 3, 4, 8, 2)]
    {
        for order in [PatchOrder::ChannelFirst, PatchOrder::ChannelLast] {
            let len = batch * channels * side * side;
            let source: Vec<f32> = (0..source_batch * channels * side * side).map(|i| i as f32).collect();
            let all = both(0.0, |stream| {
                let images = stream.upload(&source)?;
                let (patches, back) = (stream.allocate(len)?, stream.allocate(len)?);
                Patchify { images: &images, out: &patches, batch, source_batch, channels, side, patch, order }
                    .launch(stream)?;
                Unpatchify { patches: &patches, out: &back, batch, channels, side, patch, order }.launch(stream)?;
                Ok([stream.read::<f32>(&patches)?, stream.read(&back)?].concat())
            });
            assert_eq!(all[len..], source.repeat(batch / source_batch));
            let (second, column) = match order {
                PatchOrder::ChannelFirst => (1, 2 * patch * patch),
                PatchOrder::ChannelLast => (channels, 2),
            };
            if channels > 2 {
                assert_eq!([all[second], all[column]], [1.0, (2 * side * side) as f32]);
            }
        }
    }
}

#[test]
fn embeddings_agree() {
    for (batch, width, rows) in [(1, 1, 1), (5, 3, 2), (9, 65, 4)] {
        let labels: Vec<u32> = (0..batch).map(|i| if i == 3 { u32::MAX } else { (i * i % rows) as u32 }).collect();
        let all = both(1e-6, |stream| {
            let labels = stream.upload(&labels)?;
            let (table, x) = (stream.upload(&wave(rows * width, 0.3))?, stream.upload(&wave(batch * width, 1.1))?);
            let out = stream.allocate(batch * width)?;
            LabelEmbedding { labels: &labels, table: &table, x: &x, out: &out, batch, width, rows }.launch(stream)?;
            let gradient = stream.allocate(rows * width)?;
            for accumulate in [false, true] {
                LabelEmbeddingBackward {
                    labels: &labels,
                    upstream: &x,
                    out: &gradient,
                    batch,
                    width,
                    rows,
                    accumulate,
                }
                .launch(stream)?;
            }
            let positions = stream.upload(&wave(width, 0.2))?;
            AddPositions { positions: &positions, x: &x, batch, tokens: 1, width }.launch(stream)?;
            Ok([stream.read::<f32>(&out)?, stream.read(&gradient)?, stream.read(&x)?].concat())
        });
        let x = wave(batch * width, 1.1);
        for (item, label) in labels.iter().enumerate() {
            let out = &all[item * width..][..width];
            match wave(rows * width, 0.3).get(*label as usize * width) {
                Some(embedding) => assert_eq!(out[0], x[item * width] + embedding),
                None => assert!(out.iter().all(|x| x.is_nan())),
            }
        }
        let sum: f32 = labels.iter().zip(x.chunks(width)).filter(|(label, _)| **label == 0).map(|(_, x)| x[0]).sum();
        assert!((all[batch * width] - 2.0 * sum).abs() < 1e-6);
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let device = Device::open(&DeviceOptions::cpu()).unwrap();
    let mut stream = device.stream().unwrap();
    let (small, large) = (stream.allocate(4).unwrap(), stream.allocate(16).unwrap());
    let error = Euler { velocity: &small, x: &large, dt: 1.0 }.launch(&mut stream).unwrap_err();
    assert_eq!(error.to_string(), "euler: `x` has 16 elements, expected 4 for the shape [4]");
    let order = PatchOrder::ChannelFirst;
    let error =
        Patchify { images: &small, out: &large, batch: 4, source_batch: 1, channels: 1, side: 2, patch: 3, order }
            .launch(&mut stream)
            .unwrap_err();
    assert_eq!(error.to_string(), "patchify: an image of side 2 cannot be cut into patches of side 3");
}
