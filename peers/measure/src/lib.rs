//! What the peers share: the sizes that are compared, how things are timed, what is reported, and plain loops that
//! tell whether a peer computes what ours does.

pub mod operation;
mod positions;
pub mod reference;
mod report;
mod session;
pub mod sizes;
mod timing;

pub use operation::Operation;
pub use positions::positions;
pub use report::{Report, median};
pub use session::{Args, Work, measure};
