//! Small things that many messages say.

use std::fmt::Display;

/// `1 job`, `2 jobs`.
pub(crate) fn counted(count: impl Display, what: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {what}{plural}")
}
