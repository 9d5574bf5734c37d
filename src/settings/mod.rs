//! From flags and environment to the typed settings of one command; every problem is reported at once.

mod commands;
mod given;
mod groups;
mod options;
mod parse;
mod secrets;
mod verbs;

use std::ffi::OsString;
use std::path::PathBuf;

use self::given::Given;

pub use self::commands::*;
pub use self::given::Flags;
pub use self::groups::*;
pub use self::options::{Group, Kind, OPTIONS, Opt};
pub use self::verbs::{Command, VERBS, Verb};

/// The folder of templates that is looked for where none is named.
pub const DEFAULT_TEMPLATES: &str = options::TEMPLATES.default;

/// Everything the user set, typed and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The command's name, as the user calls it.
    pub name: &'static str,
    /// The command, with the settings that it takes.
    pub command: Command,
    /// Logs and last words.
    pub log: LogSettings,
    /// The credentials in flags and environment, whichever command they are for.
    pub secrets: Vec<String>,
    /// The files with more of them.
    pub secret_files: Vec<PathBuf>,
    /// Variables that look like misspelt ones of ours.
    pub warnings: Vec<String>,
}

/// What is said beside the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The form of log lines.
    pub format: LogFormat,
    /// The least severe lines shown.
    pub level: LogLevel,
    /// Where the last words go; `None` for the default place where it exists.
    pub termination_log: Option<PathBuf>,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Plain on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Plain,
    /// For collectors.
    Json,
}

/// How severe a log line must be to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What may be wrong.
    Warn,
    /// What happens.
    Info,
    /// What happens within.
    Debug,
}

impl LogFormat {
    fn read(given: &mut Given<'_>) -> Self {
        given.choice(&options::LOG_FORMAT, &[("auto", Self::Auto), ("plain", Self::Plain), ("json", Self::Json)])
    }
}

impl LogSettings {
    fn read(given: &mut Given<'_>) -> Self {
        let levels = [
            ("info", LogLevel::Info),
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("debug", LogLevel::Debug),
        ];
        Self {
            format: LogFormat::read(given),
            level: given.choice(&options::LOG_LEVEL, &levels),
            termination_log: given.path(&options::TERMINATION_LOG),
        }
    }
}

/// Reads and checks everything that is given for a command.
///
/// # Errors
/// All problems in one, each naming the flag or the variable it is about.
pub fn resolve(
    verb: &Verb,
    flags: &Flags,
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Settings, SettingsError> {
    let mut given = Given::new(verb.name, flags, env);
    let (command, log) = ((verb.read)(&mut given), LogSettings::read(&mut given));
    // One environment serves all containers of a release: what is wrong in it is said by the first of them, whichever command it
    // is for, and what is secret in it is masked by all.
    given.command = None;
    for other in VERBS {
        let _ = (other.read)(&mut given);
    }
    let secret_files = [&options::BASIC_AUTH_FILE, &options::BEARER_TOKEN_FILE];
    let settings = Settings {
        name: verb.name,
        command,
        log,
        secret_files: secret_files.iter().filter_map(|opt| given.path(opt)).collect(),
        secrets: given.secrets.into_iter().collect(),
        warnings: given.warnings,
    };
    if given.problems.is_empty() {
        Ok(settings)
    } else {
        Err(SettingsError { problems: given.problems, rest: Box::new(settings) })
    }
}

/// Everything that is wrong with flags and environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// One line each, naming the flag or the variable.
    pub problems: Vec<String>,
    /// What is clear all the same, defaults elsewhere: it says how and where the problems are to be said.
    pub rest: Box<Settings>,
}
