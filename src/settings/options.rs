//! Every option, once: its flag, its environment variable, its default and its help.
//!
//! The command line, the environment and the README's table are all made from [`OPTIONS`].

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One value.
    Value,
    /// Any number of values: the flag repeated, or one a line in the variable.
    List,
    /// `--flag`, `--flag=true`, `--flag=false`.
    Bool,
    /// `--flag` or `--flag=VALUE`.
    OptionalValue,
    /// One value that stands alone, without a flag.
    Positional,
}

/// What a group of options is about; a command takes whole groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Reaching Dkron.
    Dkron,
    /// Reaching anything: Dkron and data URLs.
    Network,
    /// Whose jobs they are.
    Owner,
    /// How names are made.
    Names,
    /// Rendering templates.
    Templates,
    /// Deciding what to write.
    Policy,
    /// Switching guards off.
    Force,
    /// Taking jobs over.
    Ownership,
    /// Where backups are.
    Store,
    /// Bringing jobs back beside the templates.
    Restore,
    /// Only of `backup`.
    Backup,
    /// A file or folder of jobs to read.
    Source,
    /// Which of the jobs.
    Only,
    /// What happens to those that are there.
    Mode,
    /// Only of `clone`.
    Clone,
    /// Only of `import`.
    Import,
    /// Judging jobs before they are written.
    Linting,
    /// Rules that are switched off, wherever templates are rendered.
    Allow,
    /// Not judging them.
    NoLint,
    /// Only of `lint`.
    Lint,
    /// Only of `check`.
    Check,
    /// Which cache a job is for.
    Caches,
    /// Only of `status`.
    Status,
    /// Only of `destroy`.
    Destroy,
    /// Showing a plan or a report.
    Output,
    /// Only of `plan`.
    Plan,
    /// Only of `render`.
    Render,
    /// Logs and last words: every command.
    Logging,
}

impl Group {
    /// The heading in help and README.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Dkron => "Dkron",
            Self::Network => "Network",
            Self::Owner | Self::Names => "Release",
            Self::Templates => "Templates",
            Self::Policy | Self::Force | Self::Ownership | Self::Mode | Self::Destroy => "Deciding",
            Self::Store | Self::Restore | Self::Backup => "Backups",
            Self::Source | Self::Only => "Jobs",
            Self::Clone => "Cloning",
            Self::Import => "Importing",
            Self::Linting | Self::Allow | Self::NoLint | Self::Lint | Self::Caches => "Linting",
            Self::Check => "Checking",
            Self::Status => "Watching",
            Self::Output | Self::Plan | Self::Render => "Output",
            Self::Logging => "Logging",
        }
    }
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opt {
    /// The flag without its dashes.
    pub flag: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// What the value is called in help; empty for a [`Kind::Bool`].
    pub value: &'static str,
    /// The default as the user would write it; empty for none.
    pub default: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is about.
    pub group: Group,
    /// What it does.
    pub help: &'static str,
}

