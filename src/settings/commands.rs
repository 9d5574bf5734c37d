//! What each command takes, and no more.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use glob::Pattern;
use url::Url;

use crate::cache::Key;
use crate::job::Owner;
use crate::lint::Severity;
use crate::plan::{Policy, TakeOwnership};
use crate::snapshot::Keep;

use super::LogFormat;
use super::given::{Given, read, settings};
use super::groups::{
    DkronSettings, JudgeSettings, Output, ReleaseSettings, SaveSettings, SourceSettings, StoreSettings, TargetSettings,
    TemplateSettings, WantedSettings, cache_key, policy,
};
use super::options;
use super::parse::parse_watch;

settings! { given =>
    /// The settings of `render`.
    RenderSettings {
        /// What to render.
        templates: TemplateSettings,
        /// The form of the jobs.
        format: RenderFormat,
        /// Whether secrets are shown.
        show_secrets: bool = given.bool(&options::SHOW_SECRETS),
    }

    /// The settings of `lint`.
    LintSettings {
        /// The templates that are looked at where nothing else is named.
        templates: TemplateSettings,
        /// How they are judged.
        judge: JudgeSettings,
        /// The jobs to look at in their place, from a file or a backup.
        source: SourceSettings,
        /// Names and globs of the jobs to judge; empty for all.
        only: Vec<Pattern> = given.patterns(&options::ONLY),
        /// Where the live jobs are.
        dkron: DkronSettings,
        /// Whether the live jobs are looked at.
        live: bool = given.bool(&options::LIVE),
        /// Where to write the page.
        html: Option<PathBuf> = given.path(&options::HTML),
        /// The least bad thing that makes it fail.
        fail_on: Severity =
            given.choice(&options::FAIL_ON, &[("error", Severity::Error), ("warning", Severity::Warning)]),
        /// The form of standard output.
        output: LintOutput,
    }

    /// The settings of `plan`.
    PlanSettings {
        /// What it would be done to.
        target: TargetSettings,
        /// What Dkron should hold.
        wanted: WantedSettings,
        /// How that is judged; `None` where it is not.
        judge: Option<JudgeSettings> = judge(given),
        /// Whether changes are told from none by the exit code.
        exit_code: bool = given.bool(&options::EXIT_CODE),
    }

    /// The settings of `apply`.
    ApplySettings {
        /// What it is done to.
        target: TargetSettings,
        /// What Dkron should hold.
        wanted: WantedSettings,
        /// How that is judged; `None` where it is not.
        judge: Option<JudgeSettings> = judge(given),
        /// How jobs are saved before one made by hand is adopted.
        save: SaveSettings,
    }

    /// The settings of `check`.
    CheckSettings {
        /// What is checked.
        target: TargetSettings,
        /// What Dkron should hold.
        wanted: WantedSettings,
        /// Which jobs are run.
        run: RunSettings,
    }

    /// Which jobs to run.
    RunSettings {
        /// Names and globs.
        jobs: Vec<Pattern> = given.patterns(&options::RUN),
        /// The first of each template document.
        one_per_template: bool = given.bool(&options::RUN_ONE_PER_TEMPLATE),
        /// All.
        all: bool = given.bool(&options::RUN_ALL),
    }

    /// The settings of `status`.
    StatusSettings {
        /// The Dkron to look at.
        dkron: DkronSettings,
        /// What it should hold.
        templates: TemplateSettings,
        /// What a plan may do that tells of drift. Nothing is written, so no guard and no other owner stands in the way of looking.
        policy: Policy =
            Policy { force: true, take_ownership: TakeOwnership::Any, heal_stuck: false, ..policy(given) },
        /// Names and globs of the jobs to show; empty for all.
        only: Vec<Pattern> = given.patterns(&options::ONLY),
        /// Which cache a job is for.
        cache_key: Arc<Key> = cache_key(given),
        /// How long after a look it looks again; `None` for one look only.
        watch: Option<Duration> = given.parsed(&options::WATCH, parse_watch, None),
        /// The form of standard output.
        output: StatusOutput,
        /// The form of what is said while it goes on.
        log_format: LogFormat,
    }

    /// The settings of `backup`.
    BackupSettings {
        /// The Dkron whose jobs are saved.
        dkron: DkronSettings,
        /// Where to.
        store: StoreSettings,
        /// Which backups stay; `None` for all.
        keep: Option<Keep> = keep(given),
        /// How.
        save: SaveSettings,
        /// Whether it is no failure when none can be made.
        best_effort: bool = given.bool(&options::BEST_EFFORT),
        /// The form of standard output.
        output: Output,
    }

    /// The settings of `backup list` and `backup verify`.
    BackupsSettings {
        /// Where they are.
        store: StoreSettings,
        /// The form of standard output.
        output: Output,
    }

    /// The settings of `restore`.
    RestoreSettings {
        /// Where the jobs go.
        target: TargetSettings,
        /// Where they are read from.
        source: SourceSettings,
        /// Names and globs of those to restore; empty for all.
        only: Vec<Pattern> = given.patterns(&options::ONLY),
        /// Whether jobs that are there and differ are overwritten.
        overwrite: bool = overwrite(given),
    }

    /// The settings of `clone`.
    CloneSettings {
        /// Where the copies go; the owner is whose they are.
        target: TargetSettings = {
            let owner = Owner::new(&to_namespace(given), &given.string(&options::RELEASE));
            TargetSettings::of(Policy { owner, ..policy(given) }, given)
        },
        /// Where the originals are read from.
        source: SourceSettings,
        /// Names and globs of those to clone; empty for all.
        only: Vec<Pattern> = given.patterns(&options::ONLY),
        /// A live Dkron to clone from.
        from_url: Option<Url> = given.url(&options::FROM_URL),
        /// The namespace that the jobs come from; empty where none was given.
        from: String = given.string(&options::FROM_NAMESPACE),
        /// The namespace that they go to.
        to: String = to_namespace(given),
        /// In front of the name of every copy.
        name_prefix: String = given.string(&options::NAME_PREFIX),
        /// A file to clone to.
        to_file: Option<PathBuf> = given.path(&options::TO_FILE),
        /// Whether copies are switched off.
        disabled: bool = given.bool(&options::DISABLED),
        /// Whether mentions of the old namespace may stay.
        allow_leftovers: bool = given.bool(&options::ALLOW_LEFTOVERS),
        /// Whether jobs that are there and differ are overwritten.
        overwrite: bool = overwrite(given),
    }

    /// The settings of `enable`.
    EnableSettings {
        /// Where the jobs are.
        target: TargetSettings,
        /// Names and globs of those to switch on.
        only: Vec<Pattern> = given.patterns(&options::ONLY),
    }

    /// The settings of `import`.
    ImportSettings {
        /// The Dkron whose jobs are imported where nothing else is named.
        dkron: DkronSettings,
        /// Where else they are read from.
        source: SourceSettings,
        /// Names and globs of those to import; empty for all.
        only: Vec<Pattern> = given.patterns(&options::ONLY),
        /// What the templates will be rendered for.
        release: ReleaseSettings,
        /// Where the template files go.
        to: PathBuf = given.string(&options::TO).into(),
        /// Whether files that are there already are overwritten.
        force: bool = given.bool(&options::FORCE),
        /// The form of standard output.
        output: Output,
    }

    /// The settings of `destroy`.
    DestroySettings {
        /// Where the jobs are. Whoever destroys wants nothing kept.
        target: TargetSettings = TargetSettings::of(Policy { prune: true, ..policy(given) }, given),
        /// Whether nobody is asked.
        yes: bool = given.bool(&options::YES),
    }
}

