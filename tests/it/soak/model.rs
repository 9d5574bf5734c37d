//! What Dkron must hold after an apply, by the rules of the README and nothing of the program's own code: jobs as the JSON that
//! somebody wrote, and the few rules of who decides about which part of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

/// A job as Dkron holds it.
#[derive(Clone, PartialEq)]
pub(super) struct Held {
    /// Everything that its writer said of it but name, `disabled` and stamp; nothing that is empty.
    pub(super) def: Value,
    pub(super) disabled: bool,
    pub(super) stamp: Option<Stamp>,
}

/// What a release noted when it wrote a job.
#[derive(Clone, PartialEq)]
pub(super) struct Stamp {
    pub(super) owner: String,
    pub(super) job: String,
    pub(super) wrote: Value,
    pub(super) disabled: bool,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let off = if self.disabled { ", off" } else { "" };
        write!(f, "{}{off}, ", self.def)?;
        let Some(stamp) = &self.stamp else { return f.write_str("nobody's") };
        write!(f, "{}'s `{}`", stamp.owner, stamp.job)?;
        if stamp.disabled {
            f.write_str(" wanted off")?;
        }
        if stamp.wrote == self.def { Ok(()) } else { write!(f, " written as {}", stamp.wrote) }
    }
}

/// A job as a template wants it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Want {
    pub(super) def: Value,
    pub(super) disabled: bool,
}

pub(super) type Jobs = BTreeMap<String, Held>;
pub(super) type Wants = BTreeMap<String, Want>;

/// Who applies, and how.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Rules {
    pub(super) owner: String,
    pub(super) keeps_drift: bool,
    pub(super) prunes: bool,
    pub(super) keeps_disabled: bool,
    pub(super) takes: bool,
}

/// The metadata of a stamp.
const STAMP: [&str; 4] = ["dkron-jobs.owner", "dkron-jobs.job", "dkron-jobs.digest", "dkron-jobs.disabled"];
/// What Dkron itself says of a job, and what stands elsewhere in [`Held`].
const NOT_SAID: [&str; 10] = [
    "name",
    "disabled",
    "id",
    "next",
    "status",
    "success_count",
    "error_count",
    "last_success",
    "last_error",
    "dependent_jobs",
];

/// Which definition each digest stands for; learnt when it is first seen, which is right after it was written.
#[derive(Debug, Default)]
pub(super) struct Digests {
    seen: BTreeMap<String, (String, Value)>,
}

impl Digests {
    /// A job of Dkron's list.
    pub(super) fn held(&mut self, job: &Value) -> Held {
        let mut def = job.as_object().expect("a job is an object").clone();
        let disabled = def.get("disabled") == Some(&Value::Bool(true));
        for field in NOT_SAID {
            def.remove(field);
        }
        let mut stamp = Map::new();
        if let Some(Value::Object(metadata)) = def.get_mut("metadata") {
            for key in STAMP {
                stamp.extend(metadata.remove(key).map(|value| (key.to_owned(), value)));
            }
        }
        def.retain(|_, value| !is_nothing(value));
        let def = Value::Object(def);
        let text = |key: &str| stamp.get(key).and_then(Value::as_str).map(str::to_owned);
        let [owner, job, digest, switch] = STAMP.map(text);
        let stamp = owner.zip(job).map(|(owner, job)| {
            let digest = digest.expect("a stamp has a digest");
            let wrote = self.wrote(digest, &job, &def);
            Stamp { owner, job, wrote, disabled: switch.as_deref() == Some("true") }
        });
        Held { def, disabled, stamp }
    }

    fn wrote(&mut self, digest: String, job: &str, def: &Value) -> Value {
        if let Some((of, wrote)) = self.seen.get(&digest) {
            assert_eq!(of, job, "two jobs with one digest");
            return wrote.clone();
        }
        let mut known = self.seen.values();
        assert!(
            known.all(|(of, wrote)| of != job || wrote != def),
            "`{job}` has two digests for one definition: {def}"
        );
        self.seen.insert(digest, (job.to_owned(), def.clone()));
        def.clone()
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// The parent in a definition.
pub(super) fn parent(def: &Value) -> Option<&str> {
    def["parent_job"].as_str()
}

/// A job's stamp, if it is its own: a copy made by hand carries another's.
fn own<'j>(name: &str, held: &'j Held) -> Option<&'j Stamp> {
    held.stamp.as_ref().filter(|stamp| stamp.job == name)
}

fn is_of(name: &str, held: &Held, owner: &str) -> bool {
    own(name, held).is_some_and(|stamp| stamp.owner == owner)
}

