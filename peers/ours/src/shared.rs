//! A device has one stream, which all operations launch into.

use std::cell::RefCell;
use std::rc::Rc;

use measure::Work;
use measure::reference::numbers;
use runtime::{Buffer, Result, Stream};

/// The stream of a device.
#[derive(Clone, Debug)]
pub struct Shared(Rc<RefCell<Stream>>);

impl Shared {
    /// Shares a stream.
    pub fn new(stream: Stream) -> Self {
        Self(Rc::new(RefCell::new(stream)))
    }

    /// Does something with the stream.
    pub fn with<T>(&self, body: impl FnOnce(&mut Stream) -> Result<T>) -> Result<T> {
        body(&mut self.0.borrow_mut())
    }

    /// A buffer of these numbers.
    pub fn upload(&self, values: &[f32]) -> Result<Buffer> {
        self.with(|stream| stream.upload(values))
    }

    /// A buffer of numbers between −1 and 1, other ones for another `seed`.
    pub fn numbers(&self, len: usize, seed: u32) -> Result<Buffer> {
        self.upload(&numbers(len, seed))
    }

    /// Work that does `once` for each call. Each is handed to the device by itself, and every result is kept until the end,
    /// as those of peers are.
    pub fn repeated<T>(&self, mut once: impl FnMut(&mut Stream) -> Result<T> + 'static) -> Work {
        let shared = self.clone();
        Box::new(move |calls| {
            Ok(shared.with(|stream| {
                let mut results = Vec::with_capacity(calls);
                for _ in 0..calls {
                    results.push(once(stream)?);
                    stream.submit()?;
                }
                stream.synchronize()
            })?)
        })
    }
}
