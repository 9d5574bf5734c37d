//! The stamp: who keeps a job, and what was written last.
//!
//! Four metadata keys, on jobs rendered from templates and on no others, and a fifth while a job is set aside. There is no version
//! and no time in it, so an unchanged job keeps an unchanged stamp.

use std::fmt::{self, Write};
use std::iter;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Fields, Job, printable};

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

/// A job's stamp as found in its metadata.
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
    /// The stamp of a job with this name and this definition's digest.
    pub(super) fn new(owner: &Owner, job: &str, digest: String, template_disabled: bool) -> Self {
        Self { owner: owner.clone(), job: job.to_owned(), digest, disabled: Some(template_disabled), parked: None }
    }

    /// The stamp in this job's metadata, whoever's it is. A stamp needs an owner and a job's name to be one.
    pub fn of(job: &Job) -> Option<Self> {
        let field = |key| job.metadata.get(key).map(String::as_str);
        Self::read(field(OWNER), field(JOB), field(DIGEST), field(DISABLED), field(PARKED))
    }

    /// The stamp that [`pack`] made.
    pub(super) fn of_packed(packed: &str) -> Option<Self> {
        let field = |key| pairs(packed).find(|(known, _)| *known == key).map(|(_, value)| value);
        Self::read(field(OWNER), field(JOB), field(DIGEST), field(DISABLED), field(PARKED))
    }

    fn read(
        owner: Option<&str>,
        job: Option<&str>,
        digest: Option<&str>,
        disabled: Option<&str>,
        parked: Option<&str>,
    ) -> Option<Self> {
        Some(Self {
            owner: Owner::parse(owner?),
            job: job?.to_owned(),
            digest: digest.unwrap_or_default().to_owned(),
            disabled: disabled.and_then(|text| text.parse().ok()),
            parked: parked.map(ToOwned::to_owned),
        })
    }

    /// The metadata that this stamp is, in the order of the keys.
    pub(super) fn fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = vec![(DIGEST, self.digest.as_str())];
        fields.extend(self.disabled.map(|disabled| (DISABLED, word(disabled))));
        fields.extend([(JOB, self.job.as_str()), (OWNER, self.owner.as_str())]);
        fields.extend(self.parked.as_deref().map(|parked| (PARKED, parked)));
        fields
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

/// A stamp in little memory: of each key its number, the length of its value, and its value. The pairs are in the order of their
/// keys, so that equal stamps are equal texts.
pub(super) fn pack(stamp: &[(&str, &str)]) -> Arc<str> {
    debug_assert!(stamp.is_sorted(), "metadata is in order");
    let mut packed = String::with_capacity(160);
    for (key, value) in stamp {
        if let Some(number) = STAMP_KEYS.iter().position(|known| known == key) {
            // Writing to a string does not fail.
            let _ = write!(packed, "{number} {}:{value}", value.len());
        }
    }
    packed.into()
}

/// The pairs of a stamp that [`pack`] made.
pub(super) fn pairs(packed: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = packed;
    iter::from_fn(move || {
        let (number, more) = rest.split_once(' ')?;
        let (length, more) = more.split_once(':')?;
        let (value, next) = more.split_at_checked(length.parse().ok()?)?;
        rest = next;
        Some((*STAMP_KEYS.get(number.parse::<usize>().ok()?)?, value))
    })
}

/// Whether a stamp that [`pack`] made has the note of a job that is set aside.
pub(super) fn is_parked(packed: &str) -> bool {
    pairs(packed).any(|(key, _)| key == PARKED)
}

/// Changes nothing of a stamp that [`pack`] made but its note of the template's `disabled`.
pub(super) fn with_disabled(packed: &str, template_disabled: bool) -> Arc<str> {
    let others = pairs(packed).filter(|(key, _)| *key != DISABLED);
    let mut stamp: Vec<_> = others.chain([(DISABLED, word(template_disabled))]).collect();
    stamp.sort_unstable();
    pack(&stamp)
}

fn word(disabled: bool) -> &'static str {
    if disabled { "true" } else { "false" }
}

impl Job {
    /// Takes the job out of its parent's way: no parent, run by hand only, and both noted in its stamp.
    pub(super) fn park(&mut self) {
        let off = if self.disabled { PARKED_OFF } else { "" };
        let parked = format!("{} {}{off}", self.parent_job, self.schedule);
        self.metadata.insert(PARKED.to_owned(), parked);
        self.parent_job.clear();
        "@manually".clone_into(&mut self.schedule);
    }

    /// Undoes [`Job::park`]; whether there was a note of it.
    pub(super) fn unpark(&mut self) -> bool {
        let parked = self.metadata.remove(PARKED);
        let Some((parent, schedule)) = parked.as_deref().and_then(|parked| parked.split_once(' ')) else {
            return false;
        };
        let off = schedule.strip_suffix(PARKED_OFF);
        self.disabled |= off.is_some();
        parent.clone_into(&mut self.parent_job);
        off.unwrap_or(schedule).clone_into(&mut self.schedule);
        true
    }

    /// Puts the stamp of `owner` into the metadata. `template_disabled` is what the template says, whatever `self.disabled` is.
    pub fn stamp(&mut self, owner: &Owner, template_disabled: bool) {
        let stamp = Stamp::new(owner, &self.name, digest(self), template_disabled);
        self.metadata.extend(stamp.fields().into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    /// Takes the stamp away.
    pub fn unstamp(&mut self) {
        for key in STAMP_KEYS {
            self.metadata.remove(key);
        }
    }
}

/// The digest of a definition, without `disabled` and without the stamp, with its scheme in front.
pub fn digest(job: &Job) -> String {
    digest_of(&Fields::of(job).definition())
}

/// The digest of a definition's canonical JSON.
pub(super) fn digest_of(definition: &str) -> String {
    let mut text = String::with_capacity(SCHEME.len() + 64);
    text.push_str(SCHEME);
    for byte in Sha256::digest(definition) {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or_default());
        }
    }
    text
}
