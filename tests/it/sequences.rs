//! What happens step by step. Each sequence is told as a text: what somebody did, what was planned then, what came of it.
//! The texts are in `tests/cases/sequences`; the last step of each must plan nothing.

use std::collections::BTreeSet;
use std::fmt::Write;

use anstream::adapter::strip_str;
use dkron_jobs::job::{Desired, Job, Owner};
use dkron_jobs::plan::{Drift, Policy, TakeOwnership, plan};
use dkron_jobs::report::{Masker, Report, Style};

use crate::golden;
use crate::healings::HEALINGS;
use crate::model::{Dkron, WaveOrder, default_policy, desired, text};
use crate::recoveries::RECOVERIES;

const STYLE: Style = Style { value_width: 80 };
pub(crate) const SHOP: &str = "shop/main";

pub(crate) type Steps = fn(&mut Story);

/// Each sequence by the name of its text.
const SEQUENCES: [(&str, Steps); 19] = [
    ("first_install_over_hand_made_jobs", first_install),
    ("a_job_copied_in_the_ui", copied_in_the_ui),
    ("disabled_by_hand", disabled_by_hand),
    ("disabled_by_the_template", disabled_by_the_template),
    ("drift_reverted", |story| drift(story, Drift::Revert)),
    ("drift_kept", |story| drift(story, Drift::Keep)),
    ("a_stamp_of_another_scheme", another_scheme),
    ("a_renamed_job_whose_create_fails", renamed_job),
    ("a_renamed_parent_with_children", renamed_parent),
    ("a_child_leaves_a_parent_that_goes", child_leaves),
    ("parent_and_child_change_places", change_places),
    ("moved_between_releases_new_one_first", moved_new_first),
    ("moved_between_releases_old_one_first", moved_old_first),
    ("left_behind_for_its_next_owner", left_behind),
    ("two_releases_and_two_namespaces", two_releases),
    ("a_parent_of_ours_with_a_child_that_is_not", foreign_child),
    ("a_rollback", rollback),
    ("what_the_guard_refuses", guard),
    ("what_no_plan_is_made_for", no_plan),
];

#[test]
fn every_sequence_goes_as_its_text_says() {
    let mut plans = String::new();
    for (name, steps) in SEQUENCES.into_iter().chain(RECOVERIES).chain(HEALINGS) {
        let mut story = Story::new();
        steps(&mut story);
        writeln!(plans, "{name}\n{}", story.plans).expect("a string takes everything");
        assert!(story.settled, "{name}: the last step still writes:\n{}", story.text);
        insta::with_settings!({ snapshot_path => "../cases/sequences", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, story.text.trim_end());
        });
    }
    // The same plans for machines, with every field: as the commit before the planner was rebuilt made them.
    golden::check("plans.ndjson", &plans);
}

#[test]
fn every_text_belongs_to_a_sequence() {
    #[expect(clippy::disallowed_methods, reason = "looks for texts that no test reads")]
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/sequences"))
        .expect("the folder of the texts is there");
    let found: BTreeSet<_> =
        files.map(|file| file.expect("a folder can be read").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(
        found,
        SEQUENCES.iter().chain(&RECOVERIES).chain(&HEALINGS).map(|(name, _)| format!("{name}.snap")).collect()
    );
}

/// A Dkron, and what is told of it.
pub(crate) struct Story {
    pub(crate) dkron: Dkron,
    text: String,
    /// The plans as JSON, one on each line.
    plans: String,
    steps: usize,
    /// Whether the last step planned to write nothing.
    settled: bool,
}

impl Story {
    fn new() -> Self {
        Self { dkron: Dkron::default(), text: String::new(), plans: String::new(), steps: 0, settled: false }
    }

    /// Plans under the usual policy of this owner, tells it, and carries it out.
    pub(crate) fn apply(&mut self, what: &str, owner: &str, jobs: &[Job]) {
        self.apply_under(what, &default_policy(owner), jobs);
    }

    fn apply_under(&mut self, what: &str, policy: &Policy, jobs: &[Job]) {
        self.plan(what, policy, &desired(jobs.iter().cloned()));
    }

    pub(crate) fn plan(&mut self, what: &str, policy: &Policy, desired: &Desired) {
        self.steps += 1;
        let step = self.steps;
        self.tell(format_args!("{step}. {what} [{}]", policy.owner));
        match plan(desired, &self.dkron.live, policy) {
            Err(error) => {
                self.settled = false;
                self.tell(format_args!("refused: {error}"));
            }
            Ok(plan) => {
                let masker = Masker::default();
                let report = Report::of_plan("plan", &plan, &policy.owner, &masker);
                self.settled = !report.has_changes();
                self.plans.push_str(&serde_json::to_string(&report).expect("a report is JSON"));
                self.plans.push('\n');
                self.tell_report(&report);
                let outcomes = self.dkron.carry_out(&plan, WaveOrder::Forwards);
                let report = Report::new("apply", &plan, &outcomes, &policy.owner, &masker);
                if !report.is_success() {
                    self.tell_report(&report);
                }
            }
        }
        self.text.push('\n');
    }

    /// Somebody does something to Dkron behind our back.
    pub(crate) fn hand(&mut self, what: &str, edit: impl FnOnce(&mut Dkron)) {
        self.tell(format_args!("   by hand: {what}"));
        self.text.push('\n');
        edit(&mut self.dkron);
    }

    fn tell_report(&mut self, report: &Report<'_>) {
        self.tell(format_args!("{}", strip_str(text(report, STYLE).trim_end())));
    }

    fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{what}").expect("a string takes everything");
    }
}