/// The form of rendered jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenderFormat {
    /// One job a line.
    Ndjson,
    /// One array.
    Json,
    /// One document a job.
    Yaml,
}

impl RenderFormat {
    fn read(given: &mut Given<'_>) -> Self {
        given.choice(&options::FORMAT, &[("ndjson", Self::Ndjson), ("json", Self::Json), ("yaml", Self::Yaml)])
    }
}

/// The form of what `lint` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LintOutput {
    /// For people.
    Text,
    /// For machines.
    Json,
    /// For code-review tools.
    Sarif,
}

impl LintOutput {
    fn read(given: &mut Given<'_>) -> Self {
        given.output(&[("text", Self::Text), ("json", Self::Json), ("sarif", Self::Sarif)])
    }
}

/// The form of what `status` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusOutput {
    /// For people.
    Text,
    /// For machines.
    Json,
    /// For a metrics collector.
    OpenMetrics,
}

impl StatusOutput {
    fn read(given: &mut Given<'_>) -> Self {
        given.output(&[("text", Self::Text), ("json", Self::Json), ("openmetrics", Self::OpenMetrics)])
    }
}

/// How jobs are judged before they are written; `None` where they are not.
fn judge(given: &mut Given<'_>) -> Option<JudgeSettings> {
    let settings = JudgeSettings::read(given);
    (!given.bool(&options::NO_LINT)).then_some(settings)
}

fn keep(given: &mut Given<'_>) -> Option<Keep> {
    let number = |text: &str| text.parse().map(Some).map_err(|_| "is no whole number".to_owned());
    let newest: Option<u32> = given.parsed(&options::KEEP, number, None);
    let days = given.parsed(&options::KEEP_DAYS, number, None);
    (newest.is_some() || days.is_some()).then(|| Keep {
        newest: newest.unwrap_or_default().try_into().unwrap_or(usize::MAX),
        days: days.unwrap_or_default(),
    })
}

fn overwrite(given: &mut Given<'_>) -> bool {
    given.choice(&options::MODE, &[("missing", false), ("changed", true)])
}

fn to_namespace(given: &Given<'_>) -> String {
    let to = given.string(&options::TO_NAMESPACE);
    if to.is_empty() { given.string(&options::NAMESPACE) } else { to }
}
