//! Tiles of the CPU's matrix unit, and the one loop that multiplies them.
#![allow(unsafe_code)] // instructions of the matrix unit, which compilers do not offer yet

use std::arch::asm;
use std::marker::PhantomData;

use runtime::MatrixUnit;

use crate::cpu::gemm::Into;

/// Lines of a tile.
pub(super) const LINES: usize = 16;
/// Elements of the inner dimension in a tile.
pub(super) const DEPTH: usize = 32;
/// Rows and columns of the block of the product that stays in the unit: two tiles each way.
pub(super) const BLOCK: usize = 2 * LINES;

/// 16 lines of 64 bytes. A left operand's are 16 rows of 32 elements; a right operand's are 16 pairs of
/// rows, the two elements of a column next to each other.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Tile(pub(super) [u32; 256]);

impl Tile {
    pub(super) const ZERO: Self = Self([0; 256]);
}

/// The operand of a row of blocks: `depth` times a tile for each of `panels` groups of 16 rows or columns.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    pub(super) tiles: &'a [Tile],
    pub(super) panels: usize,
}

impl Panels<'_> {
    fn depth(&self) -> usize {
        self.tiles.len() / self.panels
    }
}

/// The unit in this thread, with all eight tiles at their full size, until it is dropped. A thread has one at a time:
/// who has it starts no other tasks.
pub(super) struct Tiles(PhantomData<*const ()>);

#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

static CONFIGURATION: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

impl Tiles {
    pub(super) fn new(_: MatrixUnit) -> Self {
        // SAFETY: there is a unit, as the argument shows; the configuration is 64 bytes that it takes.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &CONFIGURATION, options(nostack, readonly));
        }
        Self(PhantomData)
    }

    /// out (+)= two panels of a from `row` on · two panels of b from `column` on; `out` is 32 rows, `stride` apart,
    /// of 32 elements.
    pub(super) fn multiply(
        &self,
        (a, row): (Panels<'_>, usize),
        (b, column): (Panels<'_>, usize),
        out: &mut [f32],
        stride: usize,
        into: Into,
    ) {
        let depth = a.depth();
        assert!(depth > 0 && b.depth() == depth, "operands of different depths");
        assert!(row + 2 <= a.panels && column + 2 <= b.panels, "a block leaves its operand");
        assert!(stride >= BLOCK && (BLOCK - 1) * stride + BLOCK <= out.len(), "a block leaves its slice");
        let (a_tiles, b_tiles) = (&a.tiles[row..], &b.tiles[column..]);
        let bytes = stride * size_of::<f32>();
        // SAFETY: this thread has the tiles, at 16 lines of 64 bytes, from `new` on until `drop`. The tiles read are
        // two neighbours in each of `depth` groups of `panels`, which the asserts put inside their slices; `out` is
        // borrowed mutably, and has 32 rows of 32 elements, as asserted. Nothing else is touched.
        unsafe {
            asm!(
                "test {add}, {add}",
                "jz 2f",
                "tileloadd tmm0, [{out} + {bytes}]",
                "tileloadd tmm1, [{out} + {bytes} + 64]",
                "tileloadd tmm2, [{below} + {bytes}]",
                "tileloadd tmm3, [{below} + {bytes} + 64]",
                "jmp 3f",
                "2:",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "3:",
                "tileloadd tmm4, [{a} + {line}]",
                "tileloadd tmm6, [{b} + {line}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{b} + {line} + 1024]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{a} + {line} + 1024]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {a}, {a_step}",
                "add {b}, {b_step}",
                "dec {depth}",
                "jnz 3b",
                "tilestored [{out} + {bytes}], tmm0",
                "tilestored [{out} + {bytes} + 64], tmm1",
                "tilestored [{below} + {bytes}], tmm2",
                "tilestored [{below} + {bytes} + 64], tmm3",
                add = in(reg) u64::from(into == Into::Add),
                out = in(reg) out.as_mut_ptr(),
                below = in(reg) out.as_mut_ptr().add(LINES * stride),
                bytes = in(reg) bytes,
                line = in(reg) 64_usize,
                a = inout(reg) a_tiles.as_ptr() => _,
                b = inout(reg) b_tiles.as_ptr() => _,
                a_step = in(reg) a.panels * size_of::<Tile>(),
                b_step = in(reg) b.panels * size_of::<Tile>(),
                depth = inout(reg) depth => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: there is a unit: `new` made this. It gives its state back, so that the system need not save it.
        unsafe {
            asm!("tilerelease", options(nostack, nomem));
        }
    }
}
