//! `docs/reference.md`, `docs/man` and `docs/dkron.md`: made from the code, and fresh; the facts that are named are there.
//!
//! `BLESS=1 cargo test --test it tidy` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use clap::Command;
use clap_mangen::Man;
use dkron_jobs::cli;
use dkron_jobs::lint;
use dkron_jobs::render::vocabulary::{self, Word};
use dkron_jobs::status::{CacheStatus, Drift, JobStatus, Next, NodeStatus, State, Status, Summary, write_down};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::cli::{Cli, repository};
use crate::openmetrics;
use crate::tidy::{exit_codes, fresh, options, read, relative};

const REPORT: &str = include_str!("../../schemas/report.schema.json");
const STATUS: &str = include_str!("../../schemas/status.schema.json");
const LINT: &str = include_str!("../../schemas/lint.schema.json");
const NO_ERROR: &str = "a text takes all";

#[test]
fn the_reference_is_fresh() {
    let mut page = "# Reference\n\n\
        For whoever knows what they look for. Made from the program itself; a test fails when it is stale. The same as man pages: [man/](man/).\n\n\
        [Commands](#commands) · [Options](#options) · [Exit codes](#exit-codes) · [Templates](#templates) · [States](#states) · \
        [Metrics](#metrics) · [JSON](#json) · [Lint rules](#lint-rules)\n\n"
        .to_owned();
    page += "## Commands\n";
    let mut all = cli::command();
    all.build();
    for command in all.get_subcommands() {
        write_command(&mut page, command);
    }
    page += "\n## Options\n\nA flag goes before its variable, and the variable before the default. A command takes those that its part above names, and leaves variables of others alone. \
       \n\n";
    page += &options();
    page += "\n## Exit codes\n\n";
    page += &exit_codes();
    page += &templates();
    page += &states();
    page += &metrics();
    page += "\n## JSON\n\nA field that is not named here does not exist; `[]` is each of a list. The schemas are the contract.\n";
    for (title, file, schema) in [("Report", "report", REPORT), ("Status", "status", STATUS), ("Lint", "lint", LINT)] {
        let schema: Value = serde_json::from_str(schema).expect("a schema");
        let about = schema["description"].as_str().expect("a description");
        writeln!(page, "\n### {title}\n\n{about} Schema: [`{file}.schema.json`](../schemas/{file}.schema.json).\n\n| field | type | meaning |\n|---|---|---|")
            .expect(NO_ERROR);
        let fields = fields(&schema);
        assert!(fields.len() > 10, "{title} has only {} fields", fields.len());
        for (path, kind, meaning) in fields {
            assert!(!meaning.is_empty(), "schemas/{file}.schema.json: `{path}` is not described");
            writeln!(page, "| `{path}` | {kind} | {} |", cell(&meaning)).expect(NO_ERROR);
        }
    }
    page += "\n## Lint rules\n\nEach with its reason, what to do, and examples of wrong and right: [lint.md](lint.md).\n\n| rule | | what is wrong |\n|---|---|---|\n";
    for rule in lint::rules() {
        writeln!(page, "| [`{0}`](lint.md#{0}) | {1} | {2} |", rule.id, rule.severity.word(), rule.summary)
            .expect(NO_ERROR);
    }
    fresh("docs/reference.md", &page);
}

/// A command with its parts: how it is called, what it does, what it takes.
fn write_command(page: &mut String, command: &Command) {
    if command.get_name() == "help" {
        return;
    }
    let mut command = command.clone();
    let name = command.get_bin_name().expect("a built command").trim_start_matches("dkron-jobs ").to_owned();
    let about = command.get_about().expect("a command says what it does").to_string();
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").lines().map(str::trim).collect::<Vec<_>>().join("\n");
    writeln!(page, "\n### {name}\n\n{about}.\n\n```text\n{usage}\n```").expect(NO_ERROR);
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for arg in command.get_arguments() {
        let (Some(flag), Some(heading)) = (arg.get_long(), arg.get_help_heading()) else { continue };
        match groups.iter_mut().find(|(name, _)| name == heading) {
            Some((_, flags)) => flags.push(format!("`--{flag}`")),
            None => groups.push((heading.to_owned(), vec![format!("`--{flag}`")])),
        }
    }
    if !groups.is_empty() {
        let groups: Vec<_> = groups.iter().map(|(name, flags)| format!("{name}: {}", flags.join(", "))).collect();
        writeln!(page, "\n{}.", groups.join(". ")).expect(NO_ERROR);
    }
    if let Some(after) = command.get_after_help() {
        writeln!(page, "\n```text\n{after}\n```").expect(NO_ERROR);
    }
    for part in command.get_subcommands() {
        write_command(page, part);
    }
}

