//! What holds for every desired set, every Dkron and every policy: 10,000 cases each, or `PROPTEST_CASES`.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use anstream::adapter::strip_str;
use dkron_jobs::job::{self, Concurrency, Desired, Job, Live, LiveJob, Mismatch, Owner, Stamp, StringMap, Stuck};
use dkron_jobs::plan::{Change, Drift, Item, Plan, PlanError, Policy, Refusal, TakeOwnership, plan};
use dkron_jobs::report::{Masker, Outcome, Report, Style};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::model::{Dkron, WaveOrder, default_policy, desired, stored, text, wanted};

const OURS: &str = "shop/main";
const THEIRS: &str = "shop/other";
/// Few names and few values, so that the two sides often meet.
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Tries what holds on this many values: 10,000, or `PROPTEST_CASES`.
pub(crate) fn law<S: Strategy>(strategy: S, holds: impl Fn(S::Value) -> TestCaseResult)
where
    S::Value: Debug,
{
    #[expect(clippy::disallowed_methods, reason = "how many cases is for whoever runs the tests to say")]
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    if let Err(error) = TestRunner::new(config).run(&strategy, holds) {
        panic!("{error}");
    }
}

#[test]
fn what_is_planned_is_taken_and_leaves_nothing_to_plan() {
    let (planned, refused) = (Cell::new(0_usize), Cell::new(0_usize));
    law(case(), |case| {
        let Ok(first) = case.plan() else {
            refused.set(refused.get() + 1);
            return Ok(());
        };
        planned.set(planned.get() + 1);
        let mut dkron = Dkron { live: case.live.clone(), ..Dkron::default() };
        for (item, outcome) in first.items.iter().zip(dkron.carry_out(&first, case.order)) {
            let expected = if item.change.is_write() { Outcome::Done } else { Outcome::Unchanged };
            prop_assert_eq!(outcome, expected, "{}", item.name);
        }
        let second = plan(&case.desired, &dkron.live, &case.policy);
        let second = second.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(writes_nothing(&second), "{second:#?}");
        Ok(())
    });
    assert!(planned.get() > refused.get(), "{} of {} cases were refused", refused.get(), planned.get() + refused.get());
}

#[test]
fn a_desired_set_against_itself_is_unchanged() {
    law((desired_set(), policy()), |(desired, policy)| {
        let live: Live = desired
            .jobs
            .values()
            .map(|wanted| {
                let stamped = wanted.job.stamped(&policy.owner, wanted.job.disabled);
                stored(&stamped.clone())
            })
            .collect();
        let parents_are_there = desired
            .jobs
            .values()
            .all(|wanted| wanted.job.parent().is_none_or(|parent| desired.jobs.contains_key(parent)));
        prop_assume!(parents_are_there);
        let plan = plan(&desired, &live, &policy).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(writes_nothing(&plan) && plan.warnings.is_empty(), "{plan:#?}");
        prop_assert!(plan.items.iter().all(|item| item.reasons.is_empty() && item.changes().is_empty()), "{plan:#?}");
        Ok(())
    });
}

#[test]
fn what_is_not_ours_is_left() {
    let aside = Cell::new(0_usize);
    law(case(), |case| {
        let Ok(plan) = case.plan() else { return Ok(()) };
        for child in plan.items.iter().filter_map(Item::set_aside).flatten() {
            prop_assert_eq!(child.own_stamp().map(|stamp| stamp.owner.clone()), Some(case.policy.owner.clone()));
            aside.set(aside.get() + 1);
        }
        for item in plan.items.iter().filter(|item| item.change.is_write()) {
            let Some(live) = case.live.jobs.get(&item.name) else {
                prop_assert!(matches!(item.change, Change::Create { .. }), "{item:#?}");
                continue;
            };
            let wanted = case.desired.jobs.contains_key(&item.name);
            let stamp = live.job.stamp.as_ref().filter(|stamp| *stamp.job == *item.name);
            let ours = stamp.as_ref().is_some_and(|stamp| stamp.owner == case.policy.owner);
            match &item.change {
                Change::Create { .. } => prop_assert!(false, "created over another: {item:#?}"),
                Change::Delete => prop_assert!(ours && !wanted && case.policy.prune, "{item:#?}"),
                // Without a stamp it is adopted; another's only where the flag says so.
                Change::Update { .. } => prop_assert!(
                    ours || wanted
                        && stamp.is_none_or(|stamp| case.policy.take_ownership == TakeOwnership::Any
                            || case.policy.take_ownership == TakeOwnership::From(stamp.owner.clone())),
                    "{item:#?}"
                ),
                Change::Keep { .. } => {}
            }
        }
        Ok(())
    });
    assert!(aside.get() > 0, "no case had a child to set aside");
}