/// A refresh of this cache, as a template would have it.
pub(crate) fn refresh(cache: &str) -> Job {
    let mut job = Job::new(format!("refresh-{cache}"));
    job.schedule = "0 */5 * * * *".into();
    job.executor = "http".into();
    for (key, value) in
        [("method", "POST"), ("url", &format!("http://cache-manager:8080/refresh/{cache}")), ("expectCode", "200")]
    {
        job.executor_config.insert(key.to_owned(), value.to_owned());
    }
    job.tags.insert("server".to_owned(), "true:1".to_owned());
    job
}

pub(crate) trait JobExt: Sized {
    fn with(self, edit: impl FnOnce(&mut Job)) -> Self;
    fn every(self, minutes: u32) -> Self;
    fn child_of(self, parent: &str) -> Self;
}

impl JobExt for Job {
    fn with(mut self, edit: impl FnOnce(&mut Job)) -> Self {
        edit(&mut self);
        self
    }

    fn every(self, minutes: u32) -> Self {
        self.with(|job| job.schedule = format!("0 */{minutes} * * * *"))
    }

    fn child_of(self, parent: &str) -> Self {
        self.with(|job| job.parent_job = parent.into())
    }
}

fn first_install(story: &mut Story) {
    story.hand("three jobs were made in the UI", |dkron| {
        for job in [refresh("prices"), refresh("stock").every(30), refresh("old-things")] {
            dkron.put(&job).expect("it has no parent");
        }
        dkron.job("refresh-prices").disabled = true;
    });
    let jobs = [refresh("prices"), refresh("stock"), refresh("users")];
    story.apply("first install: one as wanted but off, one different, one not ours, one missing", SHOP, &jobs);
    story.apply("again", SHOP, &jobs);
}

fn copied_in_the_ui(story: &mut Story) {
    let jobs = [refresh("prices"), refresh("stock")];
    story.apply("install", SHOP, &jobs);
    story.hand("`refresh-prices` is copied in the UI as `refresh-prices-nightly`, its metadata with it", |dkron| {
        let copy = dkron.job("refresh-prices").clone().with(|job| job.name = "refresh-prices-nightly".into());
        dkron.put(&copy).expect("it has no parent");
    });
    story.apply("the copy is nobody's", SHOP, &jobs);
    story.apply("the template of the original goes; the copy stays", SHOP, &jobs[1..]);
    let nightly = refresh("prices-nightly").every(30);
    let jobs = [refresh("stock"), nightly];
    story.apply("a template takes the copy's name", SHOP, &jobs);
    story.apply("again", SHOP, &jobs);
}

