//! A run from start to end.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use datasets::Splits;
use dit::Dit;
use flow::{Images, StepRecord, Training};
use programs::say;
use runtime::Stream;

use crate::arguments::Arguments;
use crate::checkpoint::{self, Checkpoint};
use crate::folder::Folder;
use crate::interrupt::{self, Interrupt};
use crate::metrics::Metrics;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::{data, previews};

struct Run<'a> {
    arguments: &'a Arguments,
    settings: Settings,
    folder: Folder,
    metrics: Metrics,
    progress: Progress,
    training: Training,
    stream: Stream,
    /// The step of the last checkpoint, once there is one.
    saved: Option<u32>,
    /// Whether the trace is over.
    traced: bool,
}

/// Trains as the arguments say.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    arguments.trace.check()?;
    let resumed = match &arguments.resume {
        Some(root) => {
            let folder = Folder::existing(root)?;
            let checkpoint = Checkpoint::load(&folder.checkpoint())?;
            Some((folder, checkpoint))
        }
        None => None,
    };
    let began_with = resumed.as_ref().and_then(|(_, checkpoint)| checkpoint.settings.data.directory.as_deref());
    let splits = data::load(arguments.data.as_deref().or(began_with))?;
    if let Some((_, checkpoint)) = &resumed {
        checkpoint.settings.data.expect(&splits.train)?;
    }
    let device = arguments.trace.open(&arguments.device)?;
    let mut stream = device.stream()?;
    let images = Images::upload(&mut stream, splits.train.images(), splits.train.labels())?;
    let mut run = match resumed {
        Some((folder, checkpoint)) => Run::resume(arguments, stream, folder, &checkpoint, images)?,
        None => {
            let settings = Settings::new(arguments, &splits, device.is_hardware_gpu())?;
            Run::start(arguments, stream, settings, &splits, images)?
        }
    };
    run.announce(&splits);
    run.train()
}

impl<'a> Run<'a> {
    fn start(
        arguments: &'a Arguments,
        mut stream: Stream,
        settings: Settings,
        splits: &Splits,
        images: Images,
    ) -> anyhow::Result<Self> {
        let folder = Folder::create(arguments.out.as_deref(), &splits.name)?;
        let metrics = Metrics::create(&folder.metrics())?;
        let model = Dit::new(&mut stream, settings.model, settings.seed)?;
        let training = Training::new(&mut stream, model, images, settings.train_options())?;
        let progress = Progress::new(0, settings.steps, settings.batch);
        Ok(Self { arguments, settings, folder, metrics, progress, training, stream, saved: None, traced: false })
    }

    fn resume(
        arguments: &'a Arguments,
        mut stream: Stream,
        folder: Folder,
        checkpoint: &Checkpoint,
        images: Images,
    ) -> anyhow::Result<Self> {
        let settings = checkpoint.settings.resumed(arguments, images.count())?;
        let model = Dit::new(&mut stream, settings.model, settings.seed)?;
        let mut training = Training::new(&mut stream, model, images, settings.train_options())?;
        checkpoint.restore(&mut stream, &mut training)?;
        if checkpoint.steps >= settings.steps {
            // It may have been stopped between its last checkpoint and the weights.
            checkpoint::save_weights(&mut stream, &training, &folder.weights())?;
            bail!(
                "the run in {} is complete after {} steps; lengthen it with --steps or --epochs",
                folder.root().display(),
                checkpoint.steps
            );
        }
        let metrics = Metrics::resume(&folder.metrics(), checkpoint.steps)?;
        let progress = Progress::new(checkpoint.steps, settings.steps, settings.batch);
        let saved = Some(checkpoint.steps);
        Ok(Self { arguments, settings, folder, metrics, progress, training, stream, saved, traced: false })
    }

    fn announce(&self, splits: &Splits) {
        let Settings { model, batch, steps, .. } = &self.settings;
        let parameters = self.training.model.parameters().count();
        say(format_args!(
            "Training on {}: {:.2} M parameters (patch {}, width {}, depth {}, heads {}), {} images of {} ({}×{}), batch {batch}",
            self.stream.device(),
            parameters as f64 / 1e6,
            model.patch,
            model.width,
            model.depth,
            model.heads,
            splits.train.count(),
            splits.name,
            model.side,
            model.side,
        ));
        match self.training.optimizer.steps {
            0 => say(format_args!("{steps} steps into {}", self.folder.root().display())),
            done => say(format_args!("Resuming {} after step {done} of {steps}", self.folder.root().display())),
        }
    }

