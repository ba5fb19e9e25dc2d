//! Group E: embeddings, and the layout of patches.

/// Cosines, then sines, of (scale · t) · frequency. The angle is rounded as f32 rounds it: at 1000
/// its last bit is 6e-5, which is no fault of the kernel. From 2²⁴ on, where an f32 is no longer
/// good to a radian, there is no feature.
pub fn time_features(time: &[f32], frequencies: &[f32], scale: f32) -> Vec<f64> {
    let row = |t: &f32| {
        let defined = |angle: f32| if angle.abs() < 16_777_216.0 { f64::from(angle) } else { f64::NAN };
        let angles: Vec<f64> = frequencies.iter().map(|f| defined(scale * t * f)).collect();
        let cosines: Vec<f64> = angles.iter().map(|a| a.cos()).collect();
        cosines.into_iter().chain(angles.into_iter().map(f64::sin)).collect::<Vec<_>>()
    };
    time.iter().flat_map(row).collect()
}

/// How images are cut: C channels, images S wide and high, patches p wide and high.
#[derive(Clone, Copy, Debug)]
pub struct Patches {
    /// C
    pub channels: usize,
    /// S
    pub side: usize,
    /// p
    pub patch: usize,
    /// The columns of a patch are (channel, row, column) if true, else (row, column, channel).
    pub channel_first: bool,
}

impl Patches {
    /// Elements of an image.
    pub fn image(&self) -> usize {
        self.channels * self.side * self.side
    }

    /// For each element of the patches of one image, in order, its place in the image.
    fn places(&self) -> Vec<usize> {
        let (p, n) = (self.patch, self.side / self.patch);
        let mut places = Vec::new();
        for (patch_row, patch_column) in (0..n * n).map(|token| (token / n, token % n)) {
            for column in 0..self.channels * p * p {
                let (c, i, j) = match self.channel_first {
                    true => (column / (p * p), column / p % p, column % p),
                    false => (column % self.channels, column / (self.channels * p), column / self.channels % p),
                };
                places.push((c * self.side + patch_row * p + i) * self.side + patch_column * p + j);
            }
        }
        places
    }

    /// The patches of `batch` images; image b is taken from b modulo the number of images there are.
    pub fn patchify(&self, images: &[f32], batch: usize) -> Vec<f64> {
        let (places, sources) = (self.places(), images.len() / self.image());
        let image = |b: usize| places.iter().map(move |place| images[b % sources * self.image() + place]);
        (0..batch).flat_map(|b| image(b).map(f64::from).collect::<Vec<_>>()).collect()
    }

    /// The images whose patches these are.
    pub fn unpatchify(&self, patches: &[f32]) -> Vec<f64> {
        let mut images = vec![f64::NAN; patches.len()];
        for (patches, image) in patches.chunks(self.image()).zip(images.chunks_mut(self.image())) {
            self.places().into_iter().zip(patches).for_each(|(place, value)| image[place] = f64::from(*value));
        }
        images
    }
}

/// x + positions, the same positions for each sample.
pub fn add_positions(positions: &[f32], x: &[f32]) -> Vec<f64> {
    x.iter().zip(positions.iter().cycle()).map(|(x, p)| f64::from(*x) + f64::from(*p)).collect()
}

/// x plus the row of the table that each label names; NaN where there is no such row.
pub fn label_embedding(labels: &[u32], table: &[f32], x: &[f32]) -> Vec<f64> {
    let width = x.len() / labels.len();
    let entry = |i: usize| table.get(labels[i / width] as usize * width + i % width).copied().unwrap_or(f32::NAN);
    x.iter().enumerate().map(|(i, x)| f64::from(*x) + f64::from(entry(i))).collect()
}

/// The gradient of the table: each row gets the sum of the upstream rows whose label names it.
pub fn label_embedding_backward(labels: &[u32], upstream: &[f32], rows: usize) -> Vec<f64> {
    let width = upstream.len() / labels.len();
    let mut out = vec![0.0; rows * width];
    for (label, upstream) in labels.iter().zip(upstream.chunks(width)).filter(|(label, _)| (**label as usize) < rows) {
        let row = &mut out[*label as usize * width..][..width];
        row.iter_mut().zip(upstream).for_each(|(out, upstream)| *out += f64::from(*upstream));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels, 2x2 images, patches of 2 and of 1, written out by hand.
    #[test]
    fn patches_are_cut_as_the_field_cuts_them() {
        let image: Vec<f32> = (0..8).map(|i| i as f32).collect();
        let cut = |patch, channel_first| {
            Patches { channels: 2, side: 2, patch, channel_first }
                .patchify(&image, 1)
                .iter()
                .map(|v| *v as u8)
                .collect()
        };
        let expect = |got: Vec<u8>, want: [u8; 8]| assert_eq!(got, want);
        expect(cut(2, true), [0, 1, 2, 3, 4, 5, 6, 7]);
        expect(cut(2, false), [0, 4, 1, 5, 2, 6, 3, 7]);
        expect(cut(1, true), [0, 4, 1, 5, 2, 6, 3, 7]);
    }
}
