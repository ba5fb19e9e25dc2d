//! A run from start to end.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;
use datasets::Splits;
use dit::{Dit, Weights};
use flow::{Images, StepRecord, Training};
use programs::{counted, say};
use runtime::Stream;

use crate::arguments::Arguments;
use crate::checkpoint::{self, AFTER_DIVERGENCE, Checkpoint};
use crate::folder::Folder;
use crate::held_out::HeldOut;
use crate::interrupt::{self, Interrupt};
use crate::page::{Page, State};
use crate::previews::Preview;
use crate::progress::Progress;
use crate::records::Records;
use crate::settings::Settings;
use crate::{config, curves, data};

struct Run<'a> {
    arguments: &'a Arguments,
    settings: Settings,
    folder: Folder,
    records: Records,
    progress: Progress,
    training: Training,
    /// None where no image is held out.
    held_out: Option<HeldOut>,
    stream: Stream,
    /// What is trained on what, in a sentence.
    about: String,
    /// The step of the last checkpoint, once there is one.
    saved: Option<u32>,
    /// Whether the trace is over.
    traced: bool,
}

/// Trains as the arguments say.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    arguments.trace.check()?;
    let resumed = match &arguments.run.resume {
        Some(root) => {
            let folder = Folder::existing(root)?;
            let checkpoint = Checkpoint::load(&folder)?;
            Some((folder, checkpoint))
        }
        None => None,
    };
    let splits = data::load(&arguments.data, resumed.as_ref().map(|(_, checkpoint)| &checkpoint.settings.data))?;
    if let Some((_, checkpoint)) = &resumed {
        checkpoint.settings.data.expect(&splits.train)?;
    }
    let device = arguments.trace.open(&arguments.device)?;
    let (settings, note) = match &resumed {
        Some((_, Checkpoint { settings: began_with, .. })) => {
            let settings = began_with.resumed(arguments, splits.train.count())?;
            let note = began_with.note_of_change(&settings);
            (settings, note)
        }
        None => {
            let settings = Settings::new(arguments, &splits, device.is_large_gpu())?;
            let note = settings.note();
            (settings, note)
        }
    };
    if arguments.run.print_config {
        say(config::text(&settings, arguments).trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let mut stream = device.stream()?;
    let images = Images::upload(&mut stream, splits.train.images(), splits.train.labels())?;
    let mut run = match resumed {
        Some((folder, checkpoint)) => Run::resume(arguments, stream, settings, &splits, images, folder, &checkpoint)?,
        None => Run::start(arguments, stream, settings, &splits, images)?,
    };
    run.announce(splits.notes.iter().chain(&note))?;
    let outcome = run.train();
    if let Err(error) = &outcome {
        run.show_page(&State::Failed(format!("{error:#}")));
    }
    outcome
}

impl<'a> Run<'a> {
    fn start(
        arguments: &'a Arguments,
        mut stream: Stream,
        settings: Settings,
        splits: &Splits,
        images: Images,
    ) -> anyhow::Result<Self> {
        let folder = Folder::create(arguments.run.out.as_deref(), &splits.name)?;
        let records = Records::create(&folder)?;
        let model = match &settings.from {
            Some(path) => Dit::from_weights(&mut stream, &Weights::load(path)?)?,
            None => Dit::new(&mut stream, settings.model, settings.seed)?,
        };
        let training = Training::new(&mut stream, model, images, settings.train_options())?;
        Ok(Self::new(arguments, settings, splits, folder, records, training, stream))
    }

    fn resume(
        arguments: &'a Arguments,
        mut stream: Stream,
        settings: Settings,
        splits: &Splits,
        images: Images,
        folder: Folder,
        checkpoint: &Checkpoint,
    ) -> anyhow::Result<Self> {
        let model = Dit::new(&mut stream, settings.model, settings.seed)?;
        let mut training = Training::new(&mut stream, model, images, settings.train_options())?;
        checkpoint.restore(&mut stream, &mut training)?;
        if checkpoint.steps >= settings.steps {
            // It may have been stopped between its last checkpoint and the weights.
            checkpoint::save_weights(&mut stream, &training, &folder.weights())?;
            bail!(
                "the run in {} is complete after {}; lengthen it with --steps or --epochs",
                folder.root().display(),
                counted(checkpoint.steps as usize, "step")
            );
        }
        let records = Records::resume(&folder, checkpoint.steps)?;
        let saved = Some(checkpoint.steps);
        Ok(Self { saved, ..Self::new(arguments, settings, splits, folder, records, training, stream) })
    }

    /// A run at the step that its training is at.
    fn new(
        arguments: &'a Arguments,
        settings: Settings,
        splits: &Splits,
        folder: Folder,
        records: Records,
        training: Training,
        stream: Stream,
    ) -> Self {
        let progress = Progress::new(training.optimizer.steps, settings.steps, settings.batch);
        let held_out = HeldOut::of(&splits.test);
        let model = settings.model;
        let about = format!(
            "{}: {:.2} M parameters (patch {}, width {}, depth {}, heads {}), {} of {} ({}×{}, {}, {}), batch {}",
            stream.device(),
            training.model.parameters().count() as f64 / 1e6,
            model.patch,
            model.width,
            model.depth,
            model.heads,
            counted(splits.train.count(), "image"),
            splits.name,
            model.side,
            model.side,
            if model.channels == 1 { "grey" } else { "colour" },
            if model.classes == 1 { "1 class".into() } else { format!("{} classes", model.classes) },
            settings.batch
        );
        let (saved, traced) = (None, false);
        Self { arguments, settings, folder, records, progress, training, held_out, stream, about, saved, traced }
    }

    /// Says what begins, and writes the configuration and the page.
    fn announce<'n>(&mut self, notes: impl Iterator<Item = &'n String>) -> anyhow::Result<()> {
        let (root, all) = (self.folder.root().display(), self.settings.steps);
        let steps = counted(all as usize, "step");
        self.progress.say(&format!("Training on {}", self.about));
        for note in notes {
            self.progress.say(&format!("Note: {note}"));
        }
        self.progress.say(&match (self.training.optimizer.steps, &self.settings.from) {
            (0, Some(from)) => format!("{steps} into {root}, from {}", from.display()),
            (0, None) => format!("{steps} into {root}"),
            (done, _) => format!("Resuming {root} after step {done} of {all}"),
        });
        self.progress.say(&format!("Open {} in a browser to watch", self.folder.page().display()));
        let config = config::text(&self.settings, self.arguments);
        programs::write_atomically(self.folder.config(), |file| file.write_all(config.as_bytes()))?;
        self.show_page(&State::Training);
        Ok(())
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
        let complete = step == self.settings.steps;
        if complete {
            self.preview(step)?;
        }
        self.show_page(if complete { &State::Complete } else { &State::Interrupted });
        self.progress.finish();
        let root = self.folder.root().display();
        if !complete {
            say(format_args!("Interrupted after step {step}, and saved; go on with --resume {root}"));
            return Ok(ExitCode::from(interrupt::EXIT_STATUS));
        }
        say(format_args!(
            "Trained {}, loss {:.4}, in {:.0} s; at most {} of device memory",
            counted(step as usize, "step"),
            self.progress.loss(),
            started.elapsed().as_secs_f64(),
            memory(&self.stream)
        ));
        say(format_args!(
            "Wrote {} and {}; see more samples with: sampler --weights {root}/weights.safetensors",
            self.folder.weights().display(),
            self.folder.page().display()
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
        if step.is_multiple_of(self.arguments.output.log_every) || self.training.log_is_full() {
            self.read_log()?;
        }
        if step.is_multiple_of(self.arguments.output.checkpoint_every) {
            self.read_log()?;
            self.save(step)?;
            self.show_page(&State::Training);
        }
        let every = self.arguments.output.sample_every;
        if every > 0 && step.is_multiple_of(every) && step < self.settings.steps {
            self.read_log()?;
            self.preview(step)?;
            self.show_page(&State::Training);
        }
        Ok(())
    }

    /// Draws samples, and takes the loss on held-out images. A picture that cannot be drawn or written is no reason to
    /// stop training.
    fn preview(&mut self, step: u32) -> anyhow::Result<()> {
        let model = self.training.averaged_model();
        let path = self.folder.sample(step);
        let Settings { batch, seed, .. } = self.settings;
        let drawn = Preview::draw(&mut self.stream, &model, seed, batch).and_then(|preview| {
            programs::save_png(&path, &preview.grid)?;
            Ok(preview)
        });
        let loss = match &self.held_out {
            Some(held_out) => {
                let losses = held_out.loss(&mut self.stream, &model, batch)?;
                let loss = self.records.held_out(step, &losses)?;
                self.progress.held_out(loss);
                format!("  held out {loss:.4}")
            }
            None => String::new(),
        };
        match drawn {
            Ok(preview) => {
                self.records.samples(step, &path, &preview.grid)?;
                self.progress.say(&format!("step {step}{loss}  samples in {}", path.display()));
                self.progress.show(&preview.strip);
            }
            Err(error) => self.progress.say(&format!("step {step}{loss}  no samples: {error:#}")),
        }
        self.progress.pause_over();
        Ok(())
    }

    /// Brings the page and its pictures up to date. Where they cannot be written, that is no reason to stop training.
    fn show_page(&mut self, state: &State) {
        let step = self.training.optimizer.steps;
        let written = curves::write(&self.folder).and_then(|loss_by_time| {
            let (folder, settings, about) = (&self.folder, &self.settings, &self.about);
            let summary = self.progress.summary(step);
            Page { folder, settings, state, step, about, summary, loss_by_time }.write()
        });
        if let Err(error) = written {
            self.progress.say(&format!("step {step}  no page: {error:#}"));
        }
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
                "training diverged at step {step} (loss {loss}, gradient norm {gradient_norm}); {kept}: \
                 {AFTER_DIVERGENCE}"
            );
        }
        self.records.steps(&records, |step| self.settings.rate_at(step))?;
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
