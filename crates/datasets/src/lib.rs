//! Labelled square images to train on.
//!
//! [`open`] reads any of them: [`mnist`], which comes embedded in the program, so that a first run needs no
//! download; a directory of IDX files ([`idx_directory`]), such as Fashion-MNIST; a .npz file; or a folder with a
//! subfolder of image files for each class. All give [`Splits`]: a training and a test [`Dataset`], checked on
//! the way in so that code that holds one need not check again. [`DataArgs`] are the flags that programs share.
//!
//! ```
//! use datasets::{Dataset, mnist};
//!
//! let splits = mnist()?;
//! assert_eq!((splits.train.count(), splits.test.count()), (60_000, 10_000));
//! assert_eq!((splits.train.side(), splits.train.channels(), splits.train.classes()), (28, 1, 10));
//!
//! // Arrays of your own: two grey images of 2 × 2, of three classes.
//! let own = Dataset::new(vec![0, 255, 255, 0, 9, 9, 9, 9], vec![2, 0], 1, 2, 3)?;
//! assert_eq!(own.count(), 2);
//! // Labels that are no class, and lengths that do not agree, are refused.
//! assert!(Dataset::new(vec![0; 4], vec![3], 1, 2, 3).is_err());
//! # Ok::<(), datasets::DatasetError>(())
//! ```

mod arrays;
mod dataset;
mod directory;
mod error;
mod folder;
mod held_out;
mod idx;
mod mnist;
mod npy;
mod npz;
mod open;
mod options;
mod picture;

pub use dataset::{Dataset, Splits};
pub use directory::idx_directory;
pub use error::DatasetError;
pub use mnist::mnist;
pub use open::open;
pub use options::{Channels, DataArgs, Fit, Place, ReadArgs, ReadOptions};

use held_out::held_out;
