//! A whole job in little memory: a Dkron may hold tens of thousands of them, and a plan has two sides.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::diff::diff_fields;
use super::{CONCURRENCY_FORBID, Change, Fields, Job, Owner, Stamp, WireJob, stamp};

/// A job as its canonical JSON: two are equal exactly when all their fields are. [`Packed::unpack`] gives the fields.
#[derive(Clone, PartialEq, Eq)]
pub struct Packed {
    name: Arc<str>,
    parent: Option<Arc<str>>,
    /// Without `disabled` and without the stamp: what the stamp's digest is about.
    definition: Arc<str>,
    /// The stamp alone; `None` where there is not one of its keys.
    stamp: Option<Arc<str>>,
    disabled: bool,
}

impl Packed {
    /// Packs a job.
    pub fn new(job: &Job) -> Self {
        Fields::of(job).pack()
    }

    /// What `definition` holds in JSON, and `stamp`, are the fields of this job.
    pub(super) fn of(
        name: &str,
        parent: Option<&str>,
        definition: String,
        stamp: &[(&str, &str)],
        disabled: bool,
    ) -> Self {
        let stamp = (!stamp.is_empty()).then(|| stamp::pack(stamp));
        Self { name: name.into(), parent: parent.map(Into::into), definition: definition.into(), stamp, disabled }
    }

    /// The job with all its fields.
    pub fn unpack(&self) -> Job {
        Job::from(&self.wire().fields().with(self.disabled, self.stamp_pairs()))
    }

    /// Shows all its fields, where they need not be kept.
    pub fn look<T>(&self, look: impl FnOnce(&Fields<'_>) -> T) -> T {
        look(&self.wire().fields().with(self.disabled, self.stamp_pairs()))
    }

    fn wire(&self) -> WireJob<'_> {
        // Bytes that we wrote ourselves can be read.
        serde_json::from_str(&self.definition).unwrap_or_default()
    }

    /// All differences from this one to `desired`; as [`diff`](super::diff()).
    pub fn diff(&self, desired: &Self) -> Vec<Change> {
        self.look(|live| desired.look(|desired| diff_fields(live, desired)))
    }

    /// All differences from a job of this name with Dkron's own defaults; as [`diff`](super::diff()).
    pub fn diff_from_defaults(&self) -> Vec<Change> {
        self.look(|desired| diff_fields(&Fields::of(&Job::new(&*self.name)), desired))
    }

    /// What is posted to have this job: all its fields, stamp and all, as JSON.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method itself is not general enough a function")]
    pub fn body(&self) -> String {
        self.look(|fields| fields.json())
    }

    /// The job's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The parent's name, if it has one.
    pub fn parent(&self) -> Option<&str> {
        self.parent.as_deref()
    }

    /// Whether it is switched off.
    pub fn disabled(&self) -> bool {
        self.disabled
    }

    /// Whether its schedule is an `@after`, which Dkron takes from 4.1 on only.
    pub fn is_after(&self) -> bool {
        self.look(|job| job.schedule.starts_with("@after "))
    }

    /// Whether an execution that has not ended keeps all others from beginning (FACTS 24c).
    pub fn forbids_overlap(&self) -> bool {
        self.look(|job| job.concurrency == CONCURRENCY_FORBID)
    }

    /// Whether posting it makes Dkron run it at once while its grace period lasts, whether it has run before or not (FACTS 41). So
    /// it must not be posted without need.
    pub fn runs_on_post(&self) -> bool {
        !self.disabled && self.parent.is_none() && self.is_after()
    }

