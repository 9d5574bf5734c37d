//! Flags beat environment beats default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use glob::Pattern;
use http::header::{HeaderName, HeaderValue};
use jiff::SignedDuration;
use url::{ParseError, Url};

use crate::cache::Key;
use crate::job::Owner;
use crate::lint::{self, Severity};
use crate::plan::{Drift, TakeOwnership};
use crate::render::nearest;
use crate::report::MASK;
use crate::snapshot::{Keep, Packing};

use super::options::{self, Kind, OPTIONS, Opt};
use super::{
    BackupSettings, CloneSettings, DkronSettings, LintSettings, LogFormat, LogLevel, Output, PolicySettings,
    RenderFormat, Restore, RunSettings, Settings, SettingsError, SourceSettings, TemplateSettings,
};

/// The values given on the command line, by flag.
pub type Flags = BTreeMap<&'static str, Vec<String>>;

/// How long after a look `status --watch` looks again where nothing is said.
const WATCH: Duration = Duration::from_secs(5);

const VAR_PREFIX: &str = "JOBS_VAR_";
const DATA_PREFIX: &str = "JOBS_DATA_";
/// The variables that clients of object stores know.
const STORE_PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// Reads and checks everything.
///
/// # Errors
/// All problems in one, each naming the flag or the variable it is about.
pub fn resolve(flags: &Flags, env: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Settings, SettingsError> {
    let mut given =
        Given { flags, env: BTreeMap::new(), store_env: BTreeMap::new(), problems: Vec::new(), warnings: Vec::new() };
    given.take_env(env);
    let settings = Settings {
        dkron: given.dkron(),
        templates: given.templates(),
        policy: given.policy(),
        backups: given.text(&options::BACKUPS).1,
        store_env: std::mem::take(&mut given.store_env),
        restore: given.choice(
            &options::RESTORE,
            &[("when-empty", Restore::WhenEmpty), ("missing", Restore::Missing), ("never", Restore::Never)],
        ),
        backup: given.backup(),
        source: given.source(),
        clone: given.clone_settings(),
        import_to: PathBuf::from(given.string(&options::TO)),
        lint: given.lint(),
        run: RunSettings {
            jobs: given.patterns(&options::RUN),
            one_per_template: given.bool(&options::RUN_ONE_PER_TEMPLATE),
            all: given.bool(&options::RUN_ALL),
        },
        watch: given.parsed(&options::WATCH, parse_watch, None),
        yes: given.bool(&options::YES),
        output: given.choice(
            &options::OUTPUT,
            &[
                ("text", Output::Text),
                ("json", Output::Json),
                ("sarif", Output::Sarif),
                ("openmetrics", Output::OpenMetrics),
            ],
        ),
        log_format: given.choice(
            &options::LOG_FORMAT,
            &[("auto", LogFormat::Auto), ("plain", LogFormat::Plain), ("json", LogFormat::Json)],
        ),
        log_level: given.choice(
            &options::LOG_LEVEL,
            &[
                ("info", LogLevel::Info),
                ("error", LogLevel::Error),
                ("warn", LogLevel::Warn),
                ("debug", LogLevel::Debug),
            ],
        ),
        termination_log: given.path(&options::TERMINATION_LOG),
        exit_code: given.bool(&options::EXIT_CODE),
        render_format: given.choice(
            &options::FORMAT,
            &[("ndjson", RenderFormat::Ndjson), ("json", RenderFormat::Json), ("yaml", RenderFormat::Yaml)],
        ),
        show_secrets: given.bool(&options::SHOW_SECRETS),
        warnings: std::mem::take(&mut given.warnings),
    };
    if given.problems.is_empty() {
        Ok(settings)
    } else {
        Err(SettingsError { problems: given.problems, rest: Box::new(settings) })
    }
}

struct Given<'a> {
    flags: &'a Flags,
    /// Lower-case names, as envy gives them.
    env: BTreeMap<String, String>,
    store_env: BTreeMap<String, String>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Given<'_> {
    /// Keeps the variables that are ours. Others may hold anything, bytes that are no text included.
    fn take_env(&mut self, env: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut ours = Vec::new();
        for (name, value) in env {
            let Some(name) = name.to_str() else { continue };
            if STORE_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
                // What is no text is no setting of a store.
                self.store_env.extend(value.into_string().ok().map(|value| (name.to_owned(), value)));
                continue;
            }
            let free = name.starts_with(VAR_PREFIX) || name.starts_with(DATA_PREFIX);
            if !free && !OPTIONS.iter().any(|opt| opt.env == name) {
                self.suspect(name);
                continue;
            }
            match value.into_string() {
                Ok(value) => ours.push((name.to_owned(), value)),
                Err(_) => self.problems.push(format!("{name}: the value is not UTF-8 text")),
            }
        }
        match envy::from_iter(ours) {
            Ok(env) => self.env = env,
            Err(error) => self.problems.push(format!("the environment cannot be read: {error}")),
        }
    }

    /// Kubernetes puts `DKRON_PORT` and the like into every container, so a strange name is no error; one letter off is worth a word.
    fn suspect(&mut self, name: &str) {
        // A container has hundreds of variables; most differ in length already.
        let near =
            |opt: &&Opt| opt.env.len().abs_diff(name.len()) <= 1 && strsim::damerau_levenshtein(opt.env, name) == 1;
        if let Some(opt) = OPTIONS.iter().find(near) {
            self.warnings.push(format!("{name} is no variable of ours; did you mean {}?", opt.env));
        }
    }

    /// The values of an option with where they come from: the flag's, else the variable's, else the default.
    fn values(&self, opt: &Opt) -> (String, Vec<String>) {
        if let Some(values) = self.flags.get(opt.flag).filter(|values| !values.is_empty()) {
            return (format!("--{}", opt.flag), values.clone());
        }
        if let Some(value) = self.env.get(&opt.env.to_lowercase()).filter(|value| !value.trim().is_empty()) {
            let values = match opt.kind {
                Kind::List => value.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
                _ => vec![value.trim().to_owned()],
            };
            return (opt.env.to_owned(), values);
        }
        let default = (!opt.default.is_empty()).then(|| opt.default.to_owned());
        (format!("--{}", opt.flag), default.into_iter().collect())
    }

    fn text(&self, opt: &Opt) -> (String, Option<String>) {
        let (from, values) = self.values(opt);
        (from, values.into_iter().next_back())
    }

    fn string(&self, opt: &Opt) -> String {
        self.text(opt).1.unwrap_or_default()
    }

    fn path(&self, opt: &Opt) -> Option<PathBuf> {
        self.text(opt).1.map(PathBuf::from)
    }

    /// A value that `parse` understands, or a problem and the default.
    fn parsed<T>(&mut self, opt: &Opt, parse: impl Fn(&str) -> Result<T, String>, fallback: T) -> T {
        let (from, text) = self.text(opt);
        match text.as_deref().map(parse) {
            None => fallback,
            Some(Ok(value)) => value,
            Some(Err(problem)) => {
                let text = text.unwrap_or_default();
                // What is no URL may hold a user and a password all the same.
                let shown = match text.rsplit_once('@').filter(|_| opt.value == "URL") {
                    Some((before, host)) => {
                        let scheme = before.split_once("://").map(|(scheme, _)| format!("{scheme}://"));
                        format!("{}{MASK}@{host}", scheme.unwrap_or_default())
                    }
                    None => text,
                };
                self.problems.push(format!("{from}: `{shown}` {problem}"));
                fallback
            }
        }
    }

    /// One of some words; the first is what stands in for a wrong one.
    fn choice<T: Copy>(&mut self, opt: &Opt, choices: &[(&str, T)]) -> T {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        let parse = |text: &str| {
            choices
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, value)| *value)
                .ok_or_else(|| format!("is none of {}", words.join(", ")))
        };
        self.parsed(opt, parse, choices[0].1)
    }

    fn bool(&mut self, opt: &Opt) -> bool {
        self.parsed(opt, parse_bool, false)
    }

    fn duration(&mut self, opt: &Opt) -> Duration {
        self.parsed(opt, parse_duration, Duration::from_secs(1))
    }

    fn dkron(&mut self) -> DkronSettings {
        let fallback = Url::parse(options::DKRON_URL.default);
        #[expect(clippy::expect_used, reason = "a constant, parsed by every test")]
        let fallback = fallback.expect("the default URL is one");
        let (from, texts) = self.values(&options::HEADER);
        let mut headers = Vec::new();
        for text in texts {
            match header(&text) {
                Ok(header) => headers.push(header),
                // The text itself may be a secret: it is not shown.
                Err(problem) => self.problems.push(format!("{from}: {problem}; write `Name: value`")),
            }
        }
        let (from_cert, cert) = self.text(&options::CLIENT_CERT_FILE);
        let (from_key, key) = self.text(&options::CLIENT_KEY_FILE);
        match (&cert, &key) {
            (Some(_), None) => self.problems.push(format!("{from_cert}: needs its key, {from_key}")),
            (None, Some(_)) => self.problems.push(format!("{from_key}: needs its certificate, {from_cert}")),
            _ => {}
        }
        let client_cert = cert.zip(key).map(|(cert, key)| (cert.into(), key.into()));
        let (from_basic, basic) = self.text(&options::BASIC_AUTH_FILE);
        let (from_bearer, bearer) = self.text(&options::BEARER_TOKEN_FILE);
        if basic.is_some() && bearer.is_some() {
            self.problems.push(format!("{from_basic} and {from_bearer}: only one of them can be sent"));
        }
        DkronSettings {
            url: self.parsed(&options::DKRON_URL, parse_url, fallback),
            headers,
            basic_auth_file: basic.map(PathBuf::from),
            bearer_token_file: bearer.map(PathBuf::from),
            ca_file: self.path(&options::CA_FILE),
            client_cert,
            wait_timeout: self.duration(&options::WAIT_TIMEOUT),
            request_timeout: self.duration(&options::REQUEST_TIMEOUT),
            concurrency: self.parsed(&options::CONCURRENCY, parse_concurrency, 1),
        }
    }

    fn templates(&mut self) -> TemplateSettings {
        let env_vars = self.free_env(VAR_PREFIX);
        let flag_vars = self.pairs(&options::VAR);
        let mut data = self.free_env(DATA_PREFIX);
        data.extend(self.pairs(&options::DATA));
        let settings = TemplateSettings {
            namespace: self.string(&options::NAMESPACE),
            release: self.string(&options::RELEASE),
            cluster_domain: self.string(&options::CLUSTER_DOMAIN),
            folders: self.values(&options::TEMPLATES).1.into_iter().map(PathBuf::from).collect(),
            name_prefix: self.string(&options::NAME_PREFIX),
            env_vars,
            flag_vars,
            vars_dir: self.path(&options::VARS_DIR),
            values: self.path(&options::VALUES),
            secret_vars: self.values(&options::SECRET_VAR).1.into_iter().collect(),
            data,
        };
        for (opt, value) in [(&options::NAMESPACE, &settings.namespace), (&options::RELEASE, &settings.release)] {
            if value.is_empty() {
                let (from, _) = self.text(opt);
                self.problems.push(format!("{from}: it is empty; name one, or leave it out for `{}`", opt.default));
            } else if value.contains('/') || value.chars().any(char::is_whitespace) {
                let (from, _) = self.text(opt);
                self.problems
                    .push(format!("{from}: `{value}` has a blank or a `/` in it, which separates the owner's halves"));
            }
        }
        if let Some(problem) = crate::job::Job::name_problem(&format!("{}x", settings.name_prefix)) {
            let (from, _) = self.text(&options::NAME_PREFIX);
            self.problems.push(format!("{from}: `{}` cannot begin a job's name: {problem}", settings.name_prefix));
        }
        settings
    }

    fn policy(&mut self) -> PolicySettings {
        PolicySettings {
            drift: self.choice(&options::DRIFT, &[("revert", Drift::Revert), ("keep", Drift::Keep)]),
            keep_disabled: self.bool(&options::KEEP_DISABLED),
            prune: self.bool(&options::PRUNE),
            allow_deletes: self.parsed(
                &options::ALLOW_DELETES,
                |text| text.parse().map_err(|_| "is no number of deletes".to_owned()),
                0,
            ),
            force: self.bool(&options::FORCE),
            take_ownership: self.parsed(&options::TAKE_OWNERSHIP, parse_take_ownership, TakeOwnership::No),
            heal_stuck: self.bool(&options::HEAL_STUCK),
        }
    }

    fn backup(&mut self) -> BackupSettings {
        let number = |text: &str| text.parse().map(Some).map_err(|_| "is no whole number".to_owned());
        let newest: Option<u32> = self.parsed(&options::KEEP, number, None);
        let days = self.parsed(&options::KEEP_DAYS, number, None);
        let keep = (newest.is_some() || days.is_some()).then(|| Keep {
            newest: newest.unwrap_or_default().try_into().unwrap_or(usize::MAX),
            days: days.unwrap_or_default(),
        });
        let packings = [("none", Packing::Plain), ("gzip", Packing::Gzip), ("zstd", Packing::Zstd)];
        BackupSettings {
            keep,
            packing: self.choice(&options::COMPRESS, &packings),
            best_effort: self.bool(&options::BEST_EFFORT),
        }
    }

    fn lint(&mut self) -> LintSettings {
        let (from, rules) = self.values(&options::ALLOW);
        for id in rules.iter().filter(|id| lint::rule(id).is_none()) {
            let near = nearest(id, lint::rules().map(|rule| rule.id));
            let near =
                near.map_or_else(|| "docs/lint.md lists them".to_owned(), |near| format!("did you mean `{near}`?"));
            self.problems.push(format!("{from}: `{id}` is no rule; {near}"));
        }
        let key = |text: &str| Key::parse(text).map(Arc::new);
        let number =
            |text: &str| text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "is no number above zero".to_owned());
        LintSettings {
            allow: rules.into_iter().collect(),
            cache_key: self.parsed(&options::CACHE_KEY, key, Arc::default()),
            stampede: self.parsed(&options::STAMPEDE, number, usize::MAX),
            off: self.bool(&options::NO_LINT),
            live: self.bool(&options::LIVE),
            html: self.path(&options::HTML),
            fail_on: self.choice(&options::FAIL_ON, &[("error", Severity::Error), ("warning", Severity::Warning)]),
        }
    }

    /// Names and globs.
    fn patterns(&mut self, opt: &Opt) -> Vec<Pattern> {
        let (from, globs) = self.values(opt);
        let mut patterns = Vec::new();
        for glob in globs {
            match Pattern::new(&glob) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => self.problems.push(format!("{from}: `{glob}` is no name and no glob: {}", error.msg)),
            }
        }
        patterns
    }

    fn source(&mut self) -> SourceSettings {
        let only = self.patterns(&options::ONLY);
        let skip_invalid = self.bool(&options::SKIP_INVALID);
        let overwrite = self.choice(&options::MODE, &[("missing", false), ("changed", true)]);
        SourceSettings { path: self.path(&options::FROM_FILE), only, skip_invalid, overwrite }
    }

    fn clone_settings(&mut self) -> CloneSettings {
        CloneSettings {
            from_url: self.parsed(&options::FROM_URL, |text| parse_url(text).map(Some), None),
            from: self.string(&options::FROM_NAMESPACE),
            to: self.string(&options::TO_NAMESPACE),
            to_file: self.path(&options::TO_FILE),
            disabled: self.bool(&options::DISABLED),
            allow_leftovers: self.bool(&options::ALLOW_LEFTOVERS),
        }
    }

    /// The variables with this prefix, by the lower-case rest of their names.
    fn free_env(&self, prefix: &str) -> BTreeMap<String, String> {
        let prefix = prefix.to_lowercase();
        self.env
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?.to_owned(), value.clone())))
            .filter(|(name, _)| !name.is_empty())
            .collect()
    }

    /// `key=value` pairs of a list option.
    fn pairs(&mut self, opt: &Opt) -> BTreeMap<String, String> {
        let (from, values) = self.values(opt);
        let mut pairs = BTreeMap::new();
        for pair in values {
            match pair.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => {
                    pairs.insert(key.trim().to_owned(), value.to_owned());
                }
                // The text may hold a secret: it is not shown.
                _ => self.problems.push(format!("{from}: a value without `=`; write `{}`", opt.value.to_lowercase())),
            }
        }
        pairs
    }
}

