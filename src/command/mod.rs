//! The commands: gather, let the pure part decide, act, report. Nothing is decided here.

#![allow(clippy::disallowed_methods, reason = "this is where files, streams and signals meet")]

mod apply;
mod backup;
mod carry_out;
mod check;
mod clone;
mod completions;
mod connect;
mod destroy;
mod enable;
mod error;
mod gate;
mod gather;
mod import;
mod lint;
mod plan;
mod render;
mod restore;
mod saved;
mod status;
mod wait;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::cli::{self, Asked, Invocation};
use crate::exit::ExitCode;
use crate::report::{Report, Style};
use crate::settings::{self, LogLevel, Output, Settings};
use crate::shutdown::Shutdown;
use crate::telemetry;

pub use self::error::Error;

/// Where Kubernetes looks for a container's last words, and how many bytes of them it takes.
const TERMINATION_LOG: &str = "/dev/termination-log";
const TERMINATION_LIMIT: usize = 4096;
/// The widest value in a report's text, in characters.
const VALUE_WIDTH: usize = 100;

/// Runs one command from its arguments (the program's name first) and environment to its exit code. Data goes to
/// standard output, everything else to standard error.
pub async fn run(args: Vec<OsString>, env: impl IntoIterator<Item = (OsString, OsString)>) -> ExitCode {
    let asked = match cli::parse(args.clone()) {
        Ok(Asked::Command(asked)) => asked,
        Ok(Asked::Completions(shell)) => return completions::run(shell),
        Err(error) => return refuse(&error, &args, env),
    };
    let settings = match settings::resolve(&asked.flags, env) {
        Ok(settings) => settings,
        Err(error) => {
            let rest = error.rest.clone();
            telemetry::start(rest.log_format, LogLevel::Info);
            let error = print_error(asked.command, &rest, error.into());
            error.say(rest.log_format);
            last_words(rest.termination_log.as_deref(), &error.to_string());
            return error.exit_code();
        }
    };
    let is_drawn = asked.command == "status" && status::is_drawn(&settings);
    // A line of the log would tear a drawing apart, and says nothing that is not in it.
    telemetry::start(settings.log_format, if is_drawn { LogLevel::Error } else { settings.log_level });
    telemetry::hide(connect::credentials(&settings));
    let forms = Output::forms(asked.command);
    if !forms.is_empty() && !forms.iter().any(|(_, form)| *form == settings.output) {
        let error = Error::Form(asked.command);
        error.say(settings.log_format);
        last_words(settings.termination_log.as_deref(), &error.to_string());
        return error.exit_code();
    }
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    // Each command is a state machine of many kilobytes: it lives on the heap, once.
    match Box::pin(execute(&asked, &settings)).await {
        Ok(Ending { exit, last }) => {
            last_words(settings.termination_log.as_deref(), &last);
            exit
        }
        Err(error) => {
            error.say(settings.log_format);
            last_words(settings.termination_log.as_deref(), &error.to_string());
            error.exit_code()
        }
    }
}

/// Says what is wrong with the arguments, or the help or version that they ask for.
fn refuse(error: &clap::Error, args: &[OsString], env: impl IntoIterator<Item = (OsString, OsString)>) -> ExitCode {
    // A closed pipe is nobody's error.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::Done;
    }
    let (command, flags) = cli::guess(args);
    let settings = settings::resolve(&flags, env).unwrap_or_else(|error| *error.rest);
    last_words(settings.termination_log.as_deref(), &error.to_string());
    let Some(command) = command else { return ExitCode::Usage };
    let text = error.to_string();
    let (text, _usage) = text.split_once("Usage:").unwrap_or((&text, ""));
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let words = lines.join("; ").trim_start_matches("error: ").to_owned();
    match unless_gone(print_errors(command, &settings, vec![words])) {
        Ok(()) => ExitCode::Usage,
        Err(error) => {
            error.say(settings.log_format);
            error.exit_code()
        }
    }
}

/// How a command ended, and what is left to be said of it.
struct Ending {
    exit: ExitCode,
    last: String,
}

