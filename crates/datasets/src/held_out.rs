//! Which images are held out where nobody has said.

use sha2::{Digest, Sha256};

use crate::ReadOptions;

/// Chooses, of each class, the share to hold out, rounded, but at least one image of two or more, and never
/// all. `key` names an image: which of a class are chosen depends on their keys and the seed alone, so the
/// choice is the same on every machine and does not rest on the order in which files were found.
pub(crate) fn held_out(labels: &[u8], key: impl Fn(usize) -> String, options: &ReadOptions) -> Vec<bool> {
    let mut chosen = vec![false; labels.len()];
    if options.held_out == 0.0 {
        return chosen;
    }
    let mut classes = vec![Vec::new(); 256];
    labels.iter().enumerate().for_each(|(index, &label)| classes[usize::from(label)].push(index));
    for mut class in classes {
        class.sort_by_cached_key(|&index| {
            Sha256::new().chain_update(options.held_out_seed.to_le_bytes()).chain_update(key(index)).finalize()
        });
        let share = (options.held_out * class.len() as f64).round() as usize;
        let count = share.max(1).min(class.len().saturating_sub(1));
        class[..count].iter().for_each(|&index| chosen[index] = true);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(held_out: f64, held_out_seed: u64) -> ReadOptions {
        ReadOptions { held_out, held_out_seed, ..ReadOptions::default() }
    }

    fn chosen(labels: &[u8], options: &ReadOptions) -> Vec<usize> {
        let flags = held_out(labels, |index| index.to_string(), options);
        (0..labels.len()).filter(|&index| flags[index]).collect()
    }

    #[test]
    fn of_each_class_a_share_but_never_all() {
        // 40 of class 0, 25 of class 1, 2 of class 7, 1 of class 255.
        let labels: Vec<u8> = [(0, 40), (1, 25), (7, 2), (255, 1)].iter().flat_map(|&(c, n)| vec![c; n]).collect();
        let of_class = |options: &ReadOptions| {
            let chosen = chosen(&labels, options);
            [0, 1, 7, 255].map(|class| chosen.iter().filter(|&&index| labels[index] == class).count())
        };
        assert_eq!(of_class(&options(0.1, 0)), [4, 3, 1, 0]);
        assert_eq!(of_class(&options(0.01, 0)), [1, 1, 1, 0]);
        assert_eq!(of_class(&options(0.99, 0)), [39, 24, 1, 0]);
        assert_eq!(of_class(&options(0.0, 0)), [0; 4]);
    }

    #[test]
    fn the_seed_chooses_and_the_order_does_not() {
        let labels = [0; 50];
        let first = chosen(&labels, &options(0.2, 0));
        assert_eq!(first, chosen(&labels, &options(0.2, 0)));
        assert_ne!(first, chosen(&labels, &options(0.2, 1)));
        // The same images found in the opposite order.
        let backwards = held_out(&labels, |index| (49 - index).to_string(), &options(0.2, 0));
        let backwards: Vec<_> = (0..50).rev().filter(|&index| backwards[index]).map(|index| 49 - index).collect();
        assert_eq!(first, backwards);
    }
}
