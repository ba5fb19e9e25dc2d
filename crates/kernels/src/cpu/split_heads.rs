//! Heads of attention apart from each other and side by side again. Tokens have their heads side by side, so the rows of one
//! head lie far apart: from memory they would come line by line, too late, and in the cache they would drive each other out.
//! Token after token, memory is read and written in its order.

use pulp::Simd;

/// From (tokens, heads, dim) to (heads, tokens, dim).
#[inline(always)]
pub(crate) fn split_heads<S: Simd>(side_by_side: &[f32], [tokens, heads, dim]: [usize; 3], apart: &mut [f32]) {
    for token in 0..tokens {
        for head in 0..heads {
            let from = &side_by_side[(token * heads + head) * dim..][..dim];
            copy::<S>(from, &mut apart[(head * tokens + token) * dim..][..dim]);
        }
    }
}

/// From (heads, tokens, dim) to (tokens, heads, dim).
#[inline(always)]
pub(crate) fn merge_heads<S: Simd>(apart: &[f32], [tokens, heads, dim]: [usize; 3], side_by_side: &mut [f32]) {
    for token in 0..tokens {
        for head in 0..heads {
            let from = &apart[(head * tokens + token) * dim..][..dim];
            copy::<S>(from, &mut side_by_side[(token * heads + head) * dim..][..dim]);
        }
    }
}

#[inline(always)]
#[allow(clippy::manual_memcpy)] // that is a call, which for so few numbers takes longer than the copy
fn copy<S: Simd>(from: &[f32], to: &mut [f32]) {
    let (from, from_rest) = S::as_simd_f32s(from);
    let (to, to_rest) = S::as_mut_simd_f32s(to);
    for i in 0..from.len() {
        to[i] = from[i];
    }
    for i in 0..from_rest.len() {
        to_rest[i] = from_rest[i];
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, WithSimd};

    use super::*;

    struct Apart<'a>(&'a [f32], [usize; 3], [&'a mut [f32]; 2]);

    impl WithSimd for Apart<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let [apart, merged] = self.2;
            split_heads::<S>(self.0, self.1, apart);
            merge_heads::<S>(apart, self.1, merged);
        }
    }

    #[test]
    fn heads_come_apart_and_together_again() {
        for [tokens, heads, dim] in [[1, 1, 1], [3, 2, 4], [5, 3, 20], [2, 12, 32], [7, 1, 9]] {
            let from: Vec<f32> = (0..tokens * heads * dim).map(|i| i as f32).collect();
            let (mut apart, mut merged) = (vec![f32::NAN; from.len()], vec![f32::NAN; from.len()]);
            Arch::new().dispatch(Apart(&from, [tokens, heads, dim], [&mut apart, &mut merged]));
            for (i, got) in apart.iter().enumerate() {
                let (head, token, column) = (i / (tokens * dim), i / dim % tokens, i % dim);
                let want = from[(token * heads + head) * dim + column];
                assert_eq!(*got, want, "{tokens} tokens, {heads} heads of {dim}: element {i}");
            }
            assert_eq!(merged, from);
        }
    }
}
