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
mod ending;
mod error;
mod gate;
mod gather;
mod import;
mod judge;
mod lint;
mod output;
mod plan;
mod render;
mod restore;
mod saved;
mod status;
mod wait;

use std::ffi::OsString;

use crate::cli::{self, Asked};
use crate::exit::ExitCode;
use crate::report::Report;
use crate::settings::{
    self, ApplySettings, CheckSettings, CloneSettings, Command, DestroySettings, EnableSettings, LogLevel, Output,
    PlanSettings, RestoreSettings, Settings, SettingsError, VERBS,
};
use crate::shutdown::Shutdown;
use crate::telemetry;

use self::ending::{Ending, TERMINATION_LIMIT, last_words};
use self::output::{json_line, print, unless_gone, write_on, write_out};

pub use self::error::{Error, Kind};

/// Runs one command from its arguments (the program's name first) and environment to its exit code. Data goes to
/// standard output, everything else to standard error.
pub async fn run(args: Vec<OsString>, env: impl IntoIterator<Item = (OsString, OsString)>) -> ExitCode {
    let (verb, flags) = match cli::parse(args.clone()) {
        Ok(Asked::Command(verb, flags)) => (verb, flags),
        Ok(Asked::Completions(shell)) => return completions::run(shell),
        Err(error) => return refuse(&error, &args, env),
    };
    let settings = match settings::resolve(verb, &flags, env) {
        Ok(settings) => settings,
        Err(SettingsError { problems, rest }) => {
            telemetry::start(rest.log.format, LogLevel::Info);
            return end(&rest, Err(Error::of_each(Kind::Usage, problems)));
        }
    };
    let level = match &settings.command {
        // A line of the log would tear a drawing apart, and says nothing that is not in it.
        Command::Status(status) if status::is_drawn(status) => LogLevel::Error,
        _ => settings.log.level,
    };
    telemetry::start(settings.log.format, level);
    telemetry::hide(connect::credentials(&settings));
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    // Each command is a state machine of many kilobytes: it lives on the heap, once.
    end(&settings, Box::pin(execute(&settings.command)).await)
}

/// Says what is wrong with the arguments, or the help or version that they ask for.
fn refuse(error: &clap::Error, args: &[OsString], env: impl IntoIterator<Item = (OsString, OsString)>) -> ExitCode {
    // A closed pipe is nobody's error.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::Done;
    }
    let (verb, flags) = cli::guess(args);
    let settings = settings::resolve(verb.unwrap_or(&VERBS[0]), &flags, env).unwrap_or_else(|error| *error.rest);
    let text = error.to_string();
    last_words(settings.log.termination_log.as_deref(), &text);
    if verb.is_none() {
        return ExitCode::Usage;
    }
    let (text, _usage) = text.split_once("Usage:").unwrap_or((&text, ""));
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let words = lines.join("; ").trim_start_matches("error: ").to_owned();
    match unless_gone(print_errors(&settings, vec![words])) {
        Ok(()) => ExitCode::Usage,
        Err(error) => {
            error.say(settings.log.format);
            error.exit_code()
        }
    }
}

async fn execute(command: &Command) -> Result<Ending, Error> {
    let listening = Shutdown::listen();
    let shutdown = &listening
        .map_err(|error| Error::new(Kind::Failed, "signals cannot be listened to").because(error.to_string()))?;
    match command {
        Command::Wait(settings) => Box::pin(wait::run(settings, shutdown)).await,
        Command::Render(settings) => Box::pin(render::run(settings, shutdown)).await,
        Command::Lint(settings) => Box::pin(lint::run(settings, shutdown)).await,
        Command::Plan(settings) => Box::pin(plan::run(settings, shutdown)).await,
        Command::Apply(settings) => Box::pin(apply::run(settings, shutdown)).await,
        Command::Check(settings) => Box::pin(check::run(settings, shutdown)).await,
        Command::Status(settings) => Box::pin(status::run(settings, shutdown)).await,
        Command::Backup(settings) => Box::pin(backup::run(settings, shutdown)).await,
        Command::BackupList(settings) => Box::pin(backup::list(settings, shutdown)).await,
        Command::BackupVerify(settings) => Box::pin(backup::verify(settings, shutdown)).await,
        Command::Restore(settings) => Box::pin(restore::run(settings, shutdown)).await,
        Command::Clone(settings) => Box::pin(clone::run(settings, shutdown)).await,
        Command::Enable(settings) => Box::pin(enable::run(settings, shutdown)).await,
        Command::Import(settings) => Box::pin(import::run(settings, shutdown)).await,
        Command::Destroy(settings) => Box::pin(destroy::run(settings, shutdown)).await,
    }
}

/// Says how a command ended, and leaves its last words.
fn end(settings: &Settings, ended: Result<Ending, Error>) -> ExitCode {
    let Ending { exit, last } = ended.unwrap_or_else(|error| {
        let error = print_error(settings, error);
        error.say(settings.log.format);
        Ending { exit: error.exit_code(), last: error.to_string() }
    });
    last_words(settings.log.termination_log.as_deref(), &last);
    exit
}

/// Prints an error on standard output where that is for machines, so that a report can always be parsed. Returns the error to show on
/// standard error.
fn print_error(settings: &Settings, error: Error) -> Error {
    match (&settings.command, error.kind()) {
        // A stopped run owes no status.
        (Command::Status(_), Kind::Stopped(_)) | (_, Kind::Output(_)) => error,
        _ => unless_gone(print_errors(settings, error.each())).err().unwrap_or(error),
    }
}

/// Prints what is wrong in the command's own form, if that is not for people. `import` and `backup` tell theirs on standard error
/// only.
fn print_errors(settings: &Settings, errors: Vec<String>) -> Result<(), Error> {
    let masker = telemetry::masker();
    let target = match &settings.command {
        Command::Wait(_)
        | Command::Render(_)
        | Command::Backup(_)
        | Command::BackupList(_)
        | Command::BackupVerify(_)
        | Command::Import(_) => return Ok(()),
        Command::Status(status) => return status::print_errors(status, errors, &masker),
        Command::Lint(lint) => return lint::print_errors(lint.output, &errors, &masker),
        Command::Plan(PlanSettings { target, .. })
        | Command::Apply(ApplySettings { target, .. })
        | Command::Check(CheckSettings { target, .. })
        | Command::Restore(RestoreSettings { target, .. })
        | Command::Clone(CloneSettings { target, .. })
        | Command::Enable(EnableSettings { target, .. })
        | Command::Destroy(DestroySettings { target, .. }) => target,
    };
    match target.output {
        Output::Text => Ok(()),
        Output::Json => print(&Report::of_errors(settings.name, &target.policy.owner, errors, &masker), target.output),
    }
}

/// Ends a wait when we are told to stop: nothing is in hand then.
async fn or_stop<T, E: Into<Error>>(shutdown: &Shutdown, work: impl Future<Output = Result<T, E>>) -> Result<T, Error> {
    done_or_stop(shutdown, work).await?.map_err(Into::into)
}

/// The same for what cannot fail.
async fn done_or_stop<T>(shutdown: &Shutdown, work: impl Future<Output = T>) -> Result<T, Error> {
    tokio::select! {
        done = work => Ok(done),
        signal = shutdown.stopping() => {
            Err(Error::new(Kind::Stopped(signal), format!("stopped by {}; nothing was written", signal.name())))
        }
    }
}