/// A text with the facts that it names as links into their list.
pub(crate) fn with_facts(text: &str) -> String {
    let mut parts = text.split("FACTS ");
    let mut linked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        linked += "FACTS ";
        let mut rest = part;
        for fact in facts(&format!("facts {part}")) {
            let at = rest.find(&fact).expect("it was found there");
            write!(linked, "{}[{fact}](dkron.md#fact-{fact})", &rest[..at]).expect(NO_ERROR);
            rest = &rest[at + fact.len()..];
        }
        linked += rest;
    }
    linked
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn words(title: &str, words: &[Word]) -> String {
    let mut table = format!("\n{title}\n\n| | |\n|---|---|\n");
    for word in words {
        writeln!(table, "| `{}` | {} |", word.form, cell(word.meaning)).expect(NO_ERROR);
    }
    table
}

fn templates() -> String {
    let mut text = "\n## Templates\n\nEach text of a template file is a [Jinja2](https://jinja.palletsprojects.com) template of its own (by [minijinja](https://docs.rs/minijinja)); \
        `for_each` and `when` are expressions, without braces. A name that is not defined is an error. The fields are those of Dkron's API: \
        [`template.schema.json`](../schemas/template.schema.json).\n"
        .to_owned();
    text += &words("What a template sees, and each data table by its name:", vocabulary::NAMES);
    text += &words("Functions:", vocabulary::FUNCTIONS);
    text += &words("Functions of Jinja2:", vocabulary::JINJA_FUNCTIONS);
    text += &words("Filters, `{{ value | filter }}`:", vocabulary::FILTERS);
    let tests: Vec<_> = vocabulary::TESTS.iter().map(|test| format!("`{test}`")).collect();
    writeln!(text, "\nTests, `{{{{ 'a' if value is none else 'b' }}}}`: {}.", tests.join(", ")).expect(NO_ERROR);
    text
}

/// The vocabulary is what the engine knows, by its own account: a word that is added without a description is missed here.
#[test]
fn the_vocabulary_is_the_engines() {
    let job = "for_each: t\nname: a\nschedule: '@daily'\nexecutor_config: {method: GET, url: 'http://a/', body: '{{ debug() }}'}\n";
    let cli = Cli::new().file("jobs-templates/a.yaml", job).file("jobs-templates/data/t.csv", "a\n1\n");
    let ran = cli.run(&["render"]).ok();
    let account = ran.lines()[0]["executor_config"]["body"].as_str().expect("a text").to_owned();
    let env = &account[account.find("env: Environment").expect("the engine's account of itself")..];
    let part = |begin: &str, end: &str| {
        let from = env.find(begin).expect("where it begins") + begin.len();
        env[from..from + env[from..].find(end).expect("where it ends")].to_owned()
    };
    // The keys of one map stand equally far to the right, and what is in them farther.
    let keys = |text: &str| -> BTreeSet<String> {
        let depth = |line: &str| line.len() - line.trim_start().len();
        let least = text.lines().filter(|line| line.trim_start().starts_with('"')).map(depth).min().expect("a line");
        text.lines()
            .filter(|line| depth(line) == least)
            .filter_map(|line| Some(line.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned()))
            .collect()
    };
    let known = |words: &[Word]| words.iter().map(|word| word.name.to_owned()).collect::<BTreeSet<_>>();

    assert_eq!(keys(&part("filters: [", "],")), known(vocabulary::FILTERS));
    let tests: BTreeSet<_> = vocabulary::TESTS.iter().map(|name| (*name).to_owned()).collect();
    // `==`, `<` and the like are operators, and names only within the engine.
    let engines = keys(&part("tests: [", "],")).into_iter().filter(|name| name.starts_with(char::is_alphabetic));
    assert_eq!(engines.collect::<BTreeSet<_>>(), tests);
    let mut globals = keys(&part("globals: {", "tests: ["));
    assert!(globals.remove("t"), "the data table: {globals:?}");
    assert!(globals.insert("item".to_owned()), "the row is the job's own");
    let all = [vocabulary::NAMES, vocabulary::FUNCTIONS, vocabulary::JINJA_FUNCTIONS].map(known);
    assert_eq!(globals, all.into_iter().flatten().collect());
    for word in [vocabulary::NAMES, vocabulary::FUNCTIONS, vocabulary::JINJA_FUNCTIONS, vocabulary::FILTERS].concat() {
        assert!(word.form.starts_with(word.name) && !word.meaning.is_empty(), "{word:?}");
    }
}