async fn execute(asked: &Invocation, settings: &Settings) -> Result<Ending, Error> {
    let shutdown = Shutdown::listen().map_err(Error::Signals)?;
    match asked.command {
        "wait" => Box::pin(wait::run(settings, &shutdown)).await,
        "render" => Box::pin(render::run(settings, &shutdown)).await,
        "plan" => Box::pin(plan::run(settings, &shutdown)).await,
        "apply" => Box::pin(apply::run(settings, &shutdown)).await,
        "lint" => Box::pin(lint::run(settings, &shutdown)).await,
        "check" => Box::pin(check::run(settings, &shutdown)).await,
        "status" => Box::pin(status::run(settings, &shutdown)).await,
        "backup" => Box::pin(backup::run(settings, &shutdown)).await,
        "backup list" => Box::pin(backup::list(settings, &shutdown)).await,
        "backup verify" => Box::pin(backup::verify(settings, &shutdown)).await,
        "restore" => Box::pin(restore::run(settings, &shutdown)).await,
        "clone" => Box::pin(clone::run(settings, &shutdown)).await,
        "enable" => Box::pin(enable::run(settings, &shutdown)).await,
        "import" => Box::pin(import::run(settings, &shutdown)).await,
        "destroy" => Box::pin(destroy::run(settings, &shutdown)).await,
        unknown => unreachable!("`{unknown}` is no command of the command line"),
    }
}

/// Ends a wait when we are told to stop: nothing is in hand then.
async fn or_stop<T>(shutdown: &Shutdown, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::select! {
        result = work => result,
        signal = shutdown.stopping() => Err(Error::Stopped(signal)),
    }
}

/// Prints a report on standard output, piece by piece: one of fifty thousand jobs is not held as a whole.
fn print(report: &Report<'_>, output: Output) -> Result<(), Error> {
    match output {
        Output::Text => {
            write_out(&mut anstream::stdout(), |out| report.write_text(out, Style { value_width: VALUE_WIDTH }))
        }
        Output::Json | Output::Sarif | Output::OpenMetrics => {
            write_out(&mut io::stdout(), |out| json_line(out, report))
        }
    }
}

/// Where no people read, an error is printed too: whoever reads the report of a command gets what they can read in every case. `import`
/// and `backup` tell theirs on standard error only.
fn print_error(command: &'static str, settings: &Settings, error: Error) -> Error {
    // Nobody waits for the status of a run that was stopped.
    if command == "status" && matches!(error, Error::Stopped(_)) {
        return error;
    }
    unless_gone(print_errors(command, settings, error.each())).err().unwrap_or(error)
}

/// Prints what is wrong in the command's own form, if that is not for people.
fn print_errors(command: &'static str, settings: &Settings, errors: Vec<String>) -> Result<(), Error> {
    let output = settings.output;
    if output == Output::Text || !Output::forms(command).iter().any(|(_, form)| *form == output) {
        return Ok(());
    }
    let masker = telemetry::masker();
    match command {
        "status" => status::print_errors(settings, errors, &masker),
        "lint" => lint::print_errors(output, &errors, &masker),
        "plan" | "apply" | "check" | "restore" | "clone" | "enable" | "destroy" => {
            print(&Report::of_errors(command, &settings.templates.owner(), errors, &masker), output)
        }
        _ => Ok(()),
    }
}

/// Writes to standard output. A reader that has gone away has seen enough.
fn write_out(out: &mut dyn Write, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    unless_gone(write_on(out, write))
}

/// The same for whoever writes again and again: that the reader has gone away is an error.
fn write_on(out: &mut dyn Write, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let mut out = BufWriter::new(out);
    write(&mut out).and_then(|()| out.flush()).map_err(Error::Output)
}

fn unless_gone(written: Result<(), Error>) -> Result<(), Error> {
    match written {
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a value as JSON on a line of its own.
fn json_line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Leaves the last words where Kubernetes looks for them. Failing to is said and changes nothing.
fn last_words(path: Option<&Path>, text: &str) {
    let default = Path::new(TERMINATION_LOG);
    let path = match path {
        Some(path) => path,
        None if default.exists() => default,
        None => return,
    };
    let text = telemetry::masked(text);
    if let Err(error) = std::fs::write(path, &text[..text.floor_char_boundary(TERMINATION_LIMIT)]) {
        tracing::warn!(path = %path.display(), %error, "the last words could not be written");
    }
}
