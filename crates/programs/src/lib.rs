//! What the command-line programs share: files that are replaced whole or not at all, sheets and strips of
//! images, animations, notes in pictures, charts, pictures in the terminal, the flags that choose a device and how to
//! draw, presets, traces, completions and manual pages, and how a program ends.
//!
//! ```
//! use programs::{Layout, Panel, Tile, contact_sheet};
//!
//! // Two images of 2 × 2 in [−1, 1], as `flow::sample` returns them.
//! let images = Tile::batch(&[-1.0, 1.0, 1.0, -1.0, 0.0, 0.5, 1.0, 2.0], 1, 2)?;
//! let panel = Panel { title: Some("two".into()), columns: 2, images };
//! let sheet = contact_sheet(&[panel], Layout { scale: 10, padding: 2 })?;
//! assert_eq!((sheet.width(), sheet.height()), (46, 36)); // save_png writes it
//! # Ok::<(), programs::PictureError>(())
//! ```

mod animation;
mod charts;
mod device;
mod drawing;
mod files;
mod interval;
mod manual;
mod note;
mod pictures;
mod presets;
mod progress;
mod run;
mod strip;
mod terminal;
mod trace;

pub use animation::{GIF_LIMIT, save_gif};
pub use charts::{Chart, Corner, Curve, PALETTE, charts_png, charts_svg};
pub use device::DeviceArgs;
pub use drawing::{FlowArgs, GUIDANCE};
pub use files::{FileError, check_new_folder, check_writable, write_atomically, write_folder_atomically};
pub use interval::Interval;
pub use manual::ManualArgs;
pub use note::{NoteError, read_note, save_png_with_note};
pub use pictures::{Layout, Panel, PictureError, Tile, contact_sheet, save_png, to_byte};
pub use presets::{Defaults, Preset};
pub use progress::steps_bar;
pub use run::{counted, run, say};
pub use strip::{StripRow, film_strip};
pub use terminal::show;
pub use trace::TraceArgs;