fn disabled_by_hand(story: &mut Story) {
    let job = refresh("prices");
    story.apply("install", SHOP, std::slice::from_ref(&job));
    story.hand("an operator switches it off", |dkron| dkron.job("refresh-prices").disabled = true);
    story.apply("kept off, nothing sent", SHOP, std::slice::from_ref(&job));
    let job = job.every(10);
    story.apply("the template changes: updated, kept off", SHOP, std::slice::from_ref(&job));
    story.apply("the template says off too", SHOP, &[job.clone().with(|job| job.disabled = true)]);
    story.apply(
        "the template no longer says off: the operator's hand is still there",
        SHOP,
        std::slice::from_ref(&job),
    );
    let mut policy = default_policy(SHOP);
    policy.keep_disabled = false;
    story.apply_under("with `--keep-disabled=false` the template decides", &policy, std::slice::from_ref(&job));
    story.apply("again", SHOP, &[job]);
}

fn disabled_by_the_template(story: &mut Story) {
    let on = refresh("prices");
    let off = on.clone().with(|job| job.disabled = true);
    story.apply("install", SHOP, std::slice::from_ref(&on));
    story.apply("the template says off", SHOP, std::slice::from_ref(&off));
    story.apply("and another interval", SHOP, &[off.clone().every(10)]);
    story.hand("an operator switches it on", |dkron| dkron.job("refresh-prices").disabled = false);
    let mut keep = default_policy(SHOP);
    keep.drift = Drift::Keep;
    story.apply_under("under `keep` it stays on", &keep, &[off.clone().every(10)]);
    story.apply_under("and a change of the template leaves it on", &keep, std::slice::from_ref(&off));
    story.apply("under `revert` it is off again", SHOP, &[off]);
    story.apply("the template no longer says off: it was ours to say", SHOP, std::slice::from_ref(&on));
    story.apply("again", SHOP, &[on]);
}

fn drift(story: &mut Story, drift: Drift) {
    let policy = Policy { drift, ..default_policy(SHOP) };
    let (prices, stock) = (refresh("prices"), refresh("stock"));
    story.apply_under("install", &policy, &[prices.clone(), stock.clone()]);
    story.hand("the interval of `refresh-prices` is edited, and a metadata key added", |dkron| {
        let mut job = dkron.job("refresh-prices");
        job.schedule = "0 * * * * *".into();
        job.metadata.insert("note".to_owned(), "black friday".to_owned());
    });
    story.apply_under("the template is as it was", &policy, &[prices.clone(), stock.clone()]);
    let off = prices.clone().with(|job| job.disabled = true);
    story.apply_under("the template says off, and nothing else", &policy, &[off, stock.clone()]);
    story.apply_under("and on again", &policy, &[prices, stock.clone()]);
    story.hand("and edited once more", |dkron| dkron.job("refresh-prices").schedule = "0 */2 * * * *".into());
    let prices = refresh("prices").with(|job| job.retries = 2);
    story.apply_under("the template changes too: it wins", &policy, &[prices.clone(), stock.clone()]);
    story.hand("the template's next change is made by hand first", |dkron| dkron.job("refresh-stock").retries = 1);
    story.apply_under("and then in the template", &policy, &[prices, stock.with(|job| job.retries = 1)]);
}

fn another_scheme(story: &mut Story) {
    let job = refresh("prices");
    story.apply("install", SHOP, std::slice::from_ref(&job));
    story.hand("a newer version of the tool writes its stamp", |dkron| {
        "v9:abc".clone_into(&mut dkron.job("refresh-prices").stamp.as_mut().expect("a stamp").digest);
    });
    story.apply("the definitions are the same", SHOP, std::slice::from_ref(&job));
    let keep = Policy { drift: Drift::Keep, ..default_policy(SHOP) };
    story.apply_under("they differ, and nobody can say why", &keep, &[job.clone().every(10)]);
    story.hand("the whole stamp is taken away", |dkron| dkron.job("refresh-prices").stamp = None);
    story.apply("it is written again", SHOP, &[job.clone().every(10)]);
    story.apply("again", SHOP, &[job.every(10)]);
}

fn renamed_job(story: &mut Story) {
    story.apply("install", SHOP, &[refresh("prices"), refresh("stock")]);
    let renamed = [refresh("tariffs"), refresh("stock")];
    story.dkron.failing.insert("refresh-tariffs".to_owned());
    story.apply("renamed, and its create fails: the old one stays", SHOP, &renamed);
    story.dkron.failing.clear();
    story.apply("the next run succeeds", SHOP, &renamed);
    story.apply("again", SHOP, &renamed);
}

