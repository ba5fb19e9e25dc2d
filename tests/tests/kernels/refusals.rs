//! What launches must refuse, and what they must say.

use std::fmt::Display;

use proptest::prelude::*;
use runtime::{Buffer, Error, Stream};
use tests::harness::Bench;

use super::random::random_cases;

/// Each of these buffers in turn is replaced by a wrong one, which the launch must refuse as a
/// wrong shape, naming its length.
macro_rules! refuses_buffers {
    ($bench:expr, $launch:expr, $kernel:ident { $($buffer:ident),* }) => {
        let wrong = $bench.output(1009); // a prime that no test here uses as a length
        $($crate::refusals::expect_refusal(
            $kernel { $buffer: &wrong, ..$launch }.launch(&mut $bench.stream),
            concat!(stringify!($kernel), " with a wrong `", stringify!($buffer), "`"),
            &["1009", concat!("`", stringify!($buffer), "`")],
        );)*
    };
}
pub(super) use refuses_buffers;

/// Fails unless the launch was refused for its shapes in a message with all of `said`.
pub(super) fn expect_refusal(launched: runtime::Result<()>, what: impl Display, said: &[&str]) {
    match launched {
        Err(Error::Shape { message, .. }) => {
            for word in said {
                assert!(message.contains(word), "{what} is refused, but `{word}` is not in: {message}");
            }
        }
        other => panic!("{what} should be refused for its shape, but gives {other:?}"),
    }
}

/// The length of every buffer in [`refuses_sizes`]: a prime, which none of the sizes below makes.
const LEN: usize = 1009;

/// Sizes that are empty, small, at the ends of 32 and 64 bits, or wrap around to small products.
fn size() -> impl Strategy<Value = usize> {
    let wide = [
        u32::MAX as usize - 1,
        u32::MAX as usize,
        1 << 32,
        (1 << 32) + 1,
        (1 << 32) + 4,
        1 << 62,
        1 << 63,
        usize::MAX / 3,
        usize::MAX - 3,
        usize::MAX,
    ];
    let square_roots = [1 << 16, (1 << 16) + 1, 1 << 31, (1 << 31) - 1];
    // Times 3, 5, 7 or 9 these are 1009 modulo 2⁶⁴: products that wrap would fit the buffers.
    let inverse = |odd: usize| (0..6).fold(1_usize, |x, _| x.wrapping_mul(2_usize.wrapping_sub(x.wrapping_mul(odd))));
    let wrapping = [3, 5, 7, 9].map(|odd| LEN.wrapping_mul(inverse(odd)));
    prop_oneof![
        3 => 0..=9_usize,
        3 => proptest::sample::select(wide.to_vec()),
        1 => proptest::sample::select(square_roots.to_vec()),
        1 => proptest::sample::select(wrapping.to_vec()),
        2 => any::<usize>(),
    ]
}

/// Launches a kernel with sizes of every kind on buffers of 1009 elements that these sizes do not
/// make: it must refuse, and neither panic nor run.
pub(super) fn refuses_sizes<const N: usize>(
    bench: &mut Bench,
    launch: impl Fn(&mut Stream, &Buffer, [usize; N]) -> runtime::Result<()>,
) {
    let x = bench.output(LEN);
    let sizes = proptest::array::uniform::<_, N>(size());
    random_cases(bench, 300, sizes, |bench, sizes| match launch(&mut bench.stream, &x, sizes) {
        Err(Error::Shape { .. } | Error::TooLarge { .. }) => {}
        other => panic!("sizes {sizes:?} for buffers of {LEN} elements give {other:?}"),
    });
}
