//! What flags and environment give, each value typed and checked: flags beat environment beats default.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use glob::Pattern;
use url::Url;

use crate::report::MASK;

use super::options::{self, Kind, OPTIONS, Opt};
use super::parse::{parse_bool, parse_duration, parse_url};
use super::secrets::{is_secret_env, secrets_of};

/// The values given on the command line, by flag.
pub type Flags = BTreeMap<&'static str, Vec<String>>;

pub(super) const VAR_PREFIX: &str = "JOBS_VAR_";
pub(super) const DATA_PREFIX: &str = "JOBS_DATA_";
/// The variables that clients of object stores know.
const STORE_PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];
/// The words for the forms of standard output that any command has.
const FORMS: [(&str, &str); 4] =
    [("text", "text"), ("json", "json"), ("sarif", "sarif"), ("openmetrics", "openmetrics")];

/// Settings: each field with its type and what it is read from; without that it is read as its type says.
macro_rules! settings {
    ($given:ident => $($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty $(= $value:expr)?,)*
    })*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            pub(super) fn read($given: &mut Given<'_>) -> Self {
                Self { $($field: read!($given, $type $(, $value)?),)* }
            }
        }
    )* };
}

macro_rules! read {
    ($given:ident, $type:ty) => {
        <$type>::read($given)
    };
    ($given:ident, $type:ty, $value:expr) => {
        $value
    };
}

pub(super) use {read, settings};

pub(super) struct Given<'a> {
    flags: &'a Flags,
    /// Lower-case names, as envy gives them.
    env: BTreeMap<String, String>,
    /// The variables of object stores.
    pub(super) store_env: BTreeMap<String, String>,
    /// What is wrong, each thing once.
    pub(super) problems: Vec<String>,
    /// Variables that look like misspelt ones of ours.
    pub(super) warnings: Vec<String>,
    /// The credentials among the values, in every form in which they may be said back to us.
    pub(super) secrets: BTreeSet<String>,
    /// The command that was called; `None` while the options of others are checked.
    pub(super) command: Option<&'static str>,
}

impl<'a> Given<'a> {
    /// Keeps the variables that are ours. Others may hold anything, bytes that are no text included.
    pub(super) fn new(
        command: &'static str,
        flags: &'a Flags,
        env: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let mut given = Self {
            flags,
            env: BTreeMap::new(),
            store_env: BTreeMap::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            secrets: BTreeSet::new(),
            command: Some(command),
        };
        let mut ours = Vec::new();
        for (name, value) in env {
            let Some(name) = name.to_str() else { continue };
            if STORE_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
                // What is no text is no setting of a store.
                let Ok(value) = value.into_string() else { continue };
                given.secrets.extend(is_secret_env(name).then(|| value.clone()));
                given.store_env.insert(name.to_owned(), value);
                continue;
            }
            let free = name.starts_with(VAR_PREFIX) || name.starts_with(DATA_PREFIX);
            if !free && !OPTIONS.iter().any(|opt| opt.env == name) {
                given.suspect(name);
                continue;
            }
            match value.into_string() {
                Ok(value) => ours.push((name.to_owned(), value)),
                Err(_) => given.problem(format!("{name}: the value is not UTF-8 text")),
            }
        }
        match envy::from_iter(ours) {
            Ok(env) => given.env = env,
            Err(error) => given.problem(format!("the environment cannot be read: {error}")),
        }
        given
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