/// Each filter's form, as it is written in the reference, is one that the engine takes.
#[test]
fn the_forms_in_the_vocabulary_can_be_written() {
    let mut template = String::new();
    for word in vocabulary::FILTERS {
        let value = match word.name {
            "abs" | "round" | "int" | "float" => "1.5",
            "attr" | "dictsort" | "items" => "{'key': 1}",
            "groupby" => "[{'key': 1}]",
            "rejectattr" | "selectattr" => "[{'enabled': true}]",
            "format" => "'%s:%d'",
            "batch" | "slice" | "select" | "sum" | "max" | "min" | "unique" | "sort" | "first" | "last" | "reject" => {
                "[1, 2]"
            }
            "chain" | "zip" | "map" => "['a']",
            _ => "'a'",
        };
        let form = word.form.replace("other", "['b']").replace("(a, b)", "('h', 1)");
        writeln!(template, "  {}: \"{{{{ ({value} | {form}) is defined }}}}\"", word.name).expect(NO_ERROR);
    }
    let functions = "  service: \"{{ service('cache-manager', 8080) }}\"\n  refresh: \"{{ refresh_schedule(60, 300) }}\"\n  \
        stagger: \"{{ stagger(300) }}\"\n  range: \"{{ range(1, 10, 3) | join('-') }}\"\n  dict: \"{{ dict(a=1).a }}\"\n";
    let job = format!(
        "name: a\nschedule: '@daily'\ntimezone: UTC\nexecutor_config: {{method: GET, url: 'http://a/'}}\nmetadata:\n{template}{functions}"
    );
    let ran = Cli::new().file("jobs-templates/a.yaml", &job).run(&["render"]).ok();
    let metadata = ran.lines()[0]["metadata"].clone();
    assert_eq!((&metadata["range"], &metadata["dict"]), (&"1-4-7".into(), &"1".into()));
    assert_eq!(metadata["unique"], "true", "{metadata:#}");
}

/// `word`: meaning, as the schema of `status` describes them.
fn states() -> String {
    let schema: Value = serde_json::from_str(STATUS).expect("a schema");
    let mut text = "\n## States\n\nWhat `status` says of a job and of a cache, the worst first; [how ages are held to TTLs](../README.md#is-it-kept-fresh).\n".to_owned();
    for (title, of, states) in [("job", "job", &State::OF_JOBS[..]), ("cache", "cache", &State::OF_CACHES[..])] {
        writeln!(text, "\n| {title} | |\n|---|---|").expect(NO_ERROR);
        let described = schema["$defs"][of]["properties"]["state"]["description"].as_str().expect("a description");
        for state in states {
            let begin = format!("`{}`: ", state.word());
            let meaning = &described[described.find(&begin).expect("each state is described") + begin.len()..];
            let meaning = meaning.split(" `").next().expect("a part");
            writeln!(text, "| `{}` | {} |", state.word(), meaning.trim_end_matches('.')).expect(NO_ERROR);
        }
    }
    text
}

