//! Exit codes: documented, stable, and one for each thing that a caller may want to tell apart.

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Done, or nothing to do.
    Done,
    /// Some jobs failed, or a disk, store or data source did.
    Failed,
    /// Usage, configuration or template error.
    Usage,
    /// `plan --exit-code` or `check` found changes. For `check` a job that is only to be healed is none: that is [`Self::Failing`], unless
    /// definitions differ too.
    Changes,
    /// Timed out waiting for Dkron or for a data URL.
    TimedOut,
    /// Refused by a guard, for an ownership conflict, or because a server is too old.
    Refused,
    /// Lint found errors; `--fail-on warning`: or warnings.
    Lint,
    /// Jobs that are stale, do not run any more, or fail.
    Failing,
    /// Stopped by SIGINT.
    Interrupted,
    /// Stopped by SIGTERM.
    Terminated,
}

impl ExitCode {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Changes,
        Self::TimedOut,
        Self::Refused,
        Self::Lint,
        Self::Failing,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number that the process ends with.
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Changes => 3,
            Self::TimedOut => 4,
            Self::Refused => 5,
            Self::Lint => 6,
            Self::Failing => 7,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// What it means, for help and README.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to do",
            Self::Failed => "some jobs failed, or a disk, store or data source did",
            Self::Usage => "usage, configuration or template error; nothing was written",
            Self::Changes => "`plan --exit-code` or `check` found changes",
            Self::TimedOut => "timed out waiting for Dkron or for a data URL",
            Self::Refused => {
                "refused by a guard, for an ownership conflict, or because a server is too old for `@after`; nothing was written"
            }
            Self::Lint => "lint errors (`lint`, `plan`, `apply`); nothing was written",
            Self::Failing => {
                "stale, stuck or failing jobs, or jobs that Dkron does not run as they are stored (`status`, `check`)"
            }
            Self::Interrupted => "stopped by SIGINT, after the write in hand",
            Self::Terminated => "stopped by SIGTERM, after the write in hand",
        }
    }
}
