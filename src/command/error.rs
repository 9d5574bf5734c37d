//! Everything that can end a command early, and its exit code.

use std::{io, iter};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

use crate::dkron::WaitError;
use crate::exit::ExitCode;
use crate::fetch::FetchError;
use crate::import::ImportError;
use crate::job::printable;
use crate::lint::Finding;
use crate::plan::PlanError;
use crate::render::{Problem, Problems};
use crate::rewrite::RewriteError;
use crate::settings::{LogFormat, Output, SettingsError};
use crate::shutdown::Signal;
use crate::snapshot::{self, Shrunk};
use crate::store::StoreError;
use crate::telemetry;
use crate::words::counted;

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
    /// A Dkron whose scheduler does not start.
    #[error("{0}")]
    NoScheduler(WaitError),
    /// No plan.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// A place for backups, or a file in it.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A place for backups is needed.
    #[error("--backups (JOBS_BACKUPS) is needed: the folder, or the s3://, gs:// or az:// URL, where backups are kept")]
    NoStore,
    /// Nothing to read jobs from.
    #[error("no jobs to read: name a file or folder of jobs, or the place of backups with `--backups` (JOBS_BACKUPS)")]
    NoSource,
    /// No backup to read jobs from.
    #[error(
        "{place} holds no good backup of namespace `{namespace}`; `dkron-jobs backup list` shows what there is, and a file can be named"
    )]
    NoBackup {
        /// Where.
        place: String,
        /// Whose.
        namespace: String,
    },
    /// A file without a job.
    #[error("{place}: there is no job in it; name another file, or a folder of files")]
    NoJobs {
        /// The file or folder.
        place: String,
    },
    /// A Dkron without a job.
    #[error("{url} holds no job; correct `--dkron-url`, or name a file or folder of jobs")]
    NoLiveJobs {
        /// Its URL, without credentials.
        url: String,
    },
    /// Pieces of a file that are no jobs.
    #[error("{}", bad_pieces(problems, *more))]
    Jobs {
        /// The first of them.
        problems: Vec<snapshot::Problem>,
        /// How many more there are.
        more: usize,
    },
    /// Names that nobody has.
    #[error("{flag}: no job is called {}; write a whole name, or a pattern such as `refresh-*`", listed(names))]
    NothingMatches {
        /// The option that has them.
        flag: &'static str,
        /// The names.
        names: Vec<String>,
    },
    /// Nobody said which jobs.
    #[error("--only (JOBS_ONLY) is needed: the jobs to switch on, by name or like `refresh-*`")]
    WhichJobs,
    /// Nobody said which namespace to clone.
    #[error("--from-namespace (JOBS_FROM_NAMESPACE) is needed: the namespace that the jobs come from")]
    WhichNamespace,
    /// Two sources of jobs.
    #[error("{file} and --from-url (JOBS_FROM_URL): jobs can be cloned from one of them only; leave the other out")]
    TwoSources {
        /// The file or folder.
        file: String,
    },
    /// Two places of jobs to look at.
    #[error("a file and --live (JOBS_LINT_LIVE): one of them only can be looked at; leave the other out")]
    TwoPlaces,
    /// The page of lint.
    #[error(
        "--html (JOBS_LINT_HTML): {file} cannot be written: {error}; correct the path, make room, or let this user write there"
    )]
    Page {
        /// Where it was to be.
        file: String,
        /// What is wrong.
        error: io::Error,
    },
    /// What is to be rewritten does not occur.
    #[error(
        "no job of {place} calls into namespace `{namespace}` or belongs to it; nothing was written. Correct `--from-namespace`"
    )]
    NotMentioned {
        /// The namespace.
        namespace: String,
        /// Where the jobs are from.
        place: String,
    },
    /// Names that copies cannot have.
    #[error("{0}")]
    Rewrite(#[from] RewriteError),
    /// Jobs that no template gives.
    #[error("{0}")]
    Import(#[from] ImportError),
    /// Mentions of the old namespace that nobody can rewrite.
    #[error("{}", left_over(namespace, leftovers))]
    Leftovers {
        /// The namespace.
        namespace: String,
        /// Where they are, one by one.
        leftovers: Vec<String>,
    },
    /// Jobs that this Dkron is too old for.
    #[error(
        "`@after` needs Dkron 4.1 or later on every server, and {why}; nothing was written. Upgrade the servers first, or give {} another schedule: {}",
        if jobs.len() == 1 { "this job" } else { "these jobs" },
        printable(&jobs.iter().map(|job| format!("`{job}`")).collect::<Vec<_>>().join(", "))
    )]
    After {
        /// Their names.
        jobs: Vec<String>,
        /// Which server is too old, or why that cannot be told.
        why: String,
    },
    /// A list that is suddenly small.
    #[error("{0}")]
    Shrunk(#[from] Shrunk),
    /// Nobody said yes.
    #[error(
        "{}; nothing was deleted",
        if *asked { "not confirmed".to_owned() } else { format!("this would {doing}; say `--yes` (JOBS_YES) if that is meant") }
    )]
    NotConfirmed {
        /// What would be done, to which number of whose jobs.
        doing: String,
        /// Whether somebody was there to be asked.
        asked: bool,
    },
    /// A form that a command has not.
    #[error("--output (JOBS_OUTPUT): {}", forms(.0))]
    Form(&'static str),
    /// Jobs that must not be written.
    #[error("{}", lines(.0))]
    Lint(Vec<Finding>),
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
            | Self::NoStore
            | Self::Form(_)
            | Self::NoSource
            | Self::NothingMatches { .. }
            | Self::WhichJobs
            | Self::WhichNamespace
            | Self::TwoSources { .. }
            | Self::TwoPlaces
            | Self::NotMentioned { .. }
            | Self::Rewrite(_)
            | Self::Import(_)
            | Self::Store(StoreError::Location { .. })
            | Self::Wait(WaitError::Denied(_))
            | Self::Plan(PlanError::ParentMissing(_) | PlanError::Cycle { .. }) => ExitCode::Usage,
            Self::Fetch(FetchError::TimedOut { .. }) | Self::Wait(WaitError::TimedOut { .. }) => ExitCode::TimedOut,
            Self::Plan(PlanError::Conflict(_) | PlanError::Refused(_))
            | Self::After { .. }
            | Self::Shrunk(_)
            | Self::NotConfirmed { .. }
            | Self::Leftovers { .. }
            | Self::Store(StoreError::Exists { .. }) => ExitCode::Refused,
            Self::Store(_)
            | Self::NoBackup { .. }
            | Self::NoJobs { .. }
            | Self::NoLiveJobs { .. }
            | Self::Jobs { .. }
            | Self::Page { .. }
            | Self::Fetch(_)
            | Self::Wait(WaitError::BarrierStored { .. })
            | Self::Output(_)
            | Self::Signals(_) => ExitCode::Failed,
            Self::Lint(_) => ExitCode::Lint,
            Self::NoScheduler(_) => ExitCode::Failing,
            Self::Stopped(signal) => signal.exit_code(),
        }
    }

    /// What is wrong, one by one.
    pub(super) fn each(&self) -> Vec<String> {
        match self {
            Self::Settings(error) => error.problems.clone(),
            Self::Problems(problems) => problems.iter().map(Problem::one_line).collect(),
            Self::Lint(findings) => findings.iter().map(Finding::one_line).collect(),
            Self::Plan(PlanError::Conflict(conflicts)) => conflicts.iter().map(ToString::to_string).collect(),
            Self::Plan(PlanError::ParentMissing(missing)) => missing.iter().map(ToString::to_string).collect(),
            Self::Leftovers { leftovers, .. } => leftovers.clone(),
            Self::Jobs { problems, .. } => problems.iter().map(ToString::to_string).collect(),
            other => vec![other.to_string()],
        }
    }

    /// Says it on standard error: drawn with its snippets for people, one log line a problem for collectors.
    pub(super) fn say(&self, format: LogFormat) {
        let format = telemetry::log_format(format);
        match self {
            Self::Problems(problems) if format != LogFormat::Json => {
                for problem in problems.iter() {
                    telemetry::say(&draw(problem, telemetry::colour()));
                }
                let count = counted(problems.iter().count(), "problem");
                telemetry::say(&format!("error: {count}; nothing was written\n"));
            }
            Self::Lint(findings) if format != LogFormat::Json => {
                for finding in findings {
                    telemetry::say(&draw(finding, telemetry::colour()));
                }
                telemetry::say(&format!("error: {}\n", refusal(findings)));
            }
            Self::Problems(problems) => {
                for problem in problems.iter() {
                    let (line, column) = problem.position().unzip();
                    let (file, snippet, remedy) = (problem.file(), problem.snippet(), problem.remedy());
                    tracing::error!(file, line, column, snippet, remedy, "{}", problem.one_line());
                }
            }
            other => {
                for line in other.to_string().lines() {
                    if format == LogFormat::Json {
                        tracing::error!("{line}");
                    } else {
                        telemetry::say(&format!("error: {line}\n"));
                    }
                }
            }
        }
    }
}

