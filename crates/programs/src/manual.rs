//! `--completions` and `--man`: what a shell and `man` are to know of a program, from its own flags.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

/// Whether to print completions or a manual page, and do nothing else.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Manual")]
pub struct ManualArgs {
    /// Print completions of flags for a shell, and exit
    ///
    /// For bash: PROGRAM --completions bash > ~/.local/share/bash-completion/completions/PROGRAM
    ///
    /// For fish: PROGRAM --completions fish > ~/.config/fish/completions/PROGRAM.fish
    ///
    /// For zsh: PROGRAM --completions zsh > _PROGRAM, in a directory of $fpath.
    #[arg(long, value_name = "SHELL", exclusive = true)]
    completions: Option<Shell>,

    /// Print the manual page, and exit: PROGRAM --man > PROGRAM.1; man ./PROGRAM.1
    #[arg(long, exclusive = true)]
    man: bool,
}

impl ManualArgs {
    /// Prints what was asked for, of the program whose flags are `P`. Gives the program's exit status if it
    /// has done so, and nothing where it was not asked to.
    ///
    /// # Errors
    /// Where a manual page cannot be made of the flags.
    pub fn print<P: CommandFactory>(&self) -> io::Result<Option<ExitCode>> {
        let mut text = Vec::new();
        let mut command = P::command();
        let name = command.get_name().to_owned();
        match self.completions {
            Some(shell) => generate(shell, &mut command, name, &mut text),
            None if self.man => Man::new(command).render(&mut text)?,
            None => return Ok(None),
        }
        // As with `say`: where standard output is closed nobody reads it, which is no failure.
        let _ = io::stdout().write_all(&text);
        Ok(Some(ExitCode::SUCCESS))
    }
}
