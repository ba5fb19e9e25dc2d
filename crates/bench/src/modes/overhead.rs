//! `overhead`: what it costs to ask for something, however little.

use std::time::Instant;

use anyhow::Result;
use kernels::Fill;
use runtime::Stream;

use crate::args::Common;
use crate::report::{Cell, Table};

/// Launches that share a submission.
const LAUNCHES: usize = 1000;
/// A buffer that takes a while to read, in words.
const LARGE: usize = 1 << 20;

/// Times launches of a kernel that fills one number, and what goes around them.
pub fn overhead(stream: &mut Stream, args: &Common) -> Result<Vec<Table>> {
    let runs = args.runs();
    let launches = if args.quick { 10 } else { LAUNCHES };
    let (one, large) = (stream.allocate(1)?, stream.allocate(LARGE)?);
    Fill { out: &large, value: 0.0 }.launch(stream)?;
    let mut table = Table::new("Overhead, a time for each", &["what", "time (µs)"]);
    let mut measure = |what: &str, each: usize, body: &mut dyn FnMut(&mut Stream) -> Result<()>| -> Result<()> {
        let mut once = || -> Result<f64> {
            stream.synchronize()?;
            let start = Instant::now();
            body(stream)?;
            Ok(1e6 * start.elapsed().as_secs_f64() / each as f64)
        };
        once()?;
        let samples = (0..runs).map(|_| once()).collect::<Result<_>>()?;
        table.push(vec![Cell::Text(what.into()), Cell::Samples(samples)]);
        Ok(())
    };
    let launch = |stream: &mut Stream| Fill { out: &one, value: 1.0 }.launch(stream);
    let many = |stream: &mut Stream| (0..launches).try_for_each(|_| launch(stream));
    measure(&format!("each of {launches} launches"), launches, &mut |stream| Ok(many(stream)?))?;
    measure(&format!("each of {launches} launches, submitted and waited for together"), launches, &mut |stream| {
        many(stream)?;
        Ok(stream.synchronize()?)
    })?;
    measure("a launch, submitted and waited for", 1, &mut |stream| {
        launch(stream)?;
        Ok(stream.synchronize()?)
    })?;
    measure("a write of one word", 1, &mut |stream| Ok(stream.write(&one, &[1.0_f32])?))?;
    measure("a read of one word", 1, &mut |stream| Ok(stream.read::<f32>(&one).map(drop)?))?;
    measure("a read of 4 MiB", 1, &mut |stream| Ok(stream.read::<f32>(&large).map(drop)?))?;
    measure("an allocation that the pool has", 1, &mut |stream| Ok(stream.allocate(LARGE / 2).map(drop)?))?;
    Ok(vec![table])
}
