//! Why a command ends early: what happened, why, and what to do, with the exit code that it stands for.

use std::{fmt, io};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use crate::dkron::{Phase, WaitError};
use crate::exit::ExitCode;
use crate::fetch::FetchError;
use crate::lint::Finding;
use crate::plan::PlanError;
use crate::render::{Problem, Problems};
use crate::settings::LogFormat;
use crate::shutdown::Signal;
use crate::store::StoreError;
use crate::telemetry;
use crate::words::counted;

/// How wide errors are drawn, in characters.
const ERROR_WIDTH: usize = 100;

/// Why a command ended early: `what: why; remedy`, or `what`, each and `remedy` on lines of their own.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    /// What happened.
    what: String,
    /// Why; empty where what happened says it.
    why: String,
    /// Where several things are wrong: each for itself.
    each: Vec<String>,
    /// What to do about it; empty where the others say it.
    remedy: String,
}

/// The kind of an error: it decides the exit code, and whether the program can go on.
#[derive(Debug)]
pub enum Kind {
    /// Flags, environment, or a file that they name.
    Usage,
    /// Templates, their tables or variables.
    Templates(Problems),
    /// Jobs that must not be written.
    Lint(Vec<Finding>),
    /// A guard, another owner, or a server that is too old.
    Refused,
    /// A disk, a store, a data source, or a Dkron that is none.
    Failed,
    /// Standard output.
    Output(io::Error),
    /// Dkron cannot be trusted in time; how far it got.
    NoDkron(Phase),
    /// A data URL gives no table in time.
    NoTable,
    /// A Dkron that runs no job.
    Failing,
    /// A signal, before anything was written.
    Stopped(Signal),
}

impl Error {
    /// An error that says itself why; `what` is a sentence without its full stop.
    pub(super) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: String::new(), each: Vec::new(), remedy: String::new() }
    }

    /// One that consists of several.
    pub(super) fn of_each(kind: Kind, each: Vec<String>) -> Self {
        Self { each, ..Self::new(kind, "") }
    }

    /// The same, and why it happened.
    pub(super) fn because(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    /// The same, and what to do about it.
    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }

    /// Jobs that must not be written, for these findings.
    pub(super) fn lint(findings: Vec<Finding>) -> Self {
        let what = format!(
            "{} of lint; nothing was written. `--no-lint` writes all the same",
            counted(findings.len(), "error")
        );
        let each = findings.iter().map(Finding::one_line).collect();
        // What is read of the termination log is its beginning.
        Self { what, ..Self::of_each(Kind::Lint(findings), each) }
    }

    /// Standard output cannot be written.
    pub(super) fn output(error: io::Error) -> Self {
        let why = error.to_string();
        Self::new(Kind::Output(error), "standard output cannot be written").because(why)
    }

    /// Its kind.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The same error, for a command to which a Dkron whose scheduler does not start is a failure, and no matter of time.
    pub(super) fn without_scheduler(self) -> Self {
        match self.kind {
            Kind::NoDkron(Phase::Scheduler) => Self { kind: Kind::Failing, ..self },
            _ => self,
        }
    }

    /// The exit code that it stands for.
    pub fn exit_code(&self) -> ExitCode {
        match &self.kind {
            Kind::Usage | Kind::Templates(_) => ExitCode::Usage,
            Kind::Lint(_) => ExitCode::Lint,
            Kind::Refused => ExitCode::Refused,
            Kind::Failed | Kind::Output(_) => ExitCode::Failed,
            Kind::NoDkron(_) | Kind::NoTable => ExitCode::TimedOut,
            Kind::Failing => ExitCode::Failing,
            Kind::Stopped(signal) => signal.exit_code(),
        }
    }

    /// What is wrong, one by one.
    pub(super) fn each(&self) -> Vec<String> {
        if self.each.is_empty() { vec![self.to_string()] } else { self.each.clone() }
    }

    /// Says it on standard error: drawn with its snippets for people, one log line a problem for collectors.
    pub(super) fn say(&self, format: LogFormat) {
        let is_json = telemetry::log_format(format) == LogFormat::Json;
        match &self.kind {
            Kind::Templates(problems) if is_json => {
                for problem in problems.iter() {
                    let (line, column) = problem.position().unzip();
                    let (file, snippet, remedy) = (problem.file(), problem.snippet(), problem.remedy());
                    tracing::error!(file, line, column, snippet, remedy, "{}", problem.one_line());
                }
            }
            Kind::Templates(problems) => {
                let count = counted(problems.iter().count(), "problem");
                say_drawn(problems.iter(), &format!("{count}; nothing was written"));
            }
            Kind::Lint(findings) if !is_json => say_drawn(findings.iter(), &self.what),
            _ if is_json => self.to_string().lines().for_each(|line| tracing::error!("{line}")),
            _ => self.to_string().lines().for_each(|line| telemetry::say(&format!("error: {line}\n"))),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = if self.why.is_empty() { self.what.clone() } else { format!("{}: {}", self.what, self.why) };
        let parts = [&first].into_iter().chain(&self.each).chain([&self.remedy]);
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).map(String::as_str).collect();
        f.write_str(&parts.join(if self.each.is_empty() { "; " } else { "\n" }))
    }
}

impl std::error::Error for Error {}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        let each = problems.iter().map(Problem::one_line).collect();
        Self::of_each(Kind::Templates(problems), each)
    }
}

impl From<FetchError> for Error {
    fn from(error: FetchError) -> Self {
        let kind = match error {
            FetchError::TimedOut { .. } => Kind::NoTable,
            FetchError::Url { .. } | FetchError::Refused { .. } => Kind::Failed,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<WaitError> for Error {
    fn from(error: WaitError) -> Self {
        let kind = match error {
            WaitError::TimedOut { phase, .. } => Kind::NoDkron(phase),
            WaitError::Denied(_) => Kind::Usage,
            WaitError::BarrierStored { .. } => Kind::Failed,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        match &error {
            PlanError::ParentMissing(missing) => Self::of_each(Kind::Usage, texts(missing)),
            PlanError::Cycle { .. } => Self::new(Kind::Usage, error.to_string()),
            PlanError::Conflict(conflicts) => Self::of_each(Kind::Refused, texts(conflicts)),
            PlanError::Refused(_) => Self::new(Kind::Refused, error.to_string()),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let kind = match error {
            StoreError::Location { .. } => Kind::Usage,
            StoreError::Exists { .. } => Kind::Refused,
            _ => Kind::Failed,
        };
        Self::new(kind, error.to_string())
    }
}

fn texts<T: ToString>(each: &[T]) -> Vec<String> {
    each.iter().map(ToString::to_string).collect()
}

/// Draws what is wrong, and says what comes of it.
fn say_drawn<'d, D: Diagnostic + 'd>(problems: impl Iterator<Item = &'d D>, verdict: &str) {
    for problem in problems {
        telemetry::say(&draw(problem, telemetry::colour()));
    }
    telemetry::say(&format!("error: {verdict}\n"));
}

/// A problem with its snippet, for a terminal.
pub(super) fn draw(problem: &dyn Diagnostic, colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(ERROR_WIDTH).with_links(false);
    let mut drawn = String::new();
    match handler.render_report(&mut drawn, problem) {
        Ok(()) => drawn,
        Err(_) => format!("error: {problem}\n"),
    }
}
