//! Lint's page: one HTML file that needs nothing else, neither a network nor a script, and tells the same bytes of the same jobs.
//!
//! What jobs say reaches it in one way only: as a text of the template, where [`Environment::set_formatter`] masks secrets, makes
//! visible what cannot be seen, and escapes. Lanes and areas are numbers, made in `strip` and nowhere else. The policy in its
//! head lets no request out and runs no script but the one whose digest it names.

mod day;
mod lanes;
mod load;
mod notes;
mod strip;
mod tables;

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::Offset;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, Output, UndefinedBehavior, Value, escape_formatter};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::cache::{TABLE, Verdict};
use crate::job::printable;
use crate::lint::{Circumstances, Findings, Severity, Subject, Subjects};
use crate::report::Masker;

use self::day::Day;

const TEMPLATE: &str = include_str!("page.html.j2");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// How many rows stand together.
const ROWS: usize = 100;
/// Where there are more rows or lanes than this, all but the first chunk are folded: a browser lays out what is unfolded, and
/// nobody reads ten thousand lines.
const UNFOLDED: usize = 200;

/// What there is to show.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    /// What was looked at: `<namespace>/<release>`, or the name of a file.
    pub title: &'a str,
    /// What came of looking.
    pub findings: &'a Findings,
    /// The jobs that were looked at.
    pub subjects: &'a Subjects<'a>,
    /// Which of them are to be shown, by their names.
    pub wanted: &'a dyn Fn(&str) -> bool,
    /// What they were looked at with.
    pub circumstances: &'a Circumstances<'a>,
    /// Where the 24 hours begin that are drawn.
    pub from: Timestamp,
    /// Masks what must not be shown.
    pub masker: &'a Masker,
}

impl<'a> Page<'a> {
    /// The jobs that are shown, by name.
    fn shown(&self) -> impl Iterator<Item = &'a Subject<'a>> {
        let wanted = self.wanted;
        self.subjects.iter().filter(move |subject| wanted(subject.name))
    }
}

/// Writes the page.
///
/// # Errors
/// Only those of `out`.
pub fn write(out: &mut dyn Write, page: &Page<'_>) -> io::Result<()> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(io::Error::other)?);
    let masker = page.masker.clone();
    environment.set_formatter(move |out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() => escape(out, &printable(&masker.text(text))),
        _ => escape_formatter(out, state, value),
    });
    environment.add_template("page", TEMPLATE).map_err(io::Error::other)?;
    let template = environment.get_template("page").map_err(io::Error::other)?;
    template.render_captured_to(Value::from(Serde(view(page))), out).map_err(io::Error::other)?;
    Ok(())
}

/// The characters that mean something in HTML, between tags and in quoted attributes. minijinja's own escape also takes slashes,
/// of which schedules and URLs have many.
fn escape(out: &mut Output<'_>, text: &str) -> Result<(), Error> {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        let name = match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#x27;",
        };
        out.write_str(&rest[..at])?;
        out.write_str(name)?;
        rest = &rest[at + 1..];
    }
    Ok(out.write_str(rest)?)
}

/// What the template sees.
#[derive(Debug, Serialize)]
struct View<'a> {
    title: &'a str,
    version: &'static str,
    style: Value,
    script: Value,
    style_digest: Value,
    script_digest: Value,
    table: &'static str,
    /// Whether the table of caches is known.
    known: bool,
    key: &'a str,
    from: String,
    to: String,
    jobs: String,
    errors: usize,
    errors_shown: String,
    warnings: usize,
    warnings_shown: String,
    caches: usize,
    caches_shown: String,
    kept: String,
    unkept: usize,
    runs: String,
    stampedes: usize,
    stampedes_shown: String,
    grades: Vec<notes::Grade>,
    allowed: Vec<notes::AllowedNote>,
    allowed_count: String,
    allowed_more: String,
    timeline: lanes::Timeline,
    load: load::Load,
    coverage: Vec<Chunk<tables::Row>>,
    job_rows: Vec<Chunk<tables::JobRow>>,
}

fn view<'a>(page: &Page<'a>) -> View<'a> {
    let found = page.findings;
    let mut day = Day::new(page.from, page.subjects);
    let (timeline, uncovered) = lanes::timeline(page, &mut day);
    let load = load::load(page, &mut day);
    let (errors, warnings) = (found.count(Severity::Error), found.count(Severity::Warning));
    let wanted = found.coverage.iter().filter(|covered| covered.verdict != Verdict::NotWanted);
    let kept = found.coverage.iter().filter(|covered| covered.verdict == Verdict::Kept).count();
    let caches = wanted.count();
    let (allowed, allowed_more) = notes::allowed(page);
    let stamp = |at: Timestamp| Offset::UTC.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string();
    View {
        title: page.title,
        version: env!("CARGO_PKG_VERSION"),
        style: Value::from_safe_string(STYLE.to_owned()),
        script: Value::from_safe_string(SCRIPT.to_owned()),
        style_digest: digest(STYLE),
        script_digest: digest(SCRIPT),
        table: TABLE,
        known: page.circumstances.caches.is_some(),
        key: page.circumstances.key.as_str(),
        from: stamp(page.from),
        to: stamp(day.instant(strip::DAY)),
        jobs: count(found.jobs),
        errors,
        errors_shown: count(errors),
        warnings,
        warnings_shown: count(warnings),
        caches,
        caches_shown: count(caches),
        kept: count(kept),
        unkept: caches - kept,
        runs: count(load.runs),
        stampedes: load.stampedes,
        stampedes_shown: count(load.stampedes),
        grades: notes::grades(page),
        allowed,
        allowed_count: count(found.allowed.len()),
        allowed_more,
        coverage: tables::coverage(page, &uncovered),
        job_rows: tables::jobs(page, &day),
        timeline,
        load,
    }
}

/// How the policy in the page's head names what stands in it.
fn digest(text: &str) -> Value {
    Value::from_safe_string(format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text))))
}

/// Rows that fold together, and the first and last of their names.
#[derive(Debug, Serialize)]
struct Chunk<T> {
    first: String,
    last: String,
    count: usize,
    open: bool,
    rows: Vec<T>,
}

/// Cuts rows into chunks of this size; the first is open in any case.
fn chunks<T>(rows: Vec<T>, size: usize, name: impl Fn(&T) -> String, open: bool) -> Vec<Chunk<T>> {
    let mut chunks = Vec::new();
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let rows: Vec<T> = rows.by_ref().take(size).collect();
        let named = |row: Option<&T>| row.map(&name).unwrap_or_default();
        let (first, last) = (named(rows.first()), named(rows.last()));
        chunks.push(Chunk { first, last, count: rows.len(), open: open || chunks.is_empty(), rows });
    }
    chunks
}

/// A number with its thousands apart.
fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// The time of the day, so many seconds from its start.
fn clock(day: &Day<'_>, second: i64) -> String {
    Offset::UTC.to_datetime(day.instant(second)).strftime("%H:%M:%S").to_string()
}
