//! Where adaptive steps end without an end, and that the worst item decides.

use flow::{Adaptive, SampleError, Velocity};
use runtime::{Buffer, Result, Stream};
use tests::harness::on_each_device;

fn velocity(of: impl Fn(f32, f32) -> f32) -> impl Fn(&mut Stream, &Buffer, f32) -> Result<Velocity> {
    move |stream, x, time| {
        let x: Vec<f32> = stream.read(x)?;
        Ok(Velocity::Plain(stream.upload(&x.iter().map(|x| of(*x, time)).collect::<Vec<f32>>())?))
    }
}

#[test]
fn a_flow_that_needs_too_many_steps_is_refused() {
    on_each_device(|bench| {
        let x = bench.upload(&[1.0_f32; 5]);
        let stiff = velocity(|x, time| -1e4 * (x - (100.0 * time).cos()));
        let adaptive = Adaptive { most_steps: 30, ..Adaptive::default() };
        match adaptive.integrate(&mut bench.stream, &x, 1, 0.0..1.0, stiff, |_| {}) {
            Err(error @ SampleError::TooManySteps { steps: 30, time }) => {
                assert!((0.0..1.0).contains(&time), "{time}");
                let text = error.to_string();
                assert!(text.contains("30 steps") && text.contains("--rtol"), "{text}");
            }
            other => panic!("{}: {other:?}", bench.device),
        }
    });
}

#[test]
fn a_velocity_that_is_no_number_is_refused() {
    on_each_device(|bench| {
        for bad in [f32::NAN, f32::INFINITY] {
            let x = bench.upload(&[1.0_f32; 6]);
            let breaks = velocity(move |x, time| if time > 0.4 && x > 0.0 { bad } else { 1.0 });
            match Adaptive::default().integrate(&mut bench.stream, &x, 2, 0.0..1.0, breaks, |_| {}) {
                Err(error @ SampleError::NotFinite { time }) => {
                    assert!(time < 0.4, "{time}");
                    assert!(error.to_string().contains("no finite number"), "{error}");
                    assert!(bench.read::<f32>(&x).iter().all(|x| x.is_finite()), "the last good step is kept");
                }
                other => panic!("{}: {other:?}", bench.device),
            }
        }
    });
}

/// Two items at rest and one that turns fast: alone it takes as many steps as in their company, where the mean error
/// would let it take longer ones.
#[test]
fn the_worst_item_decides() {
    on_each_device(|bench| {
        let mut steps = |items: usize| {
            let mut values = vec![0.0_f32; items * 4];
            values[..4].copy_from_slice(&[1.0, -1.0, 0.5, 2.0]);
            let x = bench.upload(&values);
            let mut count = 0;
            let decay = velocity(|x, time| -8.0 * x * (1.0 + (20.0 * time).sin()));
            Adaptive::default().integrate(&mut bench.stream, &x, items, 0.0..1.0, decay, |_| count += 1).unwrap();
            (count, bench.read::<f32>(&x)[..4].to_vec())
        };
        let (alone, together) = (steps(1), steps(100));
        assert_eq!(alone.0, together.0);
        assert!(alone.1.iter().zip(&together.1).all(|(a, b)| (a - b).abs() < 1e-6), "{alone:?}, {together:?}");
        assert!(alone.0 > 8, "{} steps are no test", alone.0);
    });
}

#[test]
fn an_interval_that_is_not_from_0_to_1_is_gone_through() {
    on_each_device(|bench| {
        let x = bench.upload(&[0.0_f32; 3]);
        let seen = |stream: &mut Stream, x: &Buffer, time: f32| {
            assert!((0.25..=0.5).contains(&time), "{time}");
            velocity(|_, time| 2.0 * time)(stream, x, time)
        };
        Adaptive::default().integrate(&mut bench.stream, &x, 1, 0.25..0.5, seen, |_| {}).unwrap();
        let wanted = 0.5 * 0.5 - 0.25 * 0.25;
        assert!(bench.read::<f32>(&x).iter().all(|x| (x - wanted).abs() < 1e-6), "{}", bench.device);
    });
}