/// What Dkron holds after an apply, or `None` where it must be refused.
pub(super) fn applied(live: &Jobs, wants: &Wants, rules: &Rules) -> Option<Jobs> {
    let after = decided(live, wants, rules)?;
    let ours = live.iter().filter(|(name, held)| is_of(name, held, &rules.owner)).count();
    let deletes = live.keys().filter(|name| !after.contains_key(*name)).count();
    let too_many = (deletes * 100 > ours * 30 && deletes > 10) || (deletes * 2 > ours && deletes > 3);
    let is_nothing_left = wants.is_empty() && ours > 0 && rules.prunes;
    if too_many || is_nothing_left { None } else { Some(after) }
}

/// The same, of a Dkron that has lost what was saved: as if it had been put back first.
pub(super) fn recovered(live: &Jobs, saved: &Jobs, wants: &Wants, rules: &Rules) -> Option<Jobs> {
    if !has_lost_everything(live, saved, &rules.owner) {
        return applied(live, wants, rules);
    }
    let mut whole = saved.clone();
    whole.extend(live.clone());
    decided(&whole, wants, rules)
}

/// None of ours is there, but for parents of others' jobs while some of those are missing still; nobody's are as they were saved.
fn has_lost_everything(live: &Jobs, saved: &Jobs, owner: &str) -> bool {
    let others = || saved.iter().filter(|(name, held)| !is_of(name, held, owner));
    let is_missing = others().any(|(name, _)| !live.contains_key(name));
    let mut needed = BTreeSet::new();
    for (_, held) in others() {
        let mut at = held;
        while let Some((name, above)) = parent(&at.def).and_then(|name| saved.get_key_value(name)) {
            needed.insert(name);
            at = above;
        }
    }
    live.iter().all(|(name, held)| match own(name, held) {
        Some(stamp) if stamp.owner == owner => is_missing && needed.contains(name),
        Some(_) => true,
        None => saved.get(name) == Some(held),
    })
}

fn decided(live: &Jobs, wants: &Wants, rules: &Rules) -> Option<Jobs> {
    let mut after = live.clone();
    for (name, want) in wants {
        let held = match live.get(name) {
            None => written(name, want, want.disabled, rules),
            Some(held) => one(name, want, held, rules)?,
        };
        after.insert(name.clone(), held);
    }
    let mut gone = BTreeSet::new();
    let unwanted = |(name, held): &(&String, &Held)| !wants.contains_key(*name) && is_of(name, held, &rules.owner);
    for (name, held) in live.iter().filter(unwanted).filter(|_| rules.prunes) {
        if held.def["metadata"]["dkron-jobs.prune"] == "false" {
            after.insert(name.clone(), Held { stamp: None, ..held.clone() });
        } else {
            gone.insert(name.clone());
        }
    }
    // What is a parent of anything that stays, stays.
    while let Some(needed) = after
        .iter()
        .filter(|(name, _)| !gone.contains(*name))
        .find_map(|(_, held)| parent(&held.def).filter(|parent| gone.contains(*parent)))
    {
        gone.remove(needed);
    }
    after.retain(|name, _| !gone.contains(name));
    Some(after)
}

/// A job that is wanted and there. `None`: it is another release's, and differs.
fn one(name: &str, want: &Want, held: &Held, rules: &Rules) -> Option<Held> {
    let stamp = own(name, held);
    let disabled = switch(want, held, stamp, rules);
    let Some(stamp) = stamp.filter(|stamp| stamp.owner == rules.owner || !rules.takes) else {
        return Some(written(name, want, disabled, rules));
    };
    if stamp.owner != rules.owner {
        return (held.def == want.def && held.disabled == disabled).then(|| held.clone());
    }
    // An edit stays where it is to stay and the template is what it was when it was written.
    let is_edit = held.def != want.def && held.def != stamp.wrote && stamp.wrote == want.def;
    let stays = is_edit && rules.keeps_drift;
    let def = if stays { &held.def } else { &want.def };
    if *def == held.def && disabled == held.disabled {
        return Some(held.clone());
    }
    Some(if stays {
        Held { disabled, stamp: Some(Stamp { disabled: want.disabled, ..stamp.clone() }), ..held.clone() }
    } else {
        written(name, want, disabled, rules)
    })
}

/// Whether a job is off: an operator's hand counts where the template did not say so itself when it was written.
fn switch(want: &Want, held: &Held, stamp: Option<&Stamp>, rules: &Rules) -> bool {
    let noted = stamp.map(|stamp| stamp.disabled);
    let is_ours = stamp.is_some_and(|stamp| stamp.owner == rules.owner);
    if held.disabled && noted != Some(true) && rules.keeps_disabled {
        return true;
    }
    // The template says what it said, and somebody switched.
    let is_edit = is_ours && noted == Some(want.disabled) && held.disabled != want.disabled;
    if is_edit && rules.keeps_drift { held.disabled } else { want.disabled }
}

fn written(name: &str, want: &Want, disabled: bool, rules: &Rules) -> Held {
    let stamp =
        Stamp { owner: rules.owner.clone(), job: name.to_owned(), wrote: want.def.clone(), disabled: want.disabled };
    Held { def: want.def.clone(), disabled, stamp: Some(stamp) }
}
