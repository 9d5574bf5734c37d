//! The stamp: who keeps a job, and what was written last.
//!
//! Four metadata keys, on jobs rendered from templates and on no others, and a fifth while a job is set aside. There is no version
//! and no time in it, so an unchanged job keeps an unchanged stamp.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Job, StringMap, printable};

/// The keys of the stamp. Other `dkron-jobs.*` keys are the template's own words to us.
pub const STAMP_KEYS: [&str; 5] = [OWNER, JOB, DIGEST, DISABLED, PARKED];
/// `"false"` here leaves the job behind, unstamped, when its template is gone.
pub const PRUNE_KEY: &str = "dkron-jobs.prune";

const OWNER: &str = "dkron-jobs.owner";
const JOB: &str = "dkron-jobs.job";
const DIGEST: &str = "dkron-jobs.digest";
const DISABLED: &str = "dkron-jobs.disabled";
const PARKED: &str = "dkron-jobs.parked";
/// Ends the note of a job that is switched off; no schedule ends so.
const PARKED_OFF: &str = " off";

/// The digest's scheme: SHA-256 over the canonical JSON, in hexadecimal. Another prefix is another tool version's.
const SCHEME: &str = "v1:";

/// `<namespace>/<release>`: which release keeps a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(String);

impl Owner {
    /// The owner of a release's jobs.
    pub fn new(namespace: &str, release: &str) -> Self {
        Self(format!("{namespace}/{release}"))
    }

    /// An owner as it stands in a stamp or on the command line.
    pub fn parse(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text in the stamp.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first half. What a hand wrote need not have two.
    pub fn namespace(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(namespace, _)| namespace)
    }

    /// The flag that takes this owner's jobs over. Metadata is free text: an owner that a shell would not take as one plain
    /// word is not named in it.
    pub fn take_over_flag(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        if !self.0.is_empty() && self.0.chars().all(plain) {
            format!("--take-ownership={}", self.0)
        } else {
            "--take-ownership".to_owned()
        }
    }
}

/// For people: free of control characters; [`Owner::as_str`] is the text itself.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

/// What the stamp's digest says about a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The definition is the one we wrote.
    AsWritten,
    /// Someone changed it since.
    Edited,
    /// The digest is absent or of a scheme we do not know: nothing can be said, only definitions can be compared.
    NotComparable,
}

/// A job's stamp as found in its metadata. It needs an owner and a job's name to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Who wrote it.
    pub owner: Owner,
    /// The name it was written under: another one than the job's own means a copy made by hand.
    pub job: String,
    /// The digest, with its scheme; empty when it is missing.
    pub digest: String,
    /// The template's `disabled` when it was written; `None` when that note is missing.
    pub disabled: Option<bool>,
    /// Set while the job is set aside: the parent and the schedule that it had, with a blank between.
    pub parked: Option<String>,
}

impl Stamp {
    /// Takes the stamp out of a job's metadata, whoever's it is.
    pub fn take(metadata: &mut StringMap) -> Option<Self> {
        let owner = Owner::parse(metadata.get(OWNER)?);
        metadata.get(JOB)?;
        metadata.remove(OWNER);
        // Another word than these two is not the stamp's, and stays as it is.
        let disabled = metadata.get(DISABLED).and_then(|text| text.parse().ok());
        disabled.and_then(|_| metadata.remove(DISABLED));
        Some(Self {
            owner,
            job: metadata.remove(JOB).unwrap_or_default(),
            digest: metadata.remove(DIGEST).unwrap_or_default(),
            disabled,
            parked: metadata.remove(PARKED),
        })
    }

    /// The metadata that this stamp is.
    pub fn metadata(&self) -> impl Iterator<Item = (String, String)> {
        let Self { owner, job, digest, disabled, parked } = self;
        let fields = [
            (OWNER, Some(owner.0.clone())),
            (JOB, Some(job.clone())),
            (DIGEST, Some(digest.clone()).filter(|digest| !digest.is_empty())),
            (DISABLED, disabled.map(|disabled| disabled.to_string())),
            (PARKED, parked.clone()),
        ];
        fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)))
    }

    /// Whether the definition is still what this stamp's writer wrote.
    pub fn compare(&self, definition_digest: &str) -> Compared {
        if !self.digest.starts_with(SCHEME) {
            Compared::NotComparable
        } else if self.digest == definition_digest {
            Compared::AsWritten
        } else {
            Compared::Edited
        }
    }
}

impl Job {
    /// The stamp, if it was written for this job: one that names another job came with a copy made by hand, which nobody keeps.
    pub fn own_stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref().filter(|stamp| *stamp.job == *self.name)
    }

    /// The release that keeps it.
    pub fn kept_by(&self) -> Option<&Owner> {
        self.own_stamp().map(|stamp| &stamp.owner)
    }

    /// Whether this release keeps it.
    pub fn is_of(&self, owner: &Owner) -> bool {
        self.kept_by() == Some(owner)
    }

    /// The digest of name and definition, without `disabled` and without the stamp, with its scheme in front.
    pub fn digest(&self) -> String {
        let mut text = String::with_capacity(SCHEME.len() + 64);
        text.push_str(SCHEME);
        for byte in Sha256::digest(self.canonical()) {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or_default());
            }
        }
        text
    }

    /// The same job with the stamp of `owner`. `template_disabled` is what the template says, whatever the job's switch is.
    #[must_use]
    pub fn stamped(&self, owner: &Owner, template_disabled: bool) -> Self {
        let stamp = Stamp {
            owner: owner.clone(),
            job: self.name.to_string(),
            digest: self.digest(),
            disabled: Some(template_disabled),
            parked: None,
        };
        Self { stamp: Some(stamp), ..self.clone() }
    }

    /// The same job, with nothing of its stamp changed but the note of the template's `disabled`.
    #[must_use]
    pub fn with_disabled_noted(&self, template_disabled: bool) -> Self {
        let stamp = self.stamp.clone().map(|stamp| Stamp { disabled: Some(template_disabled), ..stamp });
        Self { stamp, ..self.clone() }
    }

    /// The same job without a stamp.
    #[must_use]
    pub fn unstamped(&self) -> Self {
        Self { stamp: None, ..self.clone() }
    }

    /// The same job set aside: without a parent, run by hand only, and its stamp says what it was. It keeps its history, and its
    /// parent can be deleted (FACTS 24d).
    #[must_use]
    pub fn parked(&self) -> Self {
        let mut job = self.clone();
        let off = if job.disabled { PARKED_OFF } else { "" };
        let parked = format!("{} {}{off}", job.parent_job, job.schedule);
        if let Some(stamp) = &mut job.stamp {
            stamp.parked = Some(parked);
        }
        job.parent_job.clear();
        "@manually".clone_into(&mut job.schedule);
        job
    }

    /// What a job that is set aside was before; `None` for any other.
    pub fn unparked(&self) -> Option<Self> {
        let mut job = self.clone();
        let parked = job.stamp.as_mut()?.parked.take()?;
        let (parent, schedule) = parked.split_once(' ')?;
        let off = schedule.strip_suffix(PARKED_OFF);
        job.disabled |= off.is_some();
        parent.clone_into(&mut job.parent_job);
        off.unwrap_or(schedule).clone_into(&mut job.schedule);
        Some(job)
    }
}
