//! Everything that can end a command early, and its exit code.

use std::io;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use crate::dkron::WaitError;
use crate::exit::ExitCode;
use crate::fetch::FetchError;
use crate::plan::PlanError;
use crate::render::{Problem, Problems};
use crate::settings::{LogFormat, SettingsError};
use crate::shutdown::Signal;
use crate::telemetry;

/// How wide errors are drawn, in characters.
const ERROR_WIDTH: usize = 100;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Flags or environment.
    #[error("{0}")]
    Settings(#[from] SettingsError),
    /// Templates, their tables or variables.
    #[error("{0}")]
    Problems(#[from] Problems),
    /// A file with credentials or certificates.
    #[error("{what} {file}: {problem}")]
    File {
        /// The option that names it.
        what: &'static str,
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A table from a URL.
    #[error("{0}")]
    Fetch(#[from] FetchError),
    /// Dkron.
    #[error("{0}")]
    Wait(#[from] WaitError),
    /// No plan.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// Standard output.
    #[error("standard output cannot be written: {0}")]
    Output(io::Error),
    /// Signal handlers.
    #[error("signals cannot be listened to: {0}")]
    Signals(io::Error),
    /// A signal, before anything was written.
    #[error("stopped by {}; nothing was written", .0.name())]
    Stopped(Signal),
}

impl Error {
    /// The exit code that this error stands for.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(_)
            | Self::Problems(_)
            | Self::File { .. }
            | Self::Wait(WaitError::Denied(_))
            | Self::Plan(PlanError::ParentMissing(_) | PlanError::Cycle(_)) => ExitCode::Usage,
            Self::Fetch(FetchError::TimedOut { .. }) | Self::Wait(WaitError::TimedOut { .. }) => ExitCode::TimedOut,
            Self::Fetch(_) | Self::Wait(WaitError::BarrierStored { .. }) | Self::Output(_) | Self::Signals(_) => {
                ExitCode::Failed
            }
            Self::Plan(PlanError::Conflict(_) | PlanError::Refused(_)) => ExitCode::Refused,
            Self::Stopped(signal) => signal.exit_code(),
        }
    }

    /// What is wrong, one by one.
    pub(super) fn each(&self) -> Vec<String> {
        match self {
            Self::Settings(error) => error.problems.clone(),
            Self::Problems(problems) => problems.iter().map(Problem::one_line).collect(),
            Self::Plan(PlanError::Conflict(conflicts)) => conflicts.iter().map(ToString::to_string).collect(),
            Self::Plan(PlanError::ParentMissing(missing)) => missing.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        }
    }

    /// Says it on standard error: drawn with its snippets for people, one log line a problem for collectors.
    pub(super) fn say(&self, format: LogFormat) {
        let format = telemetry::log_format(format);
        match self {
            Self::Problems(problems) if format != LogFormat::Json => {
                for problem in problems.iter() {
                    telemetry::say(&draw(problem));
                }
                let count = problems.iter().count();
                telemetry::say(&format!(
                    "error: {count} problem{}; nothing was written\n",
                    if count == 1 { "" } else { "s" }
                ));
            }
            Self::Problems(problems) => {
                for problem in problems.iter() {
                    let (line, column) = problem.position().unzip();
                    let (file, snippet, remedy) = (problem.file(), problem.snippet(), problem.remedy());
                    tracing::error!(file, line, column, snippet, remedy, "{}", problem.one_line());
                }
            }
            other if format == LogFormat::Json => tracing::error!("{other}"),
            other => {
                for line in other.to_string().lines() {
                    telemetry::say(&format!("error: {line}\n"));
                }
            }
        }
    }
}

/// A problem with its snippet, for a terminal.
pub(super) fn draw(problem: &dyn Diagnostic) -> String {
    let theme = if telemetry::colour() { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(ERROR_WIDTH).with_links(false);
    let mut drawn = String::new();
    match handler.render_report(&mut drawn, problem) {
        Ok(()) => drawn,
        Err(_) => format!("error: {problem}\n"),
    }
}