/// All metrics that there can be, read from a status in which nothing is missing.
fn metrics() -> String {
    let (at, time) = (Timestamp::UNIX_EPOCH, SignedDuration::from_secs(1));
    let text = |text: &str| Some(text.to_owned());
    let job = JobStatus {
        name: "job".to_owned(),
        state: State::Fresh,
        owner: text("owner"),
        enabled: true,
        schedule: "@daily".to_owned(),
        timezone: String::new(),
        cache: text("cache"),
        soft: Some(time),
        hard: Some(time),
        last_success: Some(at),
        age: Some(time),
        last_error: Some(at),
        failed: false,
        error: None,
        successes: 1,
        errors: 1,
        running: Some(time),
        timeout: Some(time),
        next: Next::Schedule { at },
        drift: Drift::None,
        notes: Vec::new(),
    };
    let cache = CacheStatus {
        name: "cache".to_owned(),
        state: State::Fresh,
        soft: Some(time),
        hard: Some(time),
        last_success: Some(at),
        age: Some(time),
        jobs: Vec::new(),
        notes: Vec::new(),
    };
    let status = Status {
        command: "status",
        owner: "shop/shop".to_owned(),
        dkron: "http://127.0.0.1:8080".to_owned(),
        version: None,
        at: Some(at),
        scheduler_running: Some(true),
        nodes: vec![NodeStatus { name: "d1".to_owned(), issues: Vec::new() }],
        summary: Summary::default(),
        caches: vec![cache],
        jobs: vec![job],
        warnings: Vec::new(),
        errors: Vec::new(),
    };
    let mut out = Vec::new();
    write_down(&status, &mut out).expect("memory takes all");
    let out = String::from_utf8(out).expect("text");
    let families = openmetrics::parse(&out).unwrap_or_else(|error| panic!("{error}\n{out}"));
    let said = |word: &str| -> BTreeMap<&str, &str> {
        out.lines().filter_map(|line| line.strip_prefix(word)?.split_once(' ')).collect()
    };
    let (kinds, helps) = (said("# TYPE "), said("# HELP "));
    let mut table = "\n## Metrics\n\nWhat `status --output openmetrics` prints, in OpenMetrics 1.0; [alerts](operations.md#alerts). Times are seconds since 1970. A state's metric has one sample a state: \
        1 for the one that holds.\n\n| metric | type | labels | |\n|---|---|---|---|\n"
        .to_owned();
    for name in out.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        let labels: Vec<_> =
            families[name].keys().next().expect("a sample").keys().map(|label| format!("`{label}`")).collect();
        let suffix = if kinds[name] == "counter" { "_total" } else { "" };
        writeln!(table, "| `{name}{suffix}` | {} | {} | {} |", kinds[name], labels.join(", "), helps[name])
            .expect(NO_ERROR);
    }
    table
}

/// The fields of a schema: path, type and meaning.
fn fields(schema: &Value) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    walk(schema, schema, "", &mut found);
    found
}

fn resolved<'s>(schema: &'s Value, of: &'s Value) -> &'s Value {
    let name = of["$ref"].as_str().and_then(|target| target.strip_prefix("#/$defs/"));
    name.map_or(of, |name| &schema["$defs"][name])
}

fn walk(schema: &Value, of: &Value, above: &str, found: &mut Vec<(String, String, String)>) {
    for (name, written) in of["properties"].as_object().into_iter().flatten() {
        let field = resolved(schema, written);
        let items = resolved(schema, &field["items"]);
        let path = if items.is_null() { format!("{above}{name}") } else { format!("{above}{name}[]") };
        let shown = if items.is_null() { field } else { items };
        let described = [written, field].into_iter().find_map(|from| from["description"].as_str());
        found.push((path.clone(), kind(shown), described.unwrap_or_default().to_owned()));
        walk(schema, shown, &format!("{path}."), found);
    }
}