fn renamed_parent(story: &mut Story) {
    let check = |parent: &str| refresh("check").child_of(parent);
    let mail = refresh("mail").child_of("refresh-check");
    story.apply("install", SHOP, &[refresh("prices"), check("refresh-prices"), mail.clone()]);
    let renamed = [refresh("tariffs"), check("refresh-tariffs"), mail];
    story.dkron.failing.insert("refresh-tariffs".to_owned());
    story.apply("the parent is renamed, and its create fails", SHOP, &renamed);
    story.dkron.failing.clear();
    story.apply("the next run succeeds", SHOP, &renamed);
    story.apply("all three go", SHOP, &[refresh("new")]);
    story.apply("again", SHOP, &[refresh("new")]);
}

fn child_leaves(story: &mut Story) {
    story.apply("install", SHOP, &[refresh("prices"), refresh("check").child_of("refresh-prices")]);
    story.dkron.failing.insert("refresh-check".to_owned());
    story.apply("the parent goes, the child stands alone, but its write fails", SHOP, &[refresh("check")]);
    story.dkron.failing.clear();
    story.apply("the next run succeeds", SHOP, &[refresh("check")]);
    story.apply(
        "a new child under a parent that is not wanted any more",
        SHOP,
        &[refresh("x").child_of("refresh-check")],
    );
    story.apply("again", SHOP, &[refresh("x").child_of("refresh-check")]);
}

fn change_places(story: &mut Story) {
    story.apply("install", SHOP, &[refresh("a"), refresh("b").child_of("refresh-a")]);
    let turned = [refresh("a").child_of("refresh-b"), refresh("b")];
    story.apply("the child becomes the parent", SHOP, &turned);
    story.apply("again", SHOP, &turned);
}

fn moved_new_first(story: &mut Story) {
    let job = refresh("prices");
    story.apply("install", "shop/old", &[job.clone(), refresh("stock")]);
    story.apply("the new release renders it already, the same", "shop/new", std::slice::from_ref(&job));
    story.apply("and then another way: a conflict", "shop/new", &[job.clone().every(10)]);
    let mut policy = default_policy("shop/new");
    policy.take_ownership = TakeOwnership::From(Owner::parse("shop/other"));
    story.apply_under("the flag names somebody else", &policy, &[job.clone().every(10)]);
    policy.take_ownership = TakeOwnership::From(Owner::parse("shop/old"));
    story.apply_under("the flag names its owner", &policy, &[job.clone().every(10)]);
    story.apply("the old release drops it: nothing of its own goes", "shop/old", &[refresh("stock")]);
    story.apply("again", "shop/new", &[job.every(10)]);
}

fn moved_old_first(story: &mut Story) {
    let job = refresh("prices");
    story.apply("install", "shop/old", &[job.clone(), refresh("stock")]);
    story.hand("an operator switches both off", |dkron| {
        dkron.job("refresh-prices").disabled = true;
        dkron.job("refresh-stock").disabled = true;
    });
    story.apply("the old release drops it", "shop/old", &[refresh("stock")]);
    story.apply("the new one creates it", "shop/new", std::slice::from_ref(&job));
    let mut policy = default_policy("shop/new");
    policy.take_ownership = TakeOwnership::Any;
    let both = [job, refresh("stock")];
    story.apply_under("takes over what is as wanted: the stamp, and the operator's hand stays", &policy, &both);
    story.apply("the old release has nothing left", "shop/old", &[]);
    story.apply_under("again", &policy, &both);
}

fn left_behind(story: &mut Story) {
    let marked = refresh("prices").with(|job| {
        job.metadata.insert("dkron-jobs.prune".to_owned(), "false".to_owned());
    });
    story.apply("install", "shop/old", &[marked.clone(), refresh("stock")]);
    let mut policy = default_policy("shop/old");
    policy.prune = false;
    story.apply_under("no longer wanted, but pruning is off", &policy, &[refresh("stock")]);
    story.apply("no longer wanted", "shop/old", &[refresh("stock")]);
    story.apply("its old owner knows it no more", "shop/old", &[refresh("stock")]);
    story.apply("its next owner", "shop/new", &[refresh("prices")]);
    story.apply("again", "shop/new", &[refresh("prices")]);
}