macro_rules! options {
    ($($(#[doc = $doc:literal])* $name:ident = $flag:literal, $env:literal, $kind:ident $value:literal, $default:literal, $group:ident;)*) => {
        $(
            pub(super) const $name: Opt = Opt {
                flag: $flag,
                env: $env,
                value: $value,
                default: $default,
                kind: Kind::$kind,
                group: Group::$group,
                help: concat!($($doc),*).trim_ascii_start(),
            };
        )*
        /// All options, in the order of help and README.
        pub const OPTIONS: &[Opt] = &[$($name),*];
    };
}

options! {
    /// Where Dkron is; a path is kept as a prefix
    DKRON_URL = "dkron-url", "DKRON_URL", Value "URL", "http://127.0.0.1:8080", Dkron;
    /// A header for every request to Dkron, `Name: value`, for a proxy in front of it
    HEADER = "header", "DKRON_HEADERS", List "HEADER", "", Dkron;
    /// A file with `user:password` for basic authentication
    BASIC_AUTH_FILE = "basic-auth-file", "DKRON_BASIC_AUTH_FILE", Value "FILE", "", Dkron;
    /// A file with a bearer token
    BEARER_TOKEN_FILE = "bearer-token-file", "DKRON_BEARER_TOKEN_FILE", Value "FILE", "", Dkron;
    /// A PEM client certificate; with --client-key-file
    CLIENT_CERT_FILE = "client-cert-file", "DKRON_CLIENT_CERT_FILE", Value "FILE", "", Dkron;
    /// Its PEM private key
    CLIENT_KEY_FILE = "client-key-file", "DKRON_CLIENT_KEY_FILE", Value "FILE", "", Dkron;
    // Measured on a real Dkron with 1,500 jobs: 32 are done in 0.85 of the time of 16. 64 gain a little more, and leave a small
    // Dkron no room for others.
    /// Writes under way at once
    CONCURRENCY = "concurrency", "DKRON_CONCURRENCY", Value "N", "32", Dkron;

    /// PEM certificates to trust, besides the public ones
    CA_FILE = "ca-file", "DKRON_CA_FILE", Value "FILE", "", Network;
    /// How long to wait until Dkron can be trusted, until it accepts a write again, and until a data URL gives its table
    WAIT_TIMEOUT = "wait-timeout", "DKRON_WAIT_TIMEOUT", Value "DURATION", "240s", Network;
    /// The limit of one request
    REQUEST_TIMEOUT = "request-timeout", "DKRON_REQUEST_TIMEOUT", Value "DURATION", "15s", Network;

    /// The namespace that the jobs call into, and the first half of their owner
    NAMESPACE = "namespace", "JOBS_NAMESPACE", Value "NAME", "default", Owner;
    /// The release that keeps the jobs, the second half of their owner
    RELEASE = "release", "JOBS_RELEASE", Value "NAME", "dkron-jobs", Owner;
    /// The cluster's DNS domain, for `service()`
    CLUSTER_DOMAIN = "cluster-domain", "JOBS_CLUSTER_DOMAIN", Value "DOMAIN", "cluster.local", Templates;
    /// A folder of templates; a file of a later folder replaces its namesake of an earlier one
    TEMPLATES = "templates", "JOBS_TEMPLATES", List "DIR", "jobs-templates", Templates;
    /// Put in front of every job's name, for several namespaces in one Dkron
    NAME_PREFIX = "name-prefix", "JOBS_NAME_PREFIX", Value "PREFIX", "", Names;
    /// A variable for templates, `key=value`; in the environment each has its own: JOBS_VAR_REGION is `vars.region`
    VAR = "var", "JOBS_VAR_<KEY>", List "KEY=VALUE", "", Templates;
    /// A folder with one file for each variable, all of them secret
    VARS_DIR = "vars-dir", "JOBS_VARS_DIR", Value "DIR", "", Templates;
    /// A YAML or JSON file of variables
    VALUES = "values", "JOBS_VALUES", Value "FILE", "", Templates;
    /// The name of a variable whose value is a secret, and masked in every output
    SECRET_VAR = "secret-var", "JOBS_SECRET_VARS", List "KEY", "", Templates;
    /// A data table, `name=PATH` (.csv, .json, .yaml) or `name=URL#/json/pointer`; in the environment each has its own: JOBS_DATA_CACHE_PARAM
    DATA = "data", "JOBS_DATA_<TABLE>", List "TABLE=SOURCE", "", Templates;

    /// What to do with jobs of ours that someone edited: `revert` or `keep`
    DRIFT = "drift", "JOBS_DRIFT", Value "WHAT", "revert", Policy;
    /// Leave a job that was switched off by hand switched off
    KEEP_DISABLED = "keep-disabled", "JOBS_KEEP_DISABLED", Bool "", "true", Policy;
    /// Delete jobs of ours that no template wants any more
    PRUNE = "prune", "JOBS_PRUNE", Bool "", "true", Policy;
    /// Repair jobs of this release that do not run as they are stored: post what is not scheduled so, and heal what a run without an end blocks
    HEAL_STUCK = "heal-stuck", "JOBS_HEAL_STUCK", Bool "", "true", Policy;
    /// Let the guard pass this many deletes
    ALLOW_DELETES = "allow-deletes", "JOBS_ALLOW_DELETES", Value "N", "0", Policy;
    /// Switch the guards off: against many deletes, a suddenly small backup, files that are there already
    FORCE = "force", "JOBS_FORCE", Bool "", "false", Force;
    /// Take over jobs with names of ours that another release keeps: anyone's, or OWNER's (`namespace/release`) only
    TAKE_OWNERSHIP = "take-ownership", "JOBS_TAKE_OWNERSHIP", OptionalValue "OWNER", "", Ownership;

    /// Where backups are kept: a folder, or s3://, gs:// or az://BUCKET/PREFIX
    BACKUPS = "backups", "JOBS_BACKUPS", Value "DIR|URL", "", Store;
    /// Bring jobs back from the newest good backup of this namespace before the templates are applied: `when-empty`, when
    /// Dkron has lost everything; `missing`, whatever the backup has and Dkron has not, also what a person deleted; `never`
    RESTORE = "restore", "JOBS_RESTORE", Value "WHEN", "when-empty", Restore;
    /// Remove old backups, but for this many of the newest and those of --keep-days
    KEEP = "keep", "JOBS_BACKUP_KEEP", Value "N", "", Backup;
    /// Remove old backups, but for the newest of each of so many days and those of --keep
    KEEP_DAYS = "keep-days", "JOBS_BACKUP_KEEP_DAYS", Value "DAYS", "", Backup;
    /// Exit with 0 where no backup can be made, and say why: for a hook that must not stop a release
    BEST_EFFORT = "best-effort", "JOBS_BACKUP_BEST_EFFORT", Bool "", "false", Backup;
    /// How the file is packed: `none`, `gzip` or `zstd`
    COMPRESS = "compress", "JOBS_BACKUP_COMPRESS", Value "HOW", "none", Backup;

    /// The jobs to read: a file (one a line, one after another or a JSON array, also .gz or .zst) or a folder of them
    FROM_FILE = "FILE|DIR", "JOBS_FROM_FILE", Positional "FILE|DIR", "", Source;
    /// Leave out what is no job, and say so, instead of refusing the whole file
    SKIP_INVALID = "skip-invalid", "JOBS_SKIP_INVALID", Bool "", "false", Source;
    /// Only jobs of this name, or of names like this: `refresh-*`
    ONLY = "only", "JOBS_ONLY", List "NAME|GLOB", "", Only;
    /// `missing` creates what is not there; `changed` also overwrites what differs
    MODE = "mode", "JOBS_MODE", Value "MODE", "missing", Mode;

    /// Clone from a live Dkron in place of a file or the newest backup; with the same headers and certificates as for --dkron-url
    FROM_URL = "from-url", "JOBS_FROM_URL", Value "URL", "", Clone;
    /// The namespace that the jobs come from; it must be given
    FROM_NAMESPACE = "from-namespace", "JOBS_FROM_NAMESPACE", Value "NAME", "", Clone;
    /// The namespace that they go to; --namespace where it is not given
    TO_NAMESPACE = "to-namespace", "JOBS_TO_NAMESPACE", Value "NAME", "", Clone;
    /// Clone to a file in place of Dkron; `restore FILE` writes it to Dkron later
    TO_FILE = "to-file", "JOBS_TO_FILE", Value "FILE", "", Clone;
    /// Switch the copies off; `enable` switches them on
    DISABLED = "disabled", "JOBS_CLONE_DISABLED", Bool "", "false", Clone;
    /// Write the copies although the old namespace is still mentioned in them
    ALLOW_LEFTOVERS = "allow-leftovers", "JOBS_ALLOW_LEFTOVERS", Bool "", "false", Clone;

    /// The folder for the template files
    TO = "to", "JOBS_IMPORT_TO", Value "DIR", "jobs-templates", Import;

    /// A rule that is switched off; `dkron-jobs.lint-allow` in a job's metadata switches rules off for that job only.
    /// `schedule-invalid` also lets schedules through that this version does not know
    ALLOW = "allow", "JOBS_LINT_ALLOW", List "RULE", "", Allow;
    /// Which cache of table cache_param a job is for: an expression over the job's fields
    CACHE_KEY = "cache-key", "JOBS_CACHE_KEY", Value "EXPRESSION", "metadata.cache_param", Caches;
    /// More jobs than this that call one target in the same second are a stampede
    STAMPEDE = "stampede", "JOBS_STAMPEDE", Value "N", "10", Linting;
    /// Write jobs although lint finds errors in them
    NO_LINT = "no-lint", "JOBS_NO_LINT", Bool "", "false", NoLint;
    /// Look at the jobs that Dkron holds, in place of the templates
    LIVE = "live", "JOBS_LINT_LIVE", Bool "", "false", Lint;
    /// Also write a page to this file: the notes, a day of runs and TTLs drawn, the load of each target, coverage and jobs
    HTML = "html", "JOBS_LINT_HTML", Value "FILE", "", Lint;
    /// The least bad thing that makes lint fail: `error` or `warning`
    FAIL_ON = "fail-on", "JOBS_LINT_FAIL_ON", Value "SEVERITY", "error", Lint;

    /// Also run the jobs of this name, or of names like this, and wait until they have succeeded
    RUN = "run", "JOBS_RUN", List "NAME|GLOB", "", Check;
    /// Also run the first job of each template document that is not switched off
    RUN_ONE_PER_TEMPLATE = "run-one-per-template", "JOBS_RUN_ONE_PER_TEMPLATE", Bool "", "false", Check;
    /// Also run all jobs, each once: Dkron runs children after their parents
    RUN_ALL = "run-all", "JOBS_RUN_ALL", Bool "", "false", Check;

    /// Look again and again, each 5 s or at this interval, until a signal ends it or nobody reads any more
    WATCH = "watch", "JOBS_STATUS_WATCH", OptionalValue "INTERVAL", "", Status;

    /// Delete without asking; needed where nobody sits at a terminal
    YES = "yes", "JOBS_YES", Bool "", "false", Destroy;

    /// `text` or `json` on standard output; of `lint` also `sarif`, of `status` also `openmetrics`
    OUTPUT = "output", "JOBS_OUTPUT", Value "FORM", "text", Output;

    /// Exit with 3 when there is something to do
    EXIT_CODE = "exit-code", "JOBS_EXIT_CODE", Bool "", "false", Plan;
    /// `ndjson`, `json` or `yaml` on standard output
    FORMAT = "format", "JOBS_FORMAT", Value "FORM", "ndjson", Render;
    /// Print secrets instead of masking them
    SHOW_SECRETS = "show-secrets", "JOBS_SHOW_SECRETS", Bool "", "false", Render;

    /// Log lines on standard error: `plain`, `json`, or `auto` (plain on a terminal)
    LOG_FORMAT = "log-format", "JOBS_LOG_FORMAT", Value "FORM", "auto", Logging;
    /// The least severe log lines shown: `error`, `warn`, `info`, `debug`
    LOG_LEVEL = "log-level", "JOBS_LOG_LEVEL", Value "LEVEL", "info", Logging;
    /// Where the last words of a run go, which Kubernetes shows with its pod; by default /dev/termination-log where it exists
    TERMINATION_LOG = "termination-log", "JOBS_TERMINATION_LOG", Value "FILE", "", Logging;
}