#[test]
fn a_conflict_or_a_refusal_names_what_stands_in_the_way() {
    law(case(), |case| {
        let live = |name: &str| case.live.jobs.get(name).and_then(|live| live.job.stamp.as_ref());
        match case.plan() {
            Err(PlanError::Conflict(conflicts)) => {
                for conflict in conflicts {
                    prop_assert!(!conflict.fields.is_empty());
                    prop_assert_ne!(
                        live(&conflict.name).map(|stamp| stamp.owner.clone()),
                        Some(case.policy.owner.clone())
                    );
                }
            }
            Err(PlanError::Cycle { path, origin }) => {
                prop_assert!(path.len() > 1 && path.first() == path.last());
                prop_assert_eq!(path[1..].iter().collect::<BTreeSet<_>>().len(), path.len() - 1);
                prop_assert_eq!(case.desired.jobs.get(path[0].as_str()).map(|job| &job.origin), Some(&origin));
            }
            Err(PlanError::ParentMissing(missing)) => {
                for missing in missing {
                    prop_assert!(!case.desired.jobs.contains_key(missing.parent.as_str()));
                }
            }
            Err(PlanError::Refused(_)) => prop_assert!(!case.policy.force),
            Ok(_) => {}
        }
        Ok(())
    });
}

#[test]
fn parents_come_first_and_children_go_first() {
    law(case(), |case| {
        let Ok(plan) = case.plan() else { return Ok(()) };
        let wave_of = |waves: &[Vec<usize>]| -> BTreeMap<Arc<str>, usize> {
            let numbered =
                waves.iter().enumerate().flat_map(|(wave, items)| items.iter().map(move |&index| (index, wave)));
            numbered.map(|(index, wave)| (plan.items[index].name.clone(), wave)).collect()
        };
        let (writes, deletes) = (wave_of(&plan.writes), wave_of(&plan.deletes));
        let in_waves = plan.writes.iter().chain(&plan.deletes).map(Vec::len).sum::<usize>();
        let to_do = plan.items.iter().filter(|item| item.change.is_write()).count();
        prop_assert_eq!((writes.len() + deletes.len(), in_waves), (to_do, to_do), "each once");
        for item in &plan.items {
            if let Some(parent) = item.definition().and_then(Job::parent)
                && let Some(wave) = writes.get(parent)
            {
                // One that is deleted and created again is there, and waits until its children are as they shall be.
                let anew = |name: &str| plan.items.iter().any(|item| *item.name == *name && item.set_aside().is_some());
                let late = anew(parent) && !anew(&item.name);
                prop_assert_eq!(*wave > writes[&item.name], late, "{} before its parent", item.name);
                prop_assert_ne!(*wave, writes[&item.name]);
            }
            if item.change == Change::Delete {
                let parent = case.live.jobs[&item.name].job.parent();
                if let Some(wave) = parent.and_then(|parent| deletes.get(parent)) {
                    prop_assert!(deletes[&item.name] < *wave, "{} is deleted after its parent", item.name);
                }
            }
        }
        prop_assert!(plan.items.is_sorted_by(|a, b| a.name < b.name), "by name, each once");
        Ok(())
    });
}

