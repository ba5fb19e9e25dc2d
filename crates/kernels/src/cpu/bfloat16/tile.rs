//! Tiles as the CPU's matrix unit reads them, and the one loop that multiplies them there.
#![allow(unsafe_code)] // instructions of the matrix unit, which compilers do not offer yet

use std::arch::asm;
use std::arch::x86_64::__m512i;
use std::marker::PhantomData;

use super::{Parts, Unit, vectors};
use crate::cpu::gemm::Into;

/// Lines of a tile.
pub(super) const LINES: usize = 16;
/// Elements of the inner dimension in a tile.
pub(super) const DEPTH: usize = 32;
/// Rows and columns of the block of the product that stays in the matrix unit: two tiles each way.
pub(super) const BLOCK: usize = 2 * LINES;

/// 16 lines of 64 bytes. A left operand's are 16 rows of 32 elements; a right operand's are 16 pairs of
/// rows, the two elements of a column next to each other.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Tile(pub(super) [__m512i; LINES]);

impl Tile {
    // SAFETY: both are 1,024 bytes without meaning of their own.
    pub(super) const ZERO: Self = Self(unsafe { std::mem::transmute::<[u32; 256], [__m512i; LINES]>([0; 256]) });
}

/// The operand of a block: for each piece of the inner dimension, for each of its parts, two tiles of 16 rows or
/// columns each. A block's tiles lie together, so that they do not drive each other out of L1.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a> {
    pub(super) tiles: &'a [Tile],
    pub(super) parts: Parts,
}

impl Packed<'_> {
    fn pieces(&self) -> usize {
        self.tiles.len() / self.parts.tiles()
    }
}

/// What multiplies blocks in this thread. That is, with a matrix unit, the unit with all eight tiles at their full size, until
/// this is dropped; so a thread has one at a time, and who has it starts no other tasks.
pub(super) struct Blocks {
    unit: Unit,
    thread: PhantomData<*const ()>,
}

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

/// Sums up blocks in tmm0 to tmm3: `body` adds a piece, whose tiles are at {a} and {b}, and moves both on.
macro_rules! accumulate {
    ($body:expr, $a:expr, $b:expr, $pieces:expr, $out:expr, $stride:expr, $into:expr) => {
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
            $body,
            "dec {pieces}",
            "jnz 3b",
            "tilestored [{out} + {bytes}], tmm0",
            "tilestored [{out} + {bytes} + 64], tmm1",
            "tilestored [{below} + {bytes}], tmm2",
            "tilestored [{below} + {bytes} + 64], tmm3",
            add = in(reg) u64::from($into == Into::Add),
            out = in(reg) $out,
            below = in(reg) $out.add(LINES * $stride),
            bytes = in(reg) $stride * size_of::<f32>(),
            line = in(reg) 64_usize,
            a = inout(reg) $a.tiles.as_ptr() => _,
            b = inout(reg) $b.tiles.as_ptr() => _,
            pieces = inout(reg) $pieces => _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// Two tiles of the left operand, at an offset from {a}.
macro_rules! load_left {
    ($offset:literal) => {
        concat!(
            "tileloadd tmm4, [{a} + {line} + ",
            $offset,
            "]\n",
            "tileloadd tmm5, [{a} + {line} + ",
            $offset,
            " + 1024]\n",
        )
    };
}

/// Two tiles of the right operand, at an offset from {b}.
macro_rules! load_right {
    ($offset:literal) => {
        concat!(
            "tileloadd tmm6, [{b} + {line} + ",
            $offset,
            "]\n",
            "tileloadd tmm7, [{b} + {line} + ",
            $offset,
            " + 1024]\n",
        )
    };
}

/// The four products of the tiles that are loaded.
macro_rules! multiply {
    () => {
        "tdpbf16ps tmm0, tmm4, tmm6\n\
         tdpbf16ps tmm1, tmm4, tmm7\n\
         tdpbf16ps tmm2, tmm5, tmm6\n\
         tdpbf16ps tmm3, tmm5, tmm7\n"
    };
}

/// On to the next piece.
macro_rules! advance {
    ($bytes:literal) => {
        concat!("add {a}, ", $bytes, "\n", "add {b}, ", $bytes, "\n")
    };
}

impl Blocks {
    pub(super) fn new(unit: Unit) -> Self {
        if let Unit::Matrix(..) = unit {
            // SAFETY: there is such a unit, as the argument shows; the configuration is 64 bytes that it takes.
            unsafe {
                asm!("ldtilecfg [{}]", in(reg) &CONFIGURATION, options(nostack, readonly));
            }
        }
        Self { unit, thread: PhantomData }
    }

    /// out (+)= a · b; `out` is 32 rows, `stride` apart, of 32 elements.
    pub(super) fn multiply(&self, a: Packed<'_>, b: Packed<'_>, out: &mut [f32], stride: usize, into: Into) {
        let pieces = a.pieces();
        assert!(pieces > 0 && b.pieces() == pieces && a.parts == b.parts, "operands that do not fit together");
        assert!(stride >= BLOCK && (BLOCK - 1) * stride + BLOCK <= out.len(), "a block leaves its slice");
        if let Unit::Vector(unit) = self.unit {
            return vectors::multiply(unit, a.tiles, b.tiles, out, stride, into);
        }
        let out = out.as_mut_ptr();
        // SAFETY: this thread has the unit's tiles, at 16 lines of 64 bytes, from `new` on until `drop`. What is read of an
        // operand are `pieces` times the tiles of a piece, which is what it has; `out` is borrowed mutably, and has 32
        // rows of 32 elements, as asserted. Nothing else is touched.
        unsafe {
            match a.parts {
                Parts::One => accumulate!(
                    concat!(load_left!(0), load_right!(0), multiply!(), advance!(2048)),
                    a,
                    b,
                    pieces,
                    out,
                    stride,
                    into
                ),
                // From one product to the next only one operand changes. The largest comes last; those of the third
                // parts with the second and the third, 2⁻²⁴ of it at most, are left out.
                Parts::Three => accumulate!(
                    concat!(
                        load_left!(4096),
                        load_right!(0),
                        multiply!(),
                        load_left!(2048),
                        multiply!(),
                        load_right!(2048),
                        multiply!(),
                        load_left!(0),
                        multiply!(),
                        load_right!(4096),
                        multiply!(),
                        load_right!(0),
                        multiply!(),
                        advance!(6144)
                    ),
                    a,
                    b,
                    pieces,
                    out,
                    stride,
                    into
                ),
            }
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        if let Unit::Matrix(..) = self.unit {
            // SAFETY: there is such a unit. It gives its state back, so that the system need not save it.
            unsafe {
                asm!("tilerelease", options(nostack, nomem));
            }
        }
    }
}
