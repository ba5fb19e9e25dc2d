//! Waiting for what comes asynchronously.

use crate::Result;

/// What a future gives, which in a browser it has to have already.
///
/// # Errors
/// [`crate::Error::CannotWait`] in a browser, where it would come only after the program has returned.
#[cfg(not(target_arch = "wasm32"))]
pub fn wait<T>(future: impl Future<Output = T>) -> Result<T> {
    Ok(pollster::block_on(future))
}

/// What a future gives, which in a browser it has to have already.
///
/// # Errors
/// [`crate::Error::CannotWait`] in a browser, where it would come only after the program has returned.
#[cfg(target_arch = "wasm32")]
pub fn wait<T>(future: impl Future<Output = T>) -> Result<T> {
    use std::task::{Context, Poll, Waker};

    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(crate::Error::CannotWait),
    }
}
