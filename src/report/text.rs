//! The report as text, for a terminal or a log.

use std::io::{self, Write};

use anstyle::AnsiColor;
use serde_json::Value;

use crate::job::printable;

use super::mask::{CHANGED, SECRET_CHANGED};
use super::{JobReport, Outcome, Report, RunReport};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// A value longer than this many characters is cut to where it differs.
    pub value_width: usize,
}

const CREATE: anstyle::Style = AnsiColor::Green.on_default();
const UPDATE: anstyle::Style = AnsiColor::Yellow.on_default();
const DELETE: anstyle::Style = AnsiColor::Red.on_default();
const NOTE: anstyle::Style = AnsiColor::Cyan.on_default();
const DIM: anstyle::Style = anstyle::Style::new().dimmed();
const BOLD: anstyle::Style = anstyle::Style::new().bold();

impl Report<'_> {
    /// The last words: counts first, then errors, in at most `limit` bytes.
    pub fn brief(&self, limit: usize) -> String {
        let first = format!("{} {}: {}", self.command, self.owner, self.counts());
        let errors = self.errors.iter().cloned();
        // What was skipped follows from what failed or from the signal: it is counted, and named last.
        let of = |wanted: fn(&Outcome) -> bool| {
            let jobs = self.jobs.of(move |_, outcome| wanted(outcome));
            jobs.filter_map(|job| Some(format!("{}: {}", job.name, job.error?)))
        };
        let failed = of(|outcome| matches!(outcome, Outcome::Failed(_)));
        let skipped = of(|outcome| matches!(outcome, Outcome::Skipped(_)));
        brief(&mut std::iter::once(first).chain(errors).chain(failed).chain(skipped), limit)
    }

    /// Writes the report as text with ANSI styles; whoever shows it takes them off where they are not wanted.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_text(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        let mut lines = 0;
        for job in self.jobs.of(|item, _| item.change.is_write() || !item.reasons.is_empty()) {
            write_job(out, &job, style)?;
            lines += 1;
        }
        if lines > 0 {
            writeln!(out)?;
        }
        for run in &self.runs {
            write_run(out, run)?;
        }
        if !self.runs.is_empty() {
            writeln!(out)?;
        }
        for warning in &self.warnings {
            writeln!(out, "{UPDATE}warning:{UPDATE:#} {}", printable(warning))?;
        }
        for error in &self.errors {
            for line in error.lines() {
                writeln!(out, "{DELETE}error:{DELETE:#} {}", printable(line))?;
            }
        }
        let nothing = !self.has_changes() && self.errors.is_empty();
        let verdict = match (nothing, self.command) {
            (false, _) => "",
            (true, "check") => "all as it should be: ",
            (true, _) => "nothing to do: ",
        };
        writeln!(out, "{BOLD}{}{BOLD:#} of {}: {verdict}{}", self.command, self.owner, self.counts())
    }

    fn counts(&self) -> String {
        let summary = &self.summary;
        let planned = matches!(self.command, "plan" | "check");
        let word = |done: &'static str, planned_word: &'static str| if planned { planned_word } else { done };
        let mut parts: Vec<String> = [
            (summary.created, word("created", "to create")),
            (summary.updated, word("updated", "to update")),
            (summary.deleted, word("deleted", "to delete")),
            (summary.unchanged, "unchanged"),
        ]
        .iter()
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
        parts.extend(
            [
                (summary.failed, "failed"),
                (summary.skipped, "skipped"),
                (summary.restored, "restored"),
                (summary.adopted, "adopted"),
                (summary.kept_disabled, "kept disabled"),
                (summary.healed, "healed"),
                (summary.rescheduled, "rescheduled"),
            ]
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}")),
        );
        parts.join(", ")
    }
}