/// What a field holds, in words.
fn kind(field: &Value) -> String {
    let quoted = |values: &Vec<Value>| {
        values.iter().map(|value| format!("`{}`", value.as_str().expect("a word"))).collect::<Vec<_>>().join(", ")
    };
    match (&field["const"], &field["enum"], &field["type"]) {
        (Value::String(word), ..) => format!("`{word}`"),
        (_, Value::Array(values), _) => quoted(values),
        (_, _, Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        (_, _, Value::String(kind)) => kind.clone(),
        _ => panic!("a field without a type: {field}"),
    }
}

#[test]
fn the_man_pages_are_fresh() {
    let mut command = cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = BTreeMap::new();
    man(&command, "dkron-jobs", &mut pages);
    let folder = repository().join("docs/man");
    for (name, page) in &pages {
        fresh(&format!("docs/man/{name}"), page);
    }
    for entry in fs::read_dir(folder).expect("docs/man").flatten() {
        let name = entry.file_name().into_string().expect("a name");
        assert!(pages.contains_key(&name), "docs/man/{name} is of no command: delete it");
    }
}

fn man(command: &Command, name: &str, pages: &mut BTreeMap<String, String>) {
    let mut page = Vec::new();
    // Without a version: a release need not touch the pages of commands that have not changed.
    Man::new(command.clone())
        .title(name)
        .source("dkron-jobs")
        .manual("dkron-jobs")
        .render(&mut page)
        .expect("memory takes all");
    pages.insert(format!("{name}.1"), String::from_utf8(page).expect("text"));
    for part in command.get_subcommands() {
        man(part, &format!("{name}-{}", part.get_name()), pages);
    }
}

/// The numbers of the facts that a text names: `FACTS 22, 22b`, `facts 19 to 24c`, `fact 7`.
fn facts(text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for (at, _) in lower.match_indices("fact") {
        let after = lower[at + 4..].strip_prefix('s').unwrap_or(&lower[at + 4..]);
        let mut rest = after.strip_prefix(' ').unwrap_or_default();
        loop {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            if digits == 0 {
                break;
            }
            let letter = usize::from(rest[digits..].starts_with(|c: char| c.is_ascii_lowercase()));
            found.push(rest[..digits + letter].to_owned());
            let tail = &rest[digits + letter..];
            match [", ", " to ", " and "].into_iter().find_map(|between| tail.strip_prefix(between)) {
                Some(more) => rest = more,
                None => break,
            }
        }
    }
    found
}

#[test]
fn each_fact_that_is_named_is_in_the_list() {
    assert_eq!(
        facts("(FACTS 22, 22b; 106 verdicts), facts 19 to 24c, fact 7. In fact, 8"),
        ["22", "22b", "19", "24c", "7"]
    );
    let list = read(&repository().join("docs/dkron.md"));
    let known: Vec<_> = list.split("<a id=\"fact-").skip(1).filter_map(|part| part.split('"').next()).collect();
    assert!(known.windows(2).all(|pair| number(pair[0]) < number(pair[1])), "each once, in order: {known:?}");
    let mut named = 0;
    for folder in ["src", "docs", "tests"] {
        for path in crate::tidy::files(&repository().join(folder), &["rs", "md", "yaml"]) {
            for fact in facts(&read(&path)).into_iter().filter(|_| !path.ends_with("tidy_reference.rs")) {
                named += 1;
                assert!(
                    known.contains(&fact.as_str()),
                    "{}: there is no FACTS {fact} in docs/dkron.md",
                    relative(&path)
                );
            }
        }
    }
    assert!(named > 100, "only {named} facts are named");
    for link in list.split("](#fact-").skip(1).filter_map(|part| part.split(')').next()) {
        assert!(known.contains(&link), "docs/dkron.md links to fact {link}, which is not there");
    }
}

fn number(fact: &str) -> (u32, &str) {
    let letters = fact.trim_start_matches(|c: char| c.is_ascii_digit());
    (fact[..fact.len() - letters.len()].parse().expect("a number"), letters)
}