/// A header to send; its name is not shown where it may be a part of a secret.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = text.split_once(':').ok_or("a header without a colon")?;
    let name = HeaderName::from_bytes(name.trim().as_bytes())
        .map_err(|_| "a header's name is empty or has a sign that no name has")?;
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| "a header's value has a sign that no value has")?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("is neither `true` nor `false`".to_owned()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<u32>().ok().map(|seconds| SignedDuration::from_secs(seconds.into()));
    seconds
        .or_else(|| text.parse::<SignedDuration>().ok())
        .filter(SignedDuration::is_positive)
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "is no duration above zero; write `240s`, `4m` or `1m30s`".to_owned())
}

fn parse_watch(text: &str) -> Result<Option<Duration>, String> {
    match parse_bool(text) {
        // Seconds, as everywhere.
        _ if text == "1" => parse_duration(text).map(Some),
        Ok(on) => Ok(on.then_some(WATCH)),
        Err(_) => parse_duration(text).map(Some),
    }
}

fn parse_concurrency(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| (1..=1024).contains(n)).ok_or_else(|| "is no number from 1 to 1024".to_owned())
}

fn parse_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            Err("is no http or https URL; write `http://dkron:8080`".to_owned())
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            Err("has a `?` or a `#`; only a base URL is wanted".to_owned())
        }
        Ok(url) => Ok(url),
        Err(ParseError::RelativeUrlWithoutBase) => {
            Err("has no `http://` in front; write `http://dkron:8080`".to_owned())
        }
        Err(error) => Err(format!("is no URL ({error}); write `http://dkron:8080`")),
    }
}

fn parse_take_ownership(text: &str) -> Result<TakeOwnership, String> {
    match parse_bool(text) {
        Ok(true) => Ok(TakeOwnership::Any),
        Ok(false) => Ok(TakeOwnership::No),
        Err(_) if text.contains('/') => Ok(TakeOwnership::From(Owner::parse(text))),
        Err(_) => Err("is no owner; write `namespace/release`, or nothing for anyone's".to_owned()),
    }
}