    /// The stamp, whoever's it is.
    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp.as_deref().and_then(Stamp::of_packed)
    }

    /// The stamp, if it was written for this job: one that names another job came with a copy made by hand, which nobody keeps.
    pub fn own_stamp(&self) -> Option<Stamp> {
        self.stamp().filter(|stamp| *stamp.job == *self.name)
    }

    /// Whether this release keeps it.
    pub fn is_of(&self, owner: &Owner) -> bool {
        self.own_stamp().is_some_and(|stamp| stamp.owner == *owner)
    }

    /// The digest of the definition, with its scheme in front.
    pub fn digest(&self) -> String {
        stamp::digest_of(&self.definition)
    }

    /// Whether two jobs have the same definition, `disabled` and stamp left aside.
    pub fn same_definition(&self, other: &Self) -> bool {
        self.definition == other.definition
    }

    /// Whether two jobs differ in their stamps at most.
    pub fn same_but_stamp(&self, other: &Self) -> bool {
        self.same_definition(other) && self.disabled == other.disabled
    }

    /// The same job; what is equal in both is in memory only once.
    #[must_use]
    pub fn sharing(self, other: &Self) -> Self {
        fn one<T: PartialEq + ?Sized>(ours: Arc<T>, theirs: &Arc<T>) -> Arc<T> {
            if ours == *theirs { theirs.clone() } else { ours }
        }
        let optional = |ours: Option<Arc<str>>, theirs: &Option<Arc<str>>| match (ours, theirs) {
            (Some(ours), Some(theirs)) => Some(one(ours, theirs)),
            (ours, _) => ours,
        };
        Self {
            name: one(self.name, &other.name),
            parent: optional(self.parent, &other.parent),
            definition: one(self.definition, &other.definition),
            stamp: optional(self.stamp, &other.stamp),
            ..self
        }
    }

    /// The same job; its name is in memory only once among all jobs that were given to this pool, and so is its definition where it
    /// is that of the first of this name.
    #[must_use]
    pub fn pooled(self, pool: &Pool) -> Self {
        // A map is whole whoever else panicked.
        let mut known = pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, definition)) = known.get_key_value(&self.name) {
            let definition = if self.definition == *definition { definition.clone() } else { self.definition };
            return Self { name: name.clone(), definition, ..self };
        }
        known.insert(self.name.clone(), self.definition.clone());
        self
    }

    /// The same job, switched off or on.
    #[must_use]
    pub fn with_disabled(&self, disabled: bool) -> Self {
        Self { disabled, ..self.clone() }
    }

    /// The same job with the stamp of `owner`. `template_disabled` is what the template says, whatever the job's switch is.
    #[must_use]
    pub fn stamped(&self, owner: &Owner, template_disabled: bool) -> Self {
        let stamp = Stamp::new(owner, &self.name, self.digest(), template_disabled);
        Self { stamp: Some(stamp::pack(&stamp.fields())), ..self.clone() }
    }

    /// The same job, with nothing of its stamp changed but the note of the template's `disabled`.
    #[must_use]
    pub fn with_disabled_noted(&self, template_disabled: bool) -> Self {
        let stamp = stamp::with_disabled(self.stamp.as_deref().unwrap_or_default(), template_disabled);
        Self { stamp: Some(stamp), ..self.clone() }
    }

    /// The same job set aside: without a parent, run by hand only, and its stamp says what it was. It keeps its history, and its
    /// parent can be deleted (FACTS 24d).
    #[must_use]
    pub fn parked(&self) -> Self {
        let mut job = self.unpack();
        job.park();
        Self::new(&job)
    }

    /// What a job that is set aside was before; `None` for any other.
    pub fn unparked(&self) -> Option<Self> {
        self.stamp.as_deref().filter(|stamp| stamp::is_parked(stamp))?;
        let mut job = self.unpack();
        job.unpark().then(|| Self::new(&job))
    }

    /// The same job without a stamp.
    #[must_use]
    pub fn unstamped(&self) -> Self {
        Self { stamp: None, ..self.clone() }
    }

    fn stamp_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        stamp::pairs(self.stamp.as_deref().unwrap_or_default())
    }
}

/// The jobs of both sides of a plan, which are made beside each other: most of them have the same definition.
#[derive(Debug, Default)]
pub struct Pool(Mutex<HashMap<Arc<str>, Arc<str>>>);

/// As the job it stands for.
impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unpack().fmt(f)
    }
}