    /// Notes what is wrong. Commands share options, so the same may be found again.
    pub(super) fn problem(&mut self, problem: String) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The values of an option with where they come from: the flag's, else the variable's, else the default.
    pub(super) fn values(&self, opt: &Opt) -> (String, Vec<String>) {
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

    pub(super) fn text(&self, opt: &Opt) -> (String, Option<String>) {
        let (from, values) = self.values(opt);
        (from, values.into_iter().next_back())
    }

    pub(super) fn string(&self, opt: &Opt) -> String {
        self.text(opt).1.unwrap_or_default()
    }

    pub(super) fn path(&self, opt: &Opt) -> Option<PathBuf> {
        self.text(opt).1.map(PathBuf::from)
    }

    /// A value that `parse` understands, or a problem and the default.
    pub(super) fn parsed<T>(&mut self, opt: &Opt, parse: impl Fn(&str) -> Result<T, String>, fallback: T) -> T {
        let (from, text) = self.text(opt);
        let Some(text) = text else { return fallback };
        parse(&text).unwrap_or_else(|problem| {
            // What is no URL may hold a user and a password all the same.
            let shown = match text.rsplit_once('@').filter(|_| opt.value == "URL") {
                Some((before, host)) => {
                    let scheme = before.split_once("://").map(|(scheme, _)| format!("{scheme}://"));
                    format!("{}{MASK}@{host}", scheme.unwrap_or_default())
                }
                None => text,
            };
            self.problem(format!("{from}: `{shown}` {problem}"));
            fallback
        })
    }

    /// One of some words; the first is what stands in for a wrong one.
    pub(super) fn choice<T: Copy>(&mut self, opt: &Opt, choices: &[(&str, T)]) -> T {
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

    /// One of the forms that a command has. That another command has other forms is its own affair.
    pub(super) fn output<T: Copy>(&mut self, forms: &[(&str, T)]) -> T {
        let given = self.choice(&options::OUTPUT, &FORMS);
        if let Some((_, form)) = forms.iter().find(|(word, _)| *word == given) {
            return *form;
        }
        let words: Vec<_> = forms.iter().map(|(word, _)| format!("`{word}`")).collect();
        if let (Some(command), [before @ .., last]) = (self.command, &words[..]) {
            let before = before.join(", ");
            self.problem(format!("--output (JOBS_OUTPUT): `{command}` has the forms {before} and {last}"));
        }
        forms[0].1
    }

    pub(super) fn bool(&mut self, opt: &Opt) -> bool {
        self.parsed(opt, parse_bool, false)
    }

    pub(super) fn duration(&mut self, opt: &Opt) -> Duration {
        self.parsed(opt, parse_duration, Duration::from_secs(1))
    }

    pub(super) fn url(&mut self, opt: &Opt) -> Option<Url> {
        let url = self.parsed(opt, |text| parse_url(text).map(Some), None)?;
        self.hide_url(url.as_str());
        Some(url)
    }

    /// Notes what is secret in a text, if that is a URL.
    pub(super) fn hide_url(&mut self, text: &str) {
        self.secrets.extend(Url::parse(text).iter().flat_map(secrets_of));
    }

    /// Names and globs.
    pub(super) fn patterns(&mut self, opt: &Opt) -> Vec<Pattern> {
        let (from, globs) = self.values(opt);
        let mut patterns = Vec::new();
        for glob in globs {
            match Pattern::new(&glob) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => self.problem(format!("{from}: `{glob}` is no name and no glob: {}", error.msg)),
            }
        }
        patterns
    }

    /// The variables with this prefix, by the lower-case rest of their names.
    pub(super) fn free_env(&self, prefix: &str) -> BTreeMap<String, String> {
        let prefix = prefix.to_lowercase();
        self.env
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?.to_owned(), value.clone())))
            .filter(|(name, _)| !name.is_empty())
            .collect()
    }

    /// `key=value` pairs of a list option.
    pub(super) fn pairs(&mut self, opt: &Opt) -> BTreeMap<String, String> {
        let (from, values) = self.values(opt);
        let mut pairs = BTreeMap::new();
        for pair in values {
            match pair.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => {
                    pairs.insert(key.trim().to_owned(), value.to_owned());
                }
                // The text may hold a secret: it is not shown.
                _ => self.problem(format!("{from}: a value without `=`; write `{}`", opt.value.to_lowercase())),
            }
        }
        pairs
    }
}
