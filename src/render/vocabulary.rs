//! Every word that templates may use, with what it means: errors and the reference are made from these tables, and a test holds them
//! against what the engine really knows.

/// A word of the template language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// What stands in a template.
    pub name: &'static str,
    /// How it is written.
    pub form: &'static str,
    /// What it is, or what comes of it.
    pub meaning: &'static str,
}

const fn word(name: &'static str, form: &'static str, meaning: &'static str) -> Word {
    Word { name, form, meaning }
}

/// What templates see, besides data tables by their names.
pub const NAMES: &[Word] = &[
    word("namespace", "namespace", "the namespace that the jobs call into: `--namespace`"),
    word("release", "release", "the release that keeps the jobs: `--release`"),
    word("cluster_domain", "cluster_domain", "the cluster's DNS domain: `--cluster-domain`"),
    word(
        "vars",
        "vars.region",
        "a variable: `--var region=…`, a file of `--vars-dir`, `--values`, JOBS_VAR_REGION; the first of these that has it",
    ),
    word(
        "item",
        "item.soft_ttl",
        "the row of the table that `for_each` names, by its columns; only beside a `for_each`",
    ),
];

/// Our own functions.
pub const FUNCTIONS: &[Word] = &[
    word(
        "service",
        "service('cache-manager', 8080)",
        "the URL of a service of the namespace: `http://cache-manager.<namespace>.svc.<cluster_domain>:8080`",
    ),
    word(
        "refresh_schedule",
        "refresh_schedule(soft_ttl, hard_ttl)",
        "six cron fields in UTC: the longest interval that keeps ahead of the TTL (half the soft TTL; the whole of it where the hard TTL is at least twice as long), shifted by the job's name so that not all run at once. `hard_ttl` may be left out",
    ),
    word(
        "stagger",
        "stagger(300)",
        "that shift alone: a number from 0 to below the interval in seconds, always the same for a job's name",
    ),
];

/// Jinja2's functions.
pub const JINJA_FUNCTIONS: &[Word] = &[
    word(
        "range",
        "range(3)",
        "the numbers 0, 1, 2; `range(1, 10, 3)` has a start, an end that is not in it, and a step",
    ),
    word("dict", "dict(a=1)", "a map"),
    word("debug", "debug()", "all that a template sees, as text, while you write it; `debug(item)` shows one value"),
];

/// Jinja2's filters: `{{ value | filter }}`.
pub const FILTERS: &[Word] = &[
    word("abs", "abs", "the number without its sign"),
    word("attr", "attr('key')", "the entry of this key"),
    word("batch", "batch(3)", "lists of three, the last one shorter"),
    word("bool", "bool", "whether it is anything: not empty, not 0"),
    word("capitalize", "capitalize", "the first letter large, the others small"),
    word("chain", "chain(other)", "one list after another, or one map over another"),
    word("count", "count", "the same as `length`"),
    word("d", "d('none')", "the same as `default`"),
    word(
        "default",
        "default('none')",
        "something else where it is not defined; `default('none', true)` also where it is null or empty",
    ),
    word("dictsort", "dictsort", "a map as a list of pairs, by key"),
    word("e", "e", "the same as `escape`"),
    word("escape", "escape", "as text within HTML"),
    word("first", "first", "the first of a list"),
    word("float", "float", "as a number with a fraction"),
    word("format", "format(a, b)", "filled in as by printf: `\"%s:%d\" | format(host, port)`"),
    word("groupby", "groupby('key')", "a list of maps in groups of one value of the key"),
    word("indent", "indent(2)", "each line after the first this much to the right"),
    word("int", "int", "as a whole number"),
    word("items", "items", "a map as a list of pairs"),
    word("join", "join(', ')", "a list as one text"),
    word("last", "last", "the last of a list"),
    word("length", "length", "how many: characters, entries"),
    word("lines", "lines", "a text as a list of its lines"),
    word("list", "list", "as a list; a text becomes its characters"),
    word("lower", "lower", "in small letters"),
    word("map", "map('upper')", "a filter for each of a list; `map(attribute='name')` takes an entry of each"),
    word("max", "max", "the greatest"),
    word("min", "min", "the least"),
    word("pprint", "pprint", "the value as one would read it best, for looking"),
    word("reject", "reject('none')", "the list without those that pass the test"),
    word("rejectattr", "rejectattr('enabled')", "the list without those whose entry passes the test, or is anything"),
    word("replace", "replace('a', 'b')", "each `a` made a `b`"),
    word("reverse", "reverse", "the other way round"),
    word("round", "round(2)", "to so many places after the point"),
    word("safe", "safe", "nothing: no text is escaped here"),
    word("select", "select('odd')", "those of the list that pass the test"),
    word("selectattr", "selectattr('enabled')", "those of the list whose entry passes the test, or is anything"),
    word("slice", "slice(3)", "three lists, about equally long"),
    word("sort", "sort", "in order; `sort(attribute='name', reverse=true)`"),
    word("split", "split(',')", "a text as a list"),
    word("string", "string", "as text"),
    word("sum", "sum", "all numbers added"),
    word("title", "title", "each word with a large letter first"),
    word("tojson", "tojson", "as JSON"),
    word("trim", "trim", "without blanks at both ends"),
    word("unique", "unique", "each value once"),
    word("upper", "upper", "in large letters"),
    word("urlencode", "urlencode", "for a URL's path or query; a map becomes a query"),
    word("zip", "zip(other)", "pairs, one of each list"),
];

/// Jinja2's tests: `{{ value is odd }}`, `{{ 'a' if value is none else 'b' }}`.
pub const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// The names of all functions.
pub(super) fn functions<'w>() -> impl Iterator<Item = &'w str> + Clone {
    names(FUNCTIONS).chain(names(JINJA_FUNCTIONS))
}

/// The names of these words.
pub(super) fn names(words: &[Word]) -> impl Iterator<Item = &str> + Clone {
    words.iter().map(|word| word.name)
}
