//! index.html: the run as a page that needs no server and no other site.

use anyhow::Context;
use minijinja::{Environment, Value, context};
use programs::write_atomically;

use crate::config;
use crate::folder::Folder;
use crate::previews;
use crate::settings::Settings;

const TEMPLATE: (&str, &str) = ("page.html", include_str!("page.html"));

/// How a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It goes on.
    Training,
    /// All steps are taken.
    Complete,
    /// The user stopped it; it can be resumed.
    Interrupted,
    /// It cannot go on, for this reason.
    Failed(String),
}

/// What a page shows.
pub struct Page<'a> {
    /// Where it is, with its pictures.
    pub folder: &'a Folder,
    /// The settings of the run.
    pub settings: &'a Settings,
    /// How it is.
    pub state: &'a State,
    /// Steps taken.
    pub step: u32,
    /// What is trained on what, in a sentence.
    pub about: &'a str,
    /// Loss, rate and time left, once there are any.
    pub summary: Option<String>,
    /// Whether there is a picture of the loss over time.
    pub loss_by_time: bool,
}

impl Page<'_> {
    /// Writes the page.
    pub fn write(&self) -> anyhow::Result<()> {
        let html = self.html()?;
        Ok(write_atomically(self.folder.page(), |file| file.write_all(html.as_bytes()))?)
    }

    fn html(&self) -> anyhow::Result<String> {
        let root = self.folder.root();
        let root = std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf());
        let (state, reason) = match self.state {
            State::Training => ("training", None),
            State::Complete => ("complete", None),
            State::Interrupted => ("interrupted", None),
            State::Failed(reason) => ("failed", Some(reason)),
        };
        let setting = |(key, value)| context! { key, value, explanation => config::explanation(key) };
        let settings: Vec<Value> = self.settings.keys().into_iter().map(setting).collect();
        let grid = |step| {
            let path = self.folder.sample(step);
            let file = path.strip_prefix(self.folder.root()).unwrap_or(&path).to_string_lossy();
            context! { step, file }
        };
        let grids: Vec<Value> = self.folder.sampled(self.step).into_iter().map(grid).collect();
        let mut environment = Environment::new();
        environment.add_template(TEMPLATE.0, TEMPLATE.1).context("the template of the page")?;
        let page = environment.get_template(TEMPLATE.0).and_then(|template| {
            template.render(context! {
                name => root.file_name().map(|name| name.to_string_lossy()),
                folder => self.folder.root().to_string_lossy(),
                about => self.about,
                state,
                reason,
                step => self.step,
                steps => self.settings.steps,
                summary => self.summary.as_deref(),
                grids,
                about_grids => previews::description(self.settings.model.classes),
                loss_by_time => self.loss_by_time,
                settings,
                written => jiff::ZonedDateTime::now().strftime("%Y-%m-%d %H:%M:%S").to_string(),
            })
        });
        page.context("the page of the run")
    }
}
