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
            let mut error = Error::from(error);
            if has_report(asked.command) {
                error = print_error(asked.command, &rest, error);
            } else if asked.command == "status" {
                error = status::print_error(&rest, error);
            }
            error.say(rest.log_format);
            last_words(rest.termination_log.as_deref(), &error.to_string());
            return error.exit_code();
        }
    };
    let is_drawn = asked.command == "status" && status::is_drawn(&settings);
    // A line of the log would tear a drawing apart, and says nothing that is not in it.
    telemetry::start(settings.log_format, if is_drawn { LogLevel::Error } else { settings.log_level });
    telemetry::hide(connect::credentials(&settings));
    if !settings.output.is_of(asked.command) {
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
    let Some(command) = command.filter(|command| has_report(command) && settings.output == Output::Json) else {
        return ExitCode::Usage;
    };
    let text = error.to_string();
    let (text, _usage) = text.split_once("Usage:").unwrap_or((&text, ""));
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let words = lines.join("; ").trim_start_matches("error: ").to_owned();
    let masker = telemetry::masker();
    let report = Report::of_errors(command, &settings.templates.owner(), [words], &masker);
    match print(&report, settings.output) {
        Ok(()) => ExitCode::Usage,
        Err(error) => {
            error.say(settings.log_format);
            error.exit_code()
        }
    }
}

/// `1 job`, `2 jobs`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Whether a command leaves a report on standard output.
fn has_report(command: &str) -> bool {
    matches!(command, "plan" | "apply" | "check" | "restore" | "clone" | "enable" | "destroy")
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
        Output::Json | Output::Sarif | Output::OpenMetrics => write_out(&mut io::stdout(), |out| {
            serde_json::to_writer(&mut *out, report)?;
            out.write_all(b"\n")
        }),
    }
}

/// Where JSON is wanted, an error is a report too: whoever reads standard output gets one in every case.
fn print_error(command: &'static str, settings: &Settings, error: Error) -> Error {
    if settings.output != Output::Text {
        let masker = telemetry::masker();
        let report = Report::of_errors(command, &settings.templates.owner(), error.each(), &masker);
        if let Err(output) = print(&report, settings.output) {
            return output;
        }
    }
    error
}

/// Writes to standard output. A reader that has gone away has seen enough.
fn write_out(out: &mut dyn Write, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let mut out = BufWriter::new(out);
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Error::Output),
    }
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