    fn train(&mut self) -> anyhow::Result<ExitCode> {
        let interrupt = Interrupt::listen()?;
        let started = Instant::now();
        let first = self.training.optimizer.steps;
        self.arguments.trace.start(&mut self.stream)?;
        while self.training.optimizer.steps < self.settings.steps && !interrupt.requested() {
            let step = self.training.optimizer.steps;
            self.training.step(&mut self.stream, self.settings.rate_at(step))?;
            if step == first {
                self.progress.say(&format!("Training takes {} of device memory", memory(&self.stream)));
            }
            if self.stream.profile_is_full() {
                self.write_trace()?;
            }
            self.after_step(step + 1)?;
        }
        self.write_trace()?;
        self.read_log()?;
        let step = self.training.optimizer.steps;
        if self.saved != Some(step) {
            self.save(step)?;
        }
        if step == self.settings.steps {
            self.preview(step);
        }
        self.progress.finish();
        let root = self.folder.root().display();
        if step < self.settings.steps {
            say(format_args!("Interrupted after step {step}, and saved; go on with --resume {root}"));
            return Ok(ExitCode::from(interrupt::EXIT_STATUS));
        }
        say(format_args!(
            "Trained {step} steps, loss {:.4}, in {:.0} s; at most {} of device memory",
            self.progress.loss(),
            started.elapsed().as_secs_f64(),
            memory(&self.stream)
        ));
        say(format_args!(
            "Wrote {}; see its digits with: sampler --weights {root}/weights.safetensors",
            self.folder.weights().display()
        ));
        Ok(ExitCode::SUCCESS)
    }

    /// Writes the trace, once: where it is as long as it may be, or at the end.
    fn write_trace(&mut self) -> anyhow::Result<()> {
        if self.traced {
            return Ok(());
        }
        self.traced = true;
        if let Some(line) = self.arguments.trace.write(&mut self.stream)? {
            self.progress.say(&line);
        }
        Ok(())
    }

    fn after_step(&mut self, step: u32) -> anyhow::Result<()> {
        if step.is_multiple_of(self.arguments.log_every) || self.training.log_is_full() {
            self.read_log()?;
        }
        if step.is_multiple_of(self.arguments.checkpoint_every) {
            self.read_log()?;
            self.save(step)?;
        }
        let every = self.arguments.sample_every;
        if every > 0 && step.is_multiple_of(every) && step < self.settings.steps {
            self.read_log()?;
            self.preview(step);
        }
        Ok(())
    }

    /// Draws samples. A picture that cannot be drawn or written is no reason to stop training.
    fn preview(&mut self, step: u32) {
        let path = self.folder.sample(step);
        let Settings { batch, seed, .. } = self.settings;
        let drawn = previews::write(&mut self.stream, &self.training.averaged_model(), &path, seed, batch);
        self.progress.say(&match drawn {
            Ok(()) => format!("step {step}  samples in {}", path.display()),
            Err(error) => format!("step {step}  no samples: {error:#}"),
        });
        self.progress.pause_over();
    }

    /// Reads the records of the last steps; a checkpoint is written only after this has found
    /// their losses finite.
    fn read_log(&mut self) -> anyhow::Result<()> {
        let records = self.training.read_log(&mut self.stream)?;
        if let Some(StepRecord { step, loss, gradient_norm }) =
            records.iter().find(|record| !(record.loss.is_finite() && record.gradient_norm.is_finite()))
        {
            self.progress.finish();
            let kept = match self.saved {
                Some(saved) => format!("the checkpoint of step {saved} in {} is kept", self.folder.root().display()),
                None => "there was no checkpoint yet".to_owned(),
            };
            bail!(
                "training diverged at step {step} (loss {loss}, gradient norm {gradient_norm}); {kept}: try a lower --lr"
            );
        }
        self.metrics.append(&records, |step| self.settings.rate_at(step))?;
        self.progress.update(&records);
        Ok(())
    }

    fn save(&mut self, step: u32) -> anyhow::Result<()> {
        checkpoint::save(&mut self.stream, &self.training, &self.settings, &self.folder.checkpoint())?;
        checkpoint::save_weights(&mut self.stream, &self.training, &self.folder.weights())?;
        self.saved = Some(step);
        self.progress.pause_over();
        Ok(())
    }
}

/// What the device had to have for the buffers so far.
fn memory(stream: &Stream) -> String {
    format!("{:.1} MiB", stream.device().memory().peak_held as f64 / 1_048_576.0)
}