fn two_releases(story: &mut Story) {
    let staged = |cache: &str| refresh(cache).with(|job| job.name = format!("stage-{}", job.name).into());
    let (shop, extra, stage) =
        ([refresh("prices"), refresh("stock")], [refresh("users")], [staged("prices"), staged("stock")]);
    story.apply("install", SHOP, &shop);
    story.apply("a second release beside it", "shop/extra", &extra);
    story.apply("a second namespace, with a prefix", "stage/main", &stage);
    story.apply("a third namespace without one", "test/main", &[refresh("prices").every(1)]);
    story.hand("a job is posted under an owner that means trouble", |dkron| {
        let job = refresh("odd").stamped(&Owner::parse("a b/$(reboot)\n\u{1b}[2Jx"), false);
        dkron.put(&job).expect("it has no parent");
    });
    story.apply("its name is wanted", "shop/extra", &[extra[0].clone(), refresh("odd").every(1)]);
    story.apply("one drops a job of its own", SHOP, &shop[..1]);
    story.apply("the other drops one", "stage/main", &stage[1..]);
    story.apply("again", SHOP, &shop[..1]);
    story.apply("again", "shop/extra", &extra);
    story.apply("again", "stage/main", &stage[1..]);
}

fn foreign_child(story: &mut Story) {
    let chain = [refresh("prices"), refresh("check").child_of("refresh-prices")];
    story.apply("install", SHOP, &[chain[0].clone(), chain[1].clone(), refresh("stock")]);
    story.hand("somebody hangs a job below `refresh-check`", |dkron| {
        dkron.put(&refresh("by-hand").child_of("refresh-check")).expect("its parent is there");
    });
    story.apply("parent and grandparent stay", SHOP, &[refresh("stock")]);
    story.hand("a second one", |dkron| {
        dkron.put(&refresh("by-hand-too").child_of("refresh-check")).expect("its parent is there");
    });
    story.apply("still", SHOP, &[refresh("stock")]);
    story.hand("both are gone", |dkron| {
        for name in ["refresh-by-hand", "refresh-by-hand-too"] {
            dkron.delete(name).expect("it has no child");
        }
    });
    story.apply("now they go", SHOP, &[refresh("stock")]);
    story.apply("again", SHOP, &[refresh("stock")]);
}

fn rollback(story: &mut Story) {
    let first = [refresh("prices"), refresh("stock"), refresh("check").child_of("refresh-stock")];
    let second = [refresh("prices").every(10), refresh("users"), refresh("check").child_of("refresh-users")];
    story.apply("version 1", SHOP, &first);
    story.apply("version 2: one changed, one gone, one new", SHOP, &second);
    story.hand("somebody edits what version 2 wrote", |dkron| dkron.job("refresh-prices").retries = 3);
    story.apply("rolled back to version 1", SHOP, &first);
    story.apply("again", SHOP, &first);
}

fn guard(story: &mut Story) {
    let jobs: Vec<_> = (10..30).map(|number| refresh(&number.to_string())).collect();
    story.apply("twenty jobs", SHOP, &jobs);
    story.apply("the templates render nothing", SHOP, &[]);
    story.apply("eleven would go", SHOP, &jobs[11..]);
    story.apply_under("ten are allowed", &Policy { allow_deletes: 10, ..default_policy(SHOP) }, &jobs[11..]);
    story.apply("ten are few enough", SHOP, &jobs[10..]);
    story.apply("six of ten are too many", SHOP, &jobs[16..]);
    story.apply_under("six are allowed", &Policy { allow_deletes: 6, ..default_policy(SHOP) }, &jobs[16..]);
    story.apply("three of four are few enough", SHOP, &jobs[19..]);
    story.apply_under("nothing is wanted, by force", &Policy { force: true, ..default_policy(SHOP) }, &[]);
    story.apply("again", SHOP, &[]);
}

fn no_plan(story: &mut Story) {
    story.apply("install", SHOP, &[refresh("a"), refresh("b").child_of("refresh-a")]);
    story.apply("its own parent", SHOP, &[refresh("a").child_of("refresh-a")]);
    let circle = [("c", "b"), ("d", "c"), ("b", "d"), ("below", "b")]
        .map(|(name, parent)| refresh(name).child_of(&format!("refresh-{parent}")));
    story.apply("a circle of three, and one below it", SHOP, &circle);
    story.apply(
        "two parents that nobody has",
        SHOP,
        &[refresh("a").child_of("no-such-job"), refresh("b").child_of("nor-this")],
    );
    story.apply("nothing of that was written", SHOP, &[refresh("a"), refresh("b").child_of("refresh-a")]);
}