#[test]
fn the_guard_lets_no_more_deletes_through_than_its_limits() {
    law((0..40_usize, 0..40_usize, 0..50_usize, 0..3_usize), |(gone, kept, allow_deletes, new)| {
        let name = |number: usize| Job::new(format!("job-{number}"));
        let live: Live =
            (0..gone + kept).map(|number| LiveJob::from(name(number).stamped(&Owner::parse(OURS), false))).collect();
        let desired = desired((gone..gone + kept + new).map(name));
        let policy = |force| Policy { allow_deletes, force, ..default_policy(OURS) };
        let ours = gone + kept;
        let many = (10 * gone > 3 * ours && gone > 10) || (2 * gone > ours && gone > 3);
        match plan(&desired, &live, &policy(false)) {
            Ok(plan) => {
                let deletes = plan.deletes.iter().map(Vec::len).sum::<usize>();
                prop_assert_eq!(deletes, gone);
                prop_assert!(!many || deletes <= allow_deletes, "{deletes} of {ours} pass");
                prop_assert!(ours == 0 || kept + new > 0 || allow_deletes >= ours, "all go");
            }
            Err(PlanError::Refused(Refusal::NothingDesired { ours: said })) => {
                prop_assert!(kept + new == 0 && said == ours && allow_deletes < ours);
            }
            Err(PlanError::Refused(Refusal::TooManyDeletes { names, ours: said, .. })) => {
                let deletes = names.len();
                prop_assert!(many && deletes == gone && said == ours && allow_deletes < gone);
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
        prop_assert!(plan(&desired, &live, &policy(true)).is_ok(), "`--force` is the last word");
        let unpruned = plan(&desired, &live, &Policy { prune: false, ..policy(false) });
        prop_assert!(unpruned.is_ok_and(|plan| plan.deletes.is_empty()), "where nothing goes, nothing is refused");
        Ok(())
    });
}

#[test]
fn canonical_form_is_canonical() {
    law((any_job(), noise()), |(job, noise)| {
        let json = serde_json::to_string(&job)?;
        let read = serde_json::from_str::<Job>(&json)?;
        prop_assert_eq!(&read, &job);
        prop_assert_eq!(serde_json::to_string(&read)?, json.clone());
        prop_assert_eq!(job.body(), json.clone());
        // As the server writes it: nothing left out, fields of its own, instants in other zones.
        let mut object = serde_json::from_str::<serde_json::Map<String, Value>>(&json)?;
        for (key, value) in noise {
            object.entry(key).or_insert(value);
        }
        for key in ["starts_at", "expires_at"] {
            if let Some(Value::String(text)) = object.get_mut(key) {
                *text = text.replace('Z', "+00:00");
            }
        }
        if object["concurrency"] == "allow" {
            object["concurrency"] = json!("");
        }
        let served = serde_json::from_str::<LiveJob>(&Value::Object(object).to_string())?;
        prop_assert_eq!(&served.job, &job);
        Ok(())
    });
}

#[test]
fn the_stamp_is_no_part_of_what_it_stamps() {
    law((any_job(), any::<String>(), any::<bool>()), |(job, owner, disabled)| {
        let stamped = job.stamped(&Owner::parse(&owner), disabled);
        prop_assert_eq!(stamped.digest(), job.digest());
        prop_assert!(stamped.diff(&job).is_empty());
        let stamp = stamped.stamp.as_ref().expect("it was stamped");
        prop_assert_eq!(
            (stamp.owner.as_str(), &stamp.job, stamp.disabled),
            (owner.as_str(), &job.name.to_string(), Some(disabled))
        );
        prop_assert_eq!(&stamped.stamped(&Owner::parse(&owner), disabled), &stamped, "stamping again changes nothing");
        prop_assert_eq!(stamped.unstamped(), job.unstamped());
        Ok(())
    });
}

/// Three ways to tell two definitions apart, which must agree.
#[test]
fn differences_equality_and_digest_agree() {
    law((any_job(), any_job(), vec(any::<bool>(), 18)), |(one, other, take)| {
        // Each field of the second comes from either, so that often only one differs, and often none.
        let mut two = one.clone();
        let mut take = take.into_iter();
        let mut from_other = || take.next().unwrap_or_default() && take.len() % 3 == 0;
        macro_rules! mix { ($($field:ident),*) => { $(if from_other() { two.$field.clone_from(&other.$field); })* } }
        mix!(displayname, timezone, schedule, owner, owner_email, disabled, tags, metadata, retries, parent_job);
        mix!(processors, concurrency, executor, executor_config, ephemeral, starts_at, expires_at);
        let same = one.same_definition(&two);
        prop_assert_eq!(same, one.digest() == two.digest());
        prop_assert_eq!(same && one.disabled == two.disabled, one.diff(&two).is_empty());
        prop_assert_eq!(one.same_but_stamp(&two), one.diff(&two).is_empty());
        prop_assert_eq!(one.diff(&two).len(), two.diff(&one).len());
        Ok(())
    });
}

#[test]
fn no_secret_gets_out_and_no_change_of_one_is_hidden() {
    let place = || (select(vec!["url", "headers", "body", "note", "x-token"]), 0..6_usize, "[a-c /?&=]{0,3}");
    law((secret(), secret(), vec((place(), place()), 1..4)), |(old, new, places)| {
        let mut live = Job::new("a");
        let mut job = Job::new("a");
        let mut wanted = wanted(&job);
        for ((field, encoding, text), (_, other_encoding, other_text)) in &places {
            // What is live may hold an older secret, which nobody told us: such a field is known to be secret.
            live.executor_config.insert((*field).to_owned(), format!("{text}{}{text}", encode(&old, *encoding)));
            job.executor_config.insert((*field).to_owned(), format!("{other_text}{}", encode(&new, *other_encoding)));
            wanted.secret_fields.insert(format!("executor_config.{field}"));
            // Elsewhere the new one stands in fields that nobody marked.
            live.metadata.insert((*field).to_owned(), encode(&new, *encoding));
            job.metadata.insert(format!("{field}2"), format!("{text}{}{other_text}", encode(&new, *encoding)));
            live.processors
                .entry((*field).to_owned())
                .or_default()
                .insert("k".to_owned(), encode(&new, *other_encoding));
        }
        let live = live.stamped(&Owner::parse(OURS), false);
        job.displayname.clone_from(&new);
        wanted.job = job.clone();
        let live: Live = [stored(&live)].into_iter().collect();
        let plan = plan(&[wanted].into_iter().collect(), &live, &default_policy(OURS))
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let masker = Masker::new([new.clone()]);
        let failed = Outcome::Failed(format!("400 {} is no schedule", encode(&new, 1)));
        let outcomes = [failed];
        let report = Report::new("apply", &plan, &outcomes, &Owner::parse(&new), &masker);
        let shown = report.jobs.iter().next().expect("the job").changes;
        for (change, shown) in plan.items[0].changes().iter().zip(&shown) {
            prop_assert_ne!(&change.from, &change.to);
            prop_assert_ne!(&shown.from, &shown.to, "{} hides its change", change.field);
        }
        let json = serde_json::to_string(&report)?;
        let text = text(&report, Style { value_width: 400 });
        let brief = report.brief(4096);
        for secret in [&old, &new] {
            for shown in [&json, &text, &strip_str(&text).to_string(), &brief] {
                for encoding in 0..6 {
                    prop_assert!(!shown.contains(&encode(secret, encoding)), "{secret:?} is in {shown}");
                }
            }
        }
        Ok(())
    });
}

/// A secret as it may stand in a text: as it is, in JSON, in JSON in JSON, in a form, percent-encoded, and both.
fn encode(secret: &str, encoding: usize) -> String {
    let json = |text: &str| {
        let quoted = Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    match encoding {
        0 => secret.to_owned(),
        1 => json(secret),
        2 => json(&json(secret)),
        3 => form(secret),
        4 => secret.bytes().map(|b| format!("%{b:02x}")).collect::<Vec<_>>().concat(),
        _ => form(&json(secret)),
    }
}

/// Six characters and more; what they begin with is in no word of a report.
fn secret() -> impl Strategy<Value = String> {
    "Z[Qq7\"\\\\/<>&%+ é\u{1f511}\n\t'#?=:@]{5,12}Q"
}

fn writes_nothing(plan: &Plan) -> bool {
    plan.writes.is_empty() && plan.deletes.is_empty() && plan.items.iter().all(|item| !item.change.is_write())
}

/// One desired set, one Dkron, one policy.
#[derive(Debug)]
struct Case {
    desired: Desired,
    live: Live,
    policy: Policy,
    order: WaveOrder,
}

impl Case {
    fn plan(&self) -> Result<Plan, PlanError> {
        plan(&self.desired, &self.live, &self.policy)
    }
}

fn case() -> impl Strategy<Value = Case> {
    let order = select(vec![WaveOrder::Forwards, WaveOrder::Backwards]);
    (desired_set(), live_set(), ailing(), policy(), order).prop_map(|(desired, mut live, ailing, policy, order)| {
        let first = |name: &Arc<str>| live.jobs.get(name).is_some_and(|live| live.job.parent().is_none());
        let runs = |name: &Arc<str>| first(name) && live.jobs.get(name).is_some_and(|live| !live.job.disabled);
        live.stuck = ailing.0.into_iter().filter(|(name, _)| runs(name)).collect();
        live.mismatched = ailing.1.into_iter().filter(|(name, _)| first(name)).collect();
        Case { desired, live, policy, order }
    })
}

/// Jobs that do not run as they are stored, if Dkron holds them: stuck ones, and those that the scheduler has otherwise.
fn ailing() -> impl Strategy<Value = (BTreeMap<Arc<str>, Stuck>, BTreeMap<Arc<str>, Mismatch>)> {
    let (at, names) = (jiff::Timestamp::UNIX_EPOCH, || select(NAMES.map(Arc::from).to_vec()));
    let mismatch = vec![Mismatch::NotScheduled, Mismatch::ScheduledDifferently, Mismatch::StillScheduled];
    (btree_map(names(), Just(Stuck { since: at, began: at }), 0..3), btree_map(names(), select(mismatch), 0..3))
}

fn policy() -> impl Strategy<Value = Policy> {
    let owners = vec![TakeOwnership::No, TakeOwnership::Any, TakeOwnership::From(Owner::parse(THEIRS))];
    (select(vec![Drift::Revert, Drift::Keep]), any::<[bool; 4]>(), 0..7_usize, select(owners)).prop_map(
        |(drift, [keep_disabled, prune, force, heal_stuck], allow_deletes, take_ownership)| Policy {
            owner: Owner::parse(OURS),
            drift,
            keep_disabled,
            prune,
            allow_deletes,
            force,
            take_ownership,
            heal_stuck,
        },
    )
}

/// The few things in which the jobs of a [`Case`] differ.
#[derive(Debug, Clone)]
struct Definition {
    disabled: bool,
    retries: u32,
    prune: bool,
    note: Option<&'static str>,
    forbid: bool,
}

fn definition() -> impl Strategy<Value = Definition> {
    (any::<bool>(), 0..2_u32, proptest::bool::weighted(0.8), option::of(Just("x")), any::<bool>())
        .prop_map(|(disabled, retries, prune, note, forbid)| Definition { disabled, retries, prune, note, forbid })
}

impl Definition {
    fn of(&self, name: &str, parent: Option<usize>) -> Job {
        let mut job = Job::new(name);
        job.disabled = self.disabled;
        job.retries = self.retries;
        job.concurrency = if self.forbid { Concurrency::Forbid } else { Concurrency::Allow };
        let prune = (!self.prune).then_some(("dkron-jobs.prune", "false"));
        let metadata = prune.into_iter().chain(self.note.map(|note| ("note", note)));
        job.metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        job.parent_job = parent.map(|parent| NAMES[parent].to_owned()).unwrap_or_default();
        job
    }
}

/// Parents have earlier names, and are seldom missing.
fn desired_set() -> impl Strategy<Value = Desired> {
    vec(option::weighted(0.7, (definition(), option::weighted(0.3, any::<prop::sample::Index>()))), NAMES.len())
        .prop_map(|jobs| {
            let there: Vec<_> = (0..NAMES.len()).filter(|&index| jobs[index].is_some()).collect();
            let jobs = jobs.iter().enumerate().filter_map(|(index, job)| {
                let (definition, parent) = job.as_ref()?;
                let earlier: Vec<_> = there.iter().copied().filter(|&parent| parent < index).collect();
                let parent =
                    parent.map(|parent| if earlier.is_empty() { index } else { earlier[parent.index(earlier.len())] });
                Some(definition.of(NAMES[index], parent.filter(|&parent| parent != index)))
            });
            desired(jobs)
        })
}

/// How a live job came to be.
#[derive(Debug, Clone)]
enum Made {
    ByHand,
    ByUs,
    ByOthers,
    /// A copy of this job, in the UI.
    CopyOf(usize),
    /// By another version of the tool, whose digest says nothing to us.
    ByAnotherVersion,
}

/// Each live job is as somebody wrote it, and perhaps edited since. Parents have later names in one half of the cases, so that
/// the desired set turns them round.
fn live_set() -> impl Strategy<Value = Live> {
    let made = prop_oneof![
        4 => Just(Made::ByUs),
        1 => Just(Made::ByHand),
        1 => Just(Made::ByOthers),
        1 => (0..NAMES.len()).prop_map(Made::CopyOf),
        1 => Just(Made::ByAnotherVersion),
    ];
    let parent = option::weighted(0.3, any::<prop::sample::Index>());
    let job = (made, definition(), option::weighted(0.4, definition()), parent);
    (vec(option::weighted(0.8, job), NAMES.len()), any::<bool>()).prop_map(|(jobs, turned)| {
        let there: Vec<_> = (0..NAMES.len()).filter(|&index| jobs[index].is_some()).collect();
        let live = jobs.iter().enumerate().filter_map(|(index, job)| {
            let (made, written, edited, parent) = job.as_ref()?;
            let before = |parent: &usize| if turned { *parent > index } else { *parent < index };
            let possible: Vec<_> = there.iter().copied().filter(before).collect();
            let parent = parent.filter(|_| !possible.is_empty()).map(|parent| possible[parent.index(possible.len())]);
            let mut job = written.of(NAMES[index], parent);
            match made {
                Made::ByHand => {}
                Made::ByOthers => job = job.stamped(&Owner::parse(THEIRS), written.disabled),
                Made::ByUs | Made::CopyOf(_) | Made::ByAnotherVersion => {
                    job = job.stamped(&Owner::parse(OURS), written.disabled);
                }
            }
            if let Made::CopyOf(original) = made {
                NAMES[*original].clone_into(&mut job.stamp.as_mut().expect("a stamp").job);
            }
            if matches!(made, Made::ByAnotherVersion) {
                "v9:x".clone_into(&mut job.stamp.as_mut().expect("a stamp").digest);
            }
            if let Some(edited) = edited {
                job.disabled = edited.disabled;
                job.retries = edited.retries;
            }
            Some(stored(&job))
        });
        live.collect()
    })
}

/// A job with anything in it that Dkron could hold.
fn any_job() -> impl Strategy<Value = Job> {
    let text = || "[ -~\u{0}-\u{1f}éß\u{2028}\u{1f511}]{0,4}";
    let map = || btree_map("[a-z.]{0,3}", text(), 0..3).prop_map(StringMap::from_iter);
    // Year 1 to 9999, without the instant that Go takes for none.
    let instant = option::of((-62_135_596_799_i64..253_402_000_000, 0..1_000_000_000_i32)).prop_map(|parts| {
        parts.map(|(seconds, nanoseconds)| {
            jiff::Timestamp::new(seconds, 0).expect("it is in range")
                + jiff::SignedDuration::from_nanos(nanoseconds.into())
        })
    });
    let texts = (text(), text(), text(), text(), text(), text(), text());
    let maps = (map(), map(), map(), btree_map("[a-z]{1,3}", map(), 0..2));
    let rest = (any::<bool>(), any::<u32>(), any::<bool>(), any::<bool>(), instant.clone(), instant);
    ("[a-z0-9_-]{1,8}", texts, maps, rest).prop_map(|(name, texts, maps, rest)| {
        let (displayname, timezone, schedule, owner, owner_email, parent_job, executor) = texts;
        let (tags, metadata, executor_config, processors) = maps;
        let (disabled, retries, forbid, ephemeral, starts_at, expires_at) = rest;
        let mut metadata = metadata;
        let stamp = Stamp::take(&mut metadata);
        let definition = job::Definition {
            displayname,
            timezone,
            schedule,
            owner,
            owner_email,
            tags,
            metadata,
            retries,
            parent_job,
            processors,
            concurrency: if forbid { Concurrency::Forbid } else { Concurrency::Allow },
            executor,
            executor_config,
            ephemeral,
            starts_at,
            expires_at,
        };
        Job { name: name.into(), definition: definition.into(), disabled, stamp }
    })
}

/// What a server writes where a client left something out (FACTS 6, 8, 17), and its own fields.
fn noise() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let absent = |key: &'static str, values: Vec<Value>| (Just(key.to_owned()), option::of(select(values)));
    let empty = || vec![Value::Null, json!("")];
    let no_map = || vec![Value::Null, json!({})];
    let never = || vec![Value::Null, json!("0001-01-01T00:00:00Z")];
    vec![
        absent("displayname", empty()),
        absent("timezone", empty()),
        absent("schedule", empty()),
        absent("owner", empty()),
        absent("owner_email", empty()),
        absent("parent_job", empty()),
        absent("executor", empty()),
        absent("disabled", vec![Value::Null, json!(false)]),
        absent("ephemeral", vec![Value::Null, json!(false)]),
        absent("retries", vec![Value::Null, json!(0)]),
        absent("tags", no_map()),
        absent("metadata", no_map()),
        absent("processors", no_map()),
        absent("executor_config", no_map()),
        absent("starts_at", never()),
        absent("expires_at", never()),
        absent("next", vec![Value::Null, json!("0001-01-01T00:00:00Z"), json!("2030-01-01T00:00:00+01:00")]),
        absent("dependent_jobs", vec![Value::Null, json!([]), json!(["x", "x"])]),
        absent("id", vec![json!("x")]),
        absent("status", vec![json!("success"), json!("")]),
        absent("success_count", vec![json!(3)]),
        absent("last_success", vec![Value::Null, json!("2026-01-01T00:00:00Z")]),
    ]
    .prop_map(|pairs| pairs.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}
