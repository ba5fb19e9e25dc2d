//! Measures of sets of images. None of them knows where the images came from.

mod frechet;
mod neighbours;
mod pixels;

pub use frechet::frechet_distance;
pub use neighbours::{manifold, nearest, nearest_other, quantile};
pub use pixels::{duplicates, level_of_background, pooled, share_of_black};
