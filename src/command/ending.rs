//! How a command ends, and its last words.

use std::path::Path;

use crate::exit::ExitCode;
use crate::job::{LineStyle, printable_lines};
use crate::telemetry;

/// Where Kubernetes looks for a container's last words, and how many bytes of them it takes.
const TERMINATION_LOG: &str = "/dev/termination-log";
pub(super) const TERMINATION_LIMIT: usize = 4096;

/// How a command ended, and what is left to be said of it.
pub(super) struct Ending {
    pub(super) exit: ExitCode,
    pub(super) last: String,
}

impl Ending {
    /// The end of a command that did what it should.
    pub(super) fn done(last: String) -> Self {
        Self { exit: ExitCode::Done, last }
    }
}

/// Writes the termination message for Kubernetes. A failure is logged, and the exit code stays.
pub(super) fn last_words(path: Option<&Path>, text: &str) {
    let default = Path::new(TERMINATION_LOG);
    let path = match path {
        Some(path) => path,
        None if default.exists() => default,
        None => return,
    };
    let text = printable_lines(&telemetry::masked(text), LineStyle::Plain).into_owned();
    if let Err(error) = std::fs::write(path, &text[..text.floor_char_boundary(TERMINATION_LIMIT)]) {
        tracing::warn!(path = %path.display(), %error, "the last words could not be written");
    }
}