fn forms(command: &str) -> String {
    let words: Vec<_> = Output::forms(command).iter().map(|(word, _)| format!("`{word}`")).collect();
    match &words[..] {
        [before @ .., last] => format!("`{command}` has the forms {} and {last}", before.join(", ")),
        [] => String::new(),
    }
}

fn lines(findings: &[Finding]) -> String {
    // What is read of the termination log is its beginning.
    let lines: Vec<_> = iter::once(refusal(findings)).chain(findings.iter().map(Finding::one_line)).collect();
    lines.join("\n")
}

fn refusal(findings: &[Finding]) -> String {
    format!("{} of lint; nothing was written. `--no-lint` writes all the same", counted(findings.len(), "error"))
}

fn bad_pieces(problems: &[snapshot::Problem], more: usize) -> String {
    let mut lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.push("nothing was written; correct the file, or say `--skip-invalid` to leave these out".to_owned());
    lines.join("\n")
}

fn left_over(namespace: &str, leftovers: &[String]) -> String {
    let mut lines: Vec<_> =
        leftovers.iter().map(|leftover| format!("`{namespace}` is still mentioned: {leftover}")).collect();
    lines.push("nothing was written; say `--allow-leftovers` if these may stay, or correct the originals".to_owned());
    lines.join("\n")
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{}`", printable(name))).collect::<Vec<_>>().join(" or ")
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
