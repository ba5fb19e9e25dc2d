//! `datasets`: looks at images before they are trained on.

mod inspect;
mod statistics;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Looks at images before they are trained on.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  datasets inspect mnist
          the digits that are built in
  datasets inspect path/to/fashion-mnist --sheet fashion.png
          a directory of IDX files, and a picture of ten images of each class
  datasets inspect photos --image-size 64 --image-fit pad
          a folder with a subfolder for each class, as the trainer would read it with these flags

With cargo, flags come after two dashes: cargo run -p datasets -- inspect mnist";

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is there: splits, sizes, classes, pixels, copies
    Inspect(inspect::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command: Command::Inspect(arguments) } = Arguments::parse();
    programs::run(|| {
        inspect::inspect(&arguments)?;
        Ok(ExitCode::SUCCESS)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Arguments::command().debug_assert();
    }
}
