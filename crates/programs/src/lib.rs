//! What the command-line programs share: files that are replaced whole or not at all, sheets of images,
//! and pictures in the terminal.

mod files;
mod pictures;
mod terminal;

pub use files::{FileError, check_writable, write_atomically};
pub use pictures::{Layout, Panel, PictureError, Tile, contact_sheet, save_png, to_byte};
pub use terminal::show;