fn write_run(out: &mut dyn Write, run: &RunReport) -> io::Result<()> {
    let took = run.duration_ms.unwrap_or_default();
    let (what, color) = match (&run.note, run.success) {
        (Some(note), _) => (printable(note).into_owned(), NOTE),
        (None, Some(true)) => (format!("succeeded after {took} ms"), CREATE),
        (None, _) => (format!("failed after {took} ms"), DELETE),
    };
    writeln!(out, "{color}{}{color:#}  {what}", printable(&run.job))
}

fn write_job(out: &mut dyn Write, job: &JobReport, style: Style) -> io::Result<()> {
    let (sign, color) = match job.action {
        "create" => ('+', CREATE),
        "update" => ('~', UPDATE),
        "delete" => ('-', DELETE),
        _ => ('=', NOTE),
    };
    write!(out, "{color}{sign} {}{color:#}", printable(&job.name))?;
    if !job.reasons.is_empty() {
        write!(out, "  {DIM}{}{DIM:#}", printable(&job.reasons.join("; ")))?;
    }
    writeln!(out)?;
    if job.action == "create" {
        let main = ["schedule", "parent_job", "executor_config.method", "executor_config.url"];
        let shown: Vec<_> = main
            .iter()
            .filter_map(|field| job.changes.iter().find(|change| change.field == *field))
            .map(|change| shown(&change.to, style.value_width))
            .collect();
        if !shown.is_empty() {
            writeln!(out, "    {}", shown.join("  "))?;
        }
    } else {
        let fields: Vec<_> = job.changes.iter().map(|change| printable(&change.field)).collect();
        let width = fields.iter().map(|field| field.chars().count()).max().unwrap_or_default();
        for (field, change) in fields.iter().zip(&job.changes) {
            let (from, to) = shown_pair(&change.from, &change.to, style.value_width);
            if job.action == "unchanged" {
                // An edit that stays: nothing becomes what the template says.
                writeln!(out, "    {field:width$}  {from} {DIM}(template: {to}){DIM:#}")?;
            } else {
                writeln!(out, "    {field:width$}  {DELETE}{from}{DELETE:#} {DIM}->{DIM:#} {CREATE}{to}{CREATE:#}")?;
            }
        }
    }
    if let Some(error) = &job.error {
        writeln!(out, "    {DELETE}{}:{DELETE:#} {}", job.outcome, printable(error))?;
    }
    Ok(())
}

/// A value for people, cut after `width` characters.
fn shown(value: &Value, width: usize) -> String {
    window(&plain(value), 0, width)
}

/// Two values for people. Long ones are cut to where they differ, so that cutting never hides what changed.
fn shown_pair(from: &Value, to: &Value, width: usize) -> (String, String) {
    let (from, to) = (plain(from), plain(to));
    let changed = [SECRET_CHANGED, CHANGED].into_iter().find(|mark| to.ends_with(mark)).unwrap_or_default();
    let to = to.strip_suffix(changed).unwrap_or(&to);
    let same = from.chars().zip(to.chars()).take_while(|(a, b)| a == b).count();
    let start = if from.chars().count().max(to.chars().count()) > width { same.saturating_sub(width / 4) } else { 0 };
    (window(&from, start, width), window(to, start, width) + changed)
}

/// Strings without quotes where that is clear, control characters escaped.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => printable(text).into_owned(),
        other => printable(&other.to_string()).into_owned(),
    }
}

fn window(text: &str, start: usize, width: usize) -> String {
    let mut cut = text.chars().skip(start);
    let mut shown = String::new();
    if start > 0 {
        shown.push('…');
    }
    shown.extend(cut.clone().take(width));
    if cut.nth(width).is_some() {
        shown.push('…');
    }
    shown
}

/// Lines, fit to be shown, in at most `limit` bytes. No more of them are made than have room.
pub(crate) fn brief(lines: &mut dyn Iterator<Item = String>, limit: usize) -> String {
    let mut text = String::new();
    while text.len() < limit
        && let Some(line) = lines.next()
    {
        text.push_str(&printable(&line));
        text.push('\n');
    }
    text.truncate(text.floor_char_boundary(limit));
    text
}
