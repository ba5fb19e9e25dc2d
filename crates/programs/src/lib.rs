//! What the command-line programs share: files that are replaced whole or not at all, sheets of images,
//! pictures in the terminal, the flags that choose a device and how to draw, presets, traces, and how a program ends.

mod device;
mod drawing;
mod files;
mod interval;
mod pictures;
mod presets;
mod run;
mod terminal;
mod trace;

pub use device::DeviceArgs;
pub use drawing::FlowArgs;
pub use files::{FileError, check_writable, write_atomically};
pub use interval::Interval;
pub use pictures::{Layout, Panel, PictureError, Tile, contact_sheet, save_png};
pub use presets::{Defaults, Preset};
pub use run::{run, say};
pub use terminal::show;
pub use trace::TraceArgs;
