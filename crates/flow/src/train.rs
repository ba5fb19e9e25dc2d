//! The training step, all of it on the device.

use autograd::{AdamWOptions, Gradients, Optimizer, Tape};
use dit::{Dit, Input};
use kernels::{FlowPoint, GatherBatch, GaussianNoise, LabelDropout};
use runtime::{ALIGNMENT, Buffer, Result, Stream, wait};

use crate::TimeSampling;

/// A set of labelled images on the device, 8 bits a value.
#[derive(Clone, Debug)]
pub struct Images {
    images: Buffer,
    labels: Buffer,
    count: usize,
    size: usize,
}

impl Images {
    /// Uploads (N, C, S, S) values of 0 to 255, and N labels.
    ///
    /// # Errors
    /// What the device reports; [`runtime::Error::TooLarge`] where the set exceeds a buffer.
    pub fn upload(stream: &mut Stream, images: &[u8], labels: &[u8]) -> Result<Self> {
        let count = labels.len();
        Ok(Self {
            images: stream.upload(images)?,
            labels: stream.upload(labels)?,
            count,
            size: images.len() / count.max(1),
        })
    }

    /// The number of images.
    pub fn count(&self) -> usize {
        self.count
    }
}

/// How a model is trained; the rate, which may change, is given to each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainOptions {
    /// Images a step; no more than there are.
    pub batch: usize,
    /// The seed of shuffling, noise, times and label dropout.
    pub seed: u64,
    /// The share of labels replaced by the null class, for classifier-free guidance.
    pub label_dropout: f32,
    /// How times are drawn.
    pub times: TimeSampling,
    /// The optimiser's.
    pub adamw: AdamWOptions,
}

impl Default for TrainOptions {
    /// 64 images a step, a tenth of the labels dropped, uniform times.
    fn default() -> Self {
        Self { batch: 64, seed: 0, label_dropout: 0.1, times: TimeSampling::Uniform, adamw: AdamWOptions::default() }
    }
}

/// What a step tells about itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepRecord {
    /// The number of the step, from 1.
    pub step: u32,
    /// The mean squared error of the velocity.
    pub loss: f32,
    /// The norm of all gradients, before clipping.
    pub gradient_norm: f32,
}

/// Steps that the device keeps the records of before they have to be read.
const LOG_STEPS: usize = 64;

/// A model in training.
///
/// Every draw depends on the seed and the step alone, so that with the same parameters and
/// moments step n is the same, whether the steps before it ran in this process or not.
#[derive(Debug)]
pub struct Training {
    /// The model, with the parameters as trained so far.
    pub model: Dit,
    /// Moments, average, and the number of steps.
    pub optimizer: Optimizer,
    options: TrainOptions,
    images: Images,
    gradients: Gradients,
    log: Buffer,
    logged: usize,
}

impl Training {
    /// A training run of `model` on `images`, at its first step.
    ///
    /// # Errors
    /// What the device reports.
    pub fn new(stream: &mut Stream, model: Dit, images: Images, options: TrainOptions) -> Result<Self> {
        let optimizer = Optimizer::new(stream, model.parameters(), options.adamw)?;
        let gradients = Gradients::new(stream, model.parameters())?;
        let log = stream.allocate(LOG_STEPS * 2 * ALIGNMENT)?;
        Ok(Self { model, optimizer, options, images, gradients, log, logged: 0 })
    }

    /// The model with the average of its parameters: what samples best.
    pub fn averaged_model(&self) -> Dit {
        self.model.with_arena(self.optimizer.average.clone())
    }

    /// Whether the log is full and [`Training::read_log`] is due.
    pub fn log_is_full(&self) -> bool {
        self.logged == LOG_STEPS
    }

    /// One step at a learning rate, submitted but not waited for.
    ///
    /// # Errors
    /// What the device reports.
    ///
    /// # Panics
    /// Where the log is full.
    pub fn step(&mut self, stream: &mut Stream, rate: f32) -> Result<()> {
        assert!(!self.log_is_full(), "the log is full");
        let (loss, clip) = (self.log_slot(2 * self.logged, 1), self.log_slot(2 * self.logged + 1, 2));
        self.gradients(stream, &loss)?;
        self.optimizer.step(stream, self.model.parameters(), &self.gradients, rate, &clip)?;
        self.logged += 1;
        stream.submit()
    }

    /// The records of the steps since the last call. Waits for the device, if there are any.
    ///
    /// # Errors
    /// What the device reports.
    pub fn read_log(&mut self, stream: &mut Stream) -> Result<Vec<StepRecord>> {
        wait(self.read_log_async(stream))?
    }

    /// As [`Training::read_log`], without waiting.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn read_log_async(&mut self, stream: &mut Stream) -> Result<Vec<StepRecord>> {
        if self.logged == 0 {
            return Ok(Vec::new());
        }
        let words: Vec<f32> = stream.read_async(&self.log)?.await?;
        let first = self.optimizer.steps - self.logged as u32 + 1;
        let records = (first..)
            .zip(words.chunks_exact(2 * ALIGNMENT))
            .take(self.logged)
            .map(|(step, record)| StepRecord { step, loss: record[0], gradient_norm: record[ALIGNMENT] })
            .collect();
        self.logged = 0;
        Ok(records)
    }

    fn log_slot(&self, slot: usize, len: usize) -> Buffer {
        self.log.slice(slot * ALIGNMENT..slot * ALIGNMENT + len)
    }

    /// Draws the batch of the coming step and leaves its loss, and the gradients of all parameters.
    fn gradients(&mut self, stream: &mut Stream, loss: &Buffer) -> Result<()> {
        let (config, TrainOptions { batch, seed, label_dropout, times, .. }) = (self.model.config(), self.options);
        let (size, step) = (self.images.size, self.optimizer.steps);
        let [data, noise, point, velocity] = [(); 4].map(|()| stream.allocate(batch * size));
        let (data, noise, point, velocity) = (data?, noise?, point?, velocity?);
        let (labels, time) = (stream.allocate(batch)?, stream.allocate(batch)?);
        GatherBatch {
            images: &self.images.images,
            labels: &self.images.labels,
            out_images: &data,
            out_labels: &labels,
            seed,
            position: u64::from(step) * batch as u64,
            count: self.images.count,
            size,
            batch,
        }
        .launch(stream)?;
        let null_class = config.classes as u32;
        LabelDropout { labels: &labels, seed, step, probability: label_dropout, null_class }.launch(stream)?;
        GaussianNoise { out: &noise, seed, step, first_item: 0, items: batch, size }.launch(stream)?;
        times.draw(stream, &time, seed, step)?;
        FlowPoint {
            data: &data,
            noise: &noise,
            time: &time,
            out_point: &point,
            out_velocity: &velocity,
            path: config.path,
            batch,
            size,
        }
        .launch(stream)?;
        let mut tape = Tape::training(stream, self.model.parameters(), &mut self.gradients);
        let input = Input { images: &point, source_batch: batch, time: &time, labels: &labels, batch };
        let prediction = self.model.forward(&mut tape, &input)?;
        let loss = tape.mean_squared_error(&prediction, &velocity, loss)?;
        tape.backward(&loss)
    }
}
