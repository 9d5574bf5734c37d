//! `completions`: prints what a shell needs to complete our arguments, whatever the environment says.

use std::io;

use clap_complete::Shell;

use crate::cli;
use crate::exit::ExitCode;
use crate::settings::LogFormat;

use super::write_out;

/// Prints the script.
pub(super) fn run(shell: Shell) -> ExitCode {
    match write_out(&mut io::stdout(), |out| out.write_all(cli::completions(shell).as_bytes())) {
        Ok(()) => ExitCode::Done,
        Err(error) => {
            error.say(LogFormat::Plain);
            error.exit_code()
        }
    }
}
