//! Standard output: data, and nothing else.

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::job::{is_unprintable, json_escape};
use crate::report::{Report, Style};
use crate::settings::Output;

use super::Error;
use super::error::Kind;

/// The widest value in a report's text, in characters.
const VALUE_WIDTH: usize = 100;

/// Prints a report, piece by piece: one of fifty thousand jobs is not held as a whole.
pub(super) fn print(report: &Report<'_>, output: Output) -> Result<(), Error> {
    match output {
        Output::Text => {
            write_out(&mut anstream::stdout(), |out| report.write_text(out, Style { value_width: VALUE_WIDTH }))
        }
        Output::Json => write_out(&mut io::stdout(), |out| json_line(out, report)),
    }
}

/// Writes to standard output. A reader that has gone away has seen enough.
pub(super) fn write_out(
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    unless_gone(write_on(out, write))
}

/// The same for a command that writes repeatedly: a closed pipe is an error, which ends it.
pub(super) fn write_on(out: &mut dyn Write, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    let mut out = BufWriter::new(out);
    write(&mut out).and_then(|()| out.flush()).map_err(Error::output)
}

pub(super) fn unless_gone(written: Result<(), Error>) -> Result<(), Error> {
    written.or_else(|error| match error.kind() {
        Kind::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

/// Writes a value as JSON on a line of its own.
pub(super) fn json_line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    json(out, value)?;
    out.write_all(b"\n")
}

/// Writes a value as JSON, in which no character is invisible or turns the reading direction.
pub(super) fn json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value.serialize(&mut Serializer::with_formatter(out, Visible))?)
}

/// Compact JSON with more escapes than JSON asks for.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_unprintable) {
            out.write_all(&rest.as_bytes()[..at])?;
            let c = rest[at..].chars().next().unwrap_or_default();
            out.write_all(json_escape(c).as_bytes())?;
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}
