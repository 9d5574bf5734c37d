//! What is wrong with templates, their data or their variables: place, snippet and remedy.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use miette::{Diagnostic, NamedSource, SourceSpan};

use crate::report::starred;

/// A text with the name of its file, shared by all problems in it.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    file: Arc<str>,
    content: Arc<str>,
    /// Where each line begins, in bytes, once somebody has asked: a file may hold thousands of jobs.
    lines: OnceLock<Vec<usize>>,
    shown: Shown,
}

/// The text as it may be shown, once a problem in it is shown: hiding secrets takes as long as reading a large file.
type Shown = Arc<OnceLock<NamedSource<Arc<str>>>>;

impl Text {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        Self { file: file.into(), content: text.into(), lines: OnceLock::new(), shown: Shown::default() }
    }

    pub(crate) fn file(&self) -> &Arc<str> {
        &self.file
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.content
    }

    /// Line and column of a byte, both from 1, the column in characters.
    pub(crate) fn line_column(&self, offset: usize) -> (usize, usize) {
        let text = self.as_str();
        let starts = self.lines.get_or_init(|| {
            let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after).collect()
        });
        let line = starts.partition_point(|start| *start <= offset).max(1);
        let before = text.get(starts[line - 1]..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// A problem at these bytes.
    pub(crate) fn problem(&self, at: Range<usize>, message: impl Into<String>, remedy: impl Into<String>) -> Problem {
        let end = at.end.min(self.as_str().len());
        let start = at.start.min(end);
        let (line, column) = self.line_column(start);
        Problem {
            place: Some(Place {
                line,
                column,
                content: self.content.clone(),
                shown: self.shown.clone(),
                span: (start..end).into(),
            }),
            file: self.file().to_string(),
            message: message.into(),
            remedy: remedy.into(),
            verdict: None,
        }
    }
}

/// Something wrong with a file, with what to do about it.
///
/// Displayed, it is its message alone; where it is about a whole file, the file's name stands before.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}{message}", if place.is_some() { String::new() } else { format!("{file}: ") })]
pub struct Problem {
    file: String,
    place: Option<Place>,
    message: String,
    remedy: String,
    verdict: Option<Verdict>,
}

/// What Dkron would say to a job: it can be said of jobs from elsewhere too, and `lint` has a rule for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The rule's identifier.
    pub rule: &'static str,
    /// The job's name.
    pub job: String,
    /// The field it is about.
    pub field: &'static str,
}

#[derive(Debug, Clone)]
struct Place {
    line: usize,
    column: usize,
    content: Arc<str>,
    shown: Shown,
    span: SourceSpan,
}

impl Problem {
    /// A problem with a file as a whole: it cannot be read, say.
    pub fn of_file(file: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { file: file.into(), place: None, message: message.into(), remedy: remedy.into(), verdict: None }
    }

    /// The same, as a verdict of Dkron's.
    pub(super) fn with_verdict(self, rule: &'static str, job: &str, field: &'static str) -> Self {
        Self { verdict: Some(Verdict { rule, job: job.to_owned(), field }), ..self }
    }

    /// Whether Dkron would refuse the job for it, and by which rule; `None` for what is wrong with the template.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// The message alone.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The file, as the user named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Line and column, both from 1; `None` when it is about the file as a whole.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|place| (place.line, place.column))
    }

    /// The text that it is in, with secrets hidden.
    fn source(&self) -> Option<&NamedSource<Arc<str>>> {
        let place = self.place.as_ref()?;
        Some(place.shown.get_or_init(|| NamedSource::new(&self.file, Arc::from(starred(&place.content)))))
    }

    /// The line of the file, without the blanks around it.
    pub fn snippet(&self) -> Option<&str> {
        let place = self.place.as_ref()?;
        let text = self.source()?.inner();
        let (before, after) = text.split_at_checked(place.span.offset())?;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let end = after.find('\n').map_or(text.len(), |at| before.len() + at);
        text.get(start..end).filter(|_| start < text.len()).map(str::trim)
    }

    /// What to do about it.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// `file:line:column: message; remedy` on one line.
    pub fn one_line(&self) -> String {
        let place = self.position().map_or_else(String::new, |(line, column)| format!(":{line}:{column}"));
        format!("{}{place}: {}; {}", self.file, self.message, self.remedy)
    }

    /// The same with its place in words, and nothing of the file's text.
    pub(super) fn without_snippet(self) -> Self {
        let place =
            self.position().map_or_else(String::new, |(line, column)| format!("line {line}, column {column}: "));
        Self { place: None, message: format!("{place}{}", self.message), ..self }
    }

    /// Adds to the message.
    pub(super) fn note(&mut self, note: &str) {
        self.message.push_str(note);
    }
}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.remedy))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        Some(Box::new(std::iter::once(miette::LabeledSpan::underline(place.span))))
    }
}

/// Everything that is wrong, in one error; never empty.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .0.iter().map(Problem::one_line).collect::<Vec<_>>().join("\n"))]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Ok` when nothing is wrong.
    ///
    /// # Errors
    /// All of the problems, in the order of files and places.
    pub fn check(mut problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by(|a, b| (a.file(), a.position()).cmp(&(b.file(), b.position())));
        Err(Self(problems))
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// What a name that is not known was probably meant to be; `None` when nothing is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let squashed = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let wanted = squashed(name);
    known
        .into_iter()
        .filter_map(|known| {
            let (most, squashed) = (1 + known.len() / 5, squashed(known));
            // Lengths are compared first: that takes no time, and names of other lengths are no nearer than those are.
            let apart = wanted.chars().count().abs_diff(squashed.chars().count());
            let distance = (apart <= most).then(|| strsim::damerau_levenshtein(&wanted, &squashed))?;
            (distance <= most).then_some((distance, known))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
