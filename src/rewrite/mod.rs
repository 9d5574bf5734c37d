//! Jobs of one namespace, made to be another's.
//!
//! Hosts of the old namespace become hosts of the new one wherever they stand and however they are encoded, and the stamp, the
//! name and the parent follow. Everything else stays as it is, byte for byte, and what still speaks of the old namespace then
//! is listed: only a person knows what it means there.

mod fields;
mod leftover;
mod mention;
mod view;

use std::collections::BTreeSet;
use std::mem;

use crate::job::{Compared, Job, Owner, printable};

pub use self::leftover::Leftover;

use self::mention::{Role, mentions};
use self::view::View;

/// From where to where, and how the copies differ besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The namespace that the jobs were made for.
    pub from: String,
    /// The one they shall be for; may be the same, for copies under other names.
    pub to: String,
    /// Put in front of every name and parent; empty for none.
    pub name_prefix: String,
    /// Whether the copies start switched off. Their stamps still say what the template wanted, so that no plan switches them on.
    pub disabled: bool,
}

/// What became of the jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The jobs in the order they came in.
    pub jobs: Vec<Job>,
    /// How many places named the old namespace and name the new one now. None at all means that `from` is probably misspelt:
    /// the copies would call what the originals call.
    pub places: usize,
    /// What still speaks of the old namespace, by job and field.
    pub leftovers: Vec<Leftover>,
}

/// Why there are no copies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// A namespace that cannot be one.
    #[error("`{}` cannot be a namespace: {problem}", printable(name))]
    Namespace {
        /// Its name as it was given.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Names that Dkron would refuse (FACTS 12).
    #[error("{}", lines(.0, |(name, problem)| format!("a job cannot be named `{}`: {problem}", printable(name))))]
    IllegalNames(Vec<(String, String)>),
    /// Names that more than one of the jobs would have, so that one would replace the other.
    #[error("{}", lines(.0, |name| format!("more than one job would be named `{}`", printable(name))))]
    SameNames(Vec<String>),
}

fn lines<T>(items: &[T], line: impl Fn(&T) -> String) -> String {
    items.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Makes copies of `jobs` for another namespace.
///
/// # Errors
/// A namespace or a name that cannot be one, or two jobs of one name.
pub fn rewrite(jobs: impl IntoIterator<Item = Job>, with: &Move) -> Result<Rewritten, RewriteError> {
    for name in [&with.from, &with.to] {
        if let Some(problem) = namespace_problem(name) {
            return Err(RewriteError::Namespace { name: name.clone(), problem });
        }
    }
    let mut rewritten = Rewritten { jobs: Vec::new(), places: 0, leftovers: Vec::new() };
    let mut names = BTreeSet::new();
    let mut illegal = Vec::new();
    let mut same = BTreeSet::new();
    for job in jobs {
        let (job, places) = copy(job, with);
        if let Some(problem) = Job::name_problem(&job.name) {
            illegal.push((job.name.to_string(), problem));
        }
        if !names.insert(job.name.clone()) {
            same.insert(job.name.clone());
        }
        rewritten.places += places;
        if with.from != with.to {
            rewritten.leftovers.extend(leftover::leftovers(&job, &with.from));
        }
        rewritten.jobs.push(job);
    }
    if !illegal.is_empty() {
        return Err(RewriteError::IllegalNames(illegal));
    }
    if !same.is_empty() {
        return Err(RewriteError::SameNames(same.iter().map(ToString::to_string).collect()));
    }
    Ok(rewritten)
}

/// Why Kubernetes would not take this name for a namespace: it is a DNS label (RFC 1123).
fn namespace_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > 63 {
        Some("it is longer than 63 characters")
    } else if !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        Some("it may only have the letters a to z, digits and `-`")
    } else if name.starts_with('-') || name.ends_with('-') {
        Some("it may not begin or end with `-`")
    } else {
        None
    }
}

/// One job for the new namespace, and in how many places it named the old one.
fn copy(mut job: Job, with: &Move) -> (Job, usize) {
    let as_written = job.stamp.as_ref().is_some_and(|stamp| stamp.compare(&job.digest()) == Compared::AsWritten);
    let mut places = 0;
    if with.from != with.to {
        fields::hosts(&mut job, |text| places += text_places(text, with));
        places += metadata(&mut job, with);
    }
    job.name = format!("{}{}", with.name_prefix, job.name).into();
    if job.parent().is_some() {
        job.parent_job.insert_str(0, &with.name_prefix);
    }
    // What was as its template had it is so again, and what someone edited stays edited: its digest is no longer that of
    // any definition, as nobody knows what the template made of it.
    let digest = as_written.then(|| job.digest());
    if let Some(stamp) = &mut job.stamp {
        // A copy made by hand carries another job's name here, and still does when both have the prefix.
        stamp.job.insert_str(0, &with.name_prefix);
        stamp.digest = digest.unwrap_or_else(|| mem::take(&mut stamp.digest));
    }
    job.disabled |= with.disabled;
    (job, places)
}

/// Puts the new namespace in the old one's place in every host of this text, and says in how many.
fn text_places(text: &mut String, with: &Move) -> usize {
    let view = View::of(text);
    let mut moved = String::new();
    let (mut at, mut places) = (0, 0);
    for mention in mentions(&view, &with.from).iter().filter(|mention| mention.role == Role::Host) {
        let place = view.place(&mention.at);
        // A namespace's name has only letters, digits and `-`, which no encoding changes.
        moved.extend([&text[at..place.start], &with.to]);
        at = place.end;
        places += 1;
    }
    if places > 0 {
        moved.push_str(&text[at..]);
        *text = moved;
    }
    places
}

/// Metadata that is the namespace and nothing else, and the stamp's namespace.
fn metadata(job: &mut Job, with: &Move) -> usize {
    let mut places = 0;
    for (_, value) in job.metadata.iter_mut().filter(|(_, value)| **value == with.from) {
        value.clone_from(&with.to);
        places += 1;
    }
    if let Some(stamp) = &mut job.stamp
        && let Some(release) = stamp.owner.as_str().strip_prefix(&with.from)
        && (release.is_empty() || release.starts_with('/'))
    {
        stamp.owner = Owner::parse(&format!("{}{release}", with.to));
        places += 1;
    }
    places
}
