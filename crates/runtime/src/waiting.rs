//! Waiting for what comes asynchronously.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::{Error, Result};

/// What a future gives, which in a browser it has to have already.
///
/// # Errors
/// [`Error::CannotWait`] in a browser, where it would come only after the program has returned.
pub fn wait<T>(future: impl Future<Output = T>) -> Result<T> {
    if cfg!(not(target_arch = "wasm32")) {
        return Ok(pollster::block_on(future));
    }
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(Error::CannotWait),
    }
}
