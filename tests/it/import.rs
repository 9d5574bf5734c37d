//! Jobs to templates: what is written renders to the source again, and a person would have written it so.

use std::cell::Cell;
use std::collections::BTreeMap;

use dkron_jobs::disk;
use dkron_jobs::import::{Given, ImportError, Imported, ImportedFile, import};
use dkron_jobs::job::{Job, LiveJob, StringMap, WireJob};
use dkron_jobs::render::{Context, Source, Sources, Table, TableFormat, render};
use jiff::Timestamp;
use proptest::bool::weighted;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::cli::repository;
use crate::laws::law;

fn given() -> Given {
    Given {
        source: "the Dkron at http://dkron:8080".to_owned(),
        namespace: "shop".to_owned(),
        release: "main".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        name_prefix: String::new(),
    }
}

fn job(value: Value) -> Job {
    LiveJob::from(serde_json::from_value::<WireJob>(value).expect("a job")).job
}

/// What the files render to in this namespace, by name.
fn rendered(files: &[ImportedFile], given: &Given) -> Result<BTreeMap<String, Job>, String> {
    let mut sources = Sources { templates: Vec::new(), tables: BTreeMap::new() };
    for ImportedFile { path, text } in files {
        let source = Source { file: path.clone(), text: text.clone() };
        match path.strip_prefix("data/") {
            Some(table) => {
                let table = table.strip_suffix(".csv").expect("a CSV table").to_owned();
                let rows = Table::parse(&source, TableFormat::Csv, None).map_err(|problem| problem.one_line())?;
                sources.tables.insert(table, rows);
            }
            None => sources.templates.push(source),
        }
    }
    let Given { namespace, release, cluster_domain, name_prefix, .. } = given.clone();
    let context = Context { namespace, release, cluster_domain, name_prefix, vars: BTreeMap::new() };
    let desired = render(&sources, &context).map_err(|problems| problems.to_string())?;
    Ok(desired.jobs.into_iter().map(|(name, wanted)| (name, wanted.job)).collect())
}

/// Imports, renders again and compares; the files as one text.
#[track_caller]
fn round_trip(jobs: Vec<Job>) -> Imported {
    let given = given();
    let imported = import(jobs.clone(), &given).unwrap_or_else(|error| panic!("{error}"));
    let jobs: BTreeMap<_, _> = jobs
        .into_iter()
        .map(|mut job| {
            job.unstamp();
            (job.name.clone(), job)
        })
        .collect();
    let shown = shown(&imported);
    assert_eq!(rendered(&imported.files, &given).unwrap_or_else(|error| panic!("{error}\n{shown}")), jobs, "{shown}");
    imported
}

fn shown(imported: &Imported) -> String {
    let mut shown = String::new();
    for ImportedFile { path, text } in &imported.files {
        shown.extend(["=== ", path, "\n", text]);
    }
    for note in &imported.notes {
        shown.extend(["=== note: ", note, "\n"]);
    }
    shown
}

/// A namespace as it may have grown: refreshes by a series, each with a check, some jobs of their own, some by hand.
fn a_grown_installation() -> Vec<Job> {
    let mut jobs = Vec::new();
    let caches = [
        ("accounts", 300, 600, "customer", "51 */5 * * * *"),
        ("alarms", 60, 300, "network", "14 * * * * *"),
        ("sla-reports", 1800, 3600, "network", "26 8,38 * * * *"),
        ("stock", 120, 180, "product", "7 * * * * *"),
    ];
    for (cache, soft, hard, scope, schedule) in caches {
        jobs.push(job(json!({
            "name": format!("refresh-{cache}"),
            "displayname": format!("Refresh {}", cache.replace('-', " ")),
            "schedule": schedule,
            "timezone": "UTC",
            "tags": {"server": "true:1"},
            "executor": "http",
            "executor_config": {
                "method": "POST",
                "url": format!("http://cache-manager.shop.svc.cluster.local:8080/refresh/{cache}"),
                "headers": r#"["Content-Type: application/json"]"#,
                "body": format!(r#"{{"cache":"{cache}","soft_ttl":{soft},"scope":"{scope}","by":{{"job":"refresh-{cache}"}}}}"#),
                "timeout": if cache == "stock" { "12" } else { "30" },
                "expectCode": "200",
            },
            "retries": 1,
            "metadata": {
                "soft_ttl": soft.to_string(),
                "hard_ttl": hard.to_string(),
                "scope": scope,
                "dkron-jobs.owner": "shop/main",
                "dkron-jobs.job": format!("refresh-{cache}"),
                "dkron-jobs.digest": "v1:0",
                "dkron-jobs.disabled": "false",
            },
        })));
        jobs.push(job(json!({
            "name": format!("check-{cache}"),
            "parent_job": format!("refresh-{cache}"),
            "tags": {"server": "true:1"},
            "executor": "http",
            "executor_config": {
                "method": "GET",
                "url": format!("http://{cache}.shop.svc.cluster.local:8080/health"),
                "timeout": "30",
                "expectCode": "200-299",
            },
        })));
    }
    jobs.push(job(json!({
        "name": "nightly-report",
        "displayname": "Nightly report: all regions",
        "schedule": "0 30 2 * * *",
        "timezone": "Europe/Paris",
        "executor": "http",
        "executor_config": {
            "method": "POST",
            "url": "https://reports.shop.svc.cluster.local/run?callback=http%3A%2F%2Fhook.shop.svc%3A9000%2Fdone",
            "headers": r#"["Authorization: Bearer eyJhbGciOi","Content-Type: application/json","X-Shop:1"]"#,
            "body": r#"{"z":1.10,"a":1}"#,
        },
        "concurrency": "forbid",
        "owner": "billing",
        "owner_email": "billing@example.com",
    })));
    jobs.push(job(json!({
        "name": "cleanup",
        "schedule": "@every 1h",
        "tags": {"role": "batch"},
        "executor": "shell",
        "executor_config": {
            "shell": "true",
            "command": "set -e\nfor f in /data/*.tmp; do\n  rm -f \"$f\"\ndone\necho '{{ done }}'",
        },
        "processors": {"log": {"forward": "true"}, "syslog": {}},
        "starts_at": "2026-01-01T00:00:00Z",
        "metadata": {"version": "0123", "answer": "yes", "note": "", "prune-after": "7"},
    })));
    jobs.push(job(json!({
        "name": "send-invoices",
        "schedule": "@manually",
        "parent_job": "collect-invoices",
        "disabled": true,
        "tags": {"server": "true:1"},
        "executor": "http",
        "executor_config": {
            "method": "POST",
            "url": "http://invoices.shop:8080/send",
            "headers": r#"["Authorization: Basic dXNlcjpwYXNz","Accept: */*"]"#,
            "body": r#"[{"template":"{{ invoice }}","to":["a@example.com",null],"limit":1.5,"dry":false},{}]"#,
            "timeout": "120",
            "expectCode": "200",
        },
        "ephemeral": true,
    })));
    jobs
}

#[test]
fn a_grown_installation_becomes_templates_that_people_would_write() {
    insta::assert_snapshot!("grown", shown(&round_trip(a_grown_installation())));
}

/// The shipped templates, rendered and taken back: what comes out is not far from what went in.
#[test]
fn the_shipped_set_comes_back() {
    let sources = disk::sources(&[repository().join("jobs-templates")], &BTreeMap::new()).expect("the shipped set");
    let Given { namespace, release, cluster_domain, name_prefix, .. } = given();
    let context = Context { namespace, release, cluster_domain, name_prefix, vars: BTreeMap::new() };
    let desired = render(&sources, &context).expect("the shipped set renders");
    insta::assert_snapshot!(
        "shipped",
        shown(&round_trip(desired.jobs.into_values().map(|wanted| wanted.job).collect()))
    );
}

/// Three jobs and more that differ in what stands in the braces of this text, which may be anywhere in a job.
#[track_caller]
fn series(template: &str, values: &[&str]) -> Imported {
    let jobs = values.iter().map(|value| job(serde_json::from_str(&template.replace("<>", value)).expect("JSON")));
    round_trip(jobs.collect())
}

/// The files but for their comments.
fn text_of(imported: &Imported) -> String {
    let lines = imported.files.iter().flat_map(|file| file.text.lines());
    lines.filter(|line| !line.starts_with('#') && !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_differs_becomes_a_column_where_it_is_exact() {
    let http = |config: &str, rest: &str| {
        format!(
            r#"{{"name": "run-<>", "schedule": "@daily", "tags": {{"server": "true:1"}}, "executor": "http", "executor_config": {{{config}, "timeout": "30", "expectCode": "200"}}{rest}}}"#
        )
    };
    for (what, template, values, expected) in [
        (
            "a path",
            http(r#""url": "http://a.shop.svc.cluster.local:80/x/<>?y=<>""#, ""),
            ["b-c", "d", "e"],
            ["name\nb-c\nd\ne\n", "{{ service('a', 80) }}/x/{{ item.name }}?y={{ item.name }}"],
        ),
        (
            "numbers, which stay the texts they are",
            http(r#""url": "http://a/<>""#, ""),
            ["7", "007", "12"],
            ["name\n007\n12\n7\n", "url: \"http://a/{{ item.name }}\""],
        ),
        (
            "a service called by a number",
            http(r#""url": "http://<>.shop.svc.cluster.local:80/""#, ""),
            ["7", "8", "9"],
            ["name\n7\n8\n9\n", "service(item.name | string, 80)"],
        ),
        (
            "part of a service's name",
            http(r#""url": "http://api-<>.shop.svc.cluster.local:80/""#, ""),
            ["a", "b", "c"],
            ["name\na\nb\nc\n", "service('api-' ~ item.name, 80)"],
        ),
        (
            "a title",
            http(r#""url": "http://a/""#, r#", "displayname": "<> now", "metadata": {"upper": "<>"}"#),
            ["a", "b", "c"],
            ["name\na\nb\nc\n", "displayname: \"{{ item.name }} now\""],
        ),
        (
            "a name within a word",
            http(r#""url": "http://a/", "expectBody": "x<>""#, ""),
            ["a", "b", "c"],
            ["name,expectbody\na,xa\nb,xb\nc,xc\n", "expectBody: \"{{ item.expectbody }}\""],
        ),
    ] {
        let text = text_of(&series(&template, &values));
        for part in expected {
            assert!(text.contains(part), "{what}: no `{part}` in\n{text}");
        }
    }
}

#[test]
fn what_no_table_gives_back_stays_a_template_of_its_own() {
    let http = |headers: &str, note: &str| {
        format!(
            r#"{{"name": "run-<>", "schedule": "@daily", "executor": "http", "executor_config": {{"url": "http://a/", "headers": "{headers}"}}, "metadata": {{"note": "{note}"}}}}"#
        )
    };
    let values = ["a", "b", "c"];
    for (what, template, tables) in [
        ("blanks at an end", http("x", " <>x"), 0),
        ("a line break", http("x", "<>x\\n"), 0),
        ("a secret", http(r#"[\"Authorization: Bearer <>x\"]"#, ""), 0),
        ("nothing odd", http("x", "<>x"), 1),
    ] {
        let imported = series(&template, &values);
        let found = imported.files.iter().filter(|file| file.path.starts_with("data/")).count();
        assert_eq!(found, tables, "{what}:\n{}", shown(&imported));
    }
    // A bool that a spreadsheet would change takes itself out, and leaves the others together.
    let notes =
        series(r#"{"name": "run-<>", "schedule": "@daily", "metadata": {"note": "<>"}}"#, &["a", "b", "c", "d"]);
    assert!(text_of(&notes).contains("name\na\nb\nc\nd\n"), "{}", shown(&notes));
    assert_eq!(series(r#"{"name": "run-<>", "schedule": "@daily"}"#, &["a", "b"]).files.len(), 2, "two are no table");
}

/// What is random about a set of jobs: jobs of their own, and series of jobs that differ in some of their values.
fn jobs() -> impl Strategy<Value = Vec<Job>> {
    let series =
        (any_job(), vec((stem(), any_job(), vec(text(), 4)), 3..6), vec(weighted(0.25), FIELDS), any::<bool>())
            .prop_map(|(base, rows, varies, with_stem)| one_series(&base, rows, &varies, with_stem));
    let family = prop_oneof![2 => vec(any_job(), 1..3), 3 => series];
    (vec(family, 1..3), any::<prop::sample::Index>()).prop_map(|(families, parent)| {
        let mut jobs: BTreeMap<String, Job> = BTreeMap::new();
        for job in families.into_iter().flatten() {
            jobs.insert(job.name.clone(), job);
        }
        let names: Vec<_> = jobs.keys().cloned().collect();
        let parent = parent.get(&names);
        for job in jobs.values_mut() {
            if job.parent_job == CHILD {
                // A circle is not for templates to judge, a job that is its own parent is.
                job.parent_job = if job.name == *parent { "gone".to_owned() } else { parent.clone() };
            }
        }
        jobs.into_values().collect()
    })
}

/// Stands for the name of another job.
const CHILD: &str = "(a child)";
/// How many fields of a series may vary.
const FIELDS: usize = 16;

fn one_series(base: &Job, rows: Vec<(String, Job, Vec<String>)>, varies: &[bool], with_stem: bool) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (stem, other, texts) in rows {
        let mut job = base.clone();
        let mut varies = varies.iter().copied();
        macro_rules! vary { ($($field:ident),*) => { $(if varies.next().unwrap_or_default() { job.$field.clone_from(&other.$field); })* } }
        vary!(displayname, schedule, disabled, retries, metadata, tags, timezone, owner, concurrency);
        if job.schedule.is_empty() && job.parent_job.is_empty() {
            job.schedule.clone_from(&base.schedule);
        }
        // What another executor is told is nothing to this one.
        if varies.next().unwrap_or_default() && job.executor == other.executor {
            job.executor_config.clone_from(&other.executor_config);
        }
        let mut texts = texts.into_iter();
        let values = job.metadata.iter_mut().chain(job.executor_config.iter_mut());
        for (_, text) in values.filter(|(key, _)| !["url", "body", "headers", "timeout"].contains(&key.as_str())) {
            if varies.next().unwrap_or_default() {
                *text = texts.next().unwrap_or_default();
            }
        }
        job.name = format!("{}-{stem}", base.name);
        if with_stem {
            let with = |text: &str| text.replace('x', &stem);
            for (_, text) in job.executor_config.iter_mut().filter(|(key, _)| *key != "timeout") {
                *text = with(text);
            }
            job.metadata.iter_mut().for_each(|(_, text)| *text = with(text));
            job.metadata.insert("name".to_owned(), stem.clone());
            job.displayname = format!("Job {stem}");
        }
        jobs.push(job);
    }
    jobs
}

fn stem() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,4}",
        "[a-z]{1,3}-[0-9]{1,3}",
        "[0-9]{1,4}",
        select(vec!["true".to_owned(), "null".to_owned(), "0".to_owned(), "-1".to_owned(), "é".to_owned()])
    ]
}

/// A text that some layer might take for something else.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "",
        " ",
        "yes",
        "null",
        "~",
        "0123",
        "1e3",
        "0x1F",
        "+1",
        "1_000",
        ".5",
        "-",
        "---",
        "...",
        "- a",
        "a: b",
        "a #b",
        "#",
        "!x",
        "&a",
        "*a",
        "%x",
        "@x",
        "`x`",
        "{",
        "{{",
        "}}",
        "{{ x }}",
        "{%",
        "{% raw %}",
        "{% endraw %}{{",
        "{#",
        "{# x #}",
        "{{{",
        "{%-",
        "'",
        "\"",
        "\\",
        "\\ud83d\\ude00",
        "\\uD83D\\uDE00\n",
        "\\UD",
        "\t",
        "\r\n",
        "\n",
        "a\n",
        "a\n\nb",
        "\n\na",
        " a\nb",
        "a \nb",
        "a\n b\n\n",
        "true",
        "TRUE",
        "http://a.shop.svc.cluster.local:8080",
        "http://a.shop.svc.cluster.local:08080",
        "http://a.shop.svc.cluster.local:80x",
        "{http://a-b.c.shop.svc.cluster.local:1/x",
        "a.shop.svc",
        "x.shop.svc.cluster.localx",
        "x.shopx.svc",
        "https://u:p@a.shop.svc.cluster.local/?u=http%3A%2F%2Fb.shop.svc",
        "http://a.shop:80",
        "{a.shop.svc",
        "{x.shop.svc{{",
        "\u{feff}",
        "\u{fffe}",
        "\u{e000}",
        "\u{2028}",
        "\u{85}",
        "\u{0}",
        "\u{7f}",
        "\u{1f511}",
        "x",
        "x-x",
        "/x/x",
        "300",
        "-1",
        "9223372036854775808",
        "[]",
        "{}",
        "[",
        "<<",
        "=",
        "?",
        "? a",
        "|",
        ">",
        "on",
    ];
    let odd = select(odd.map(str::to_owned).to_vec());
    let any = "[ -~\u{0}-\u{1f}éß\u{2028}\u{1f511}]{0,5}";
    prop_oneof![
        10 => odd.clone(),
        6 => (odd.clone(), odd.clone()).prop_map(|(one, two)| one + &two),
        4 => (odd.clone(), any, odd).prop_map(|(one, any, two)| one + &any + &two),
        2 => "[a-c{}%# \n]{0,12}",
        1 => (300..1500_usize).prop_map(|length| "a long text ".repeat(length / 12)),
    ]
}

/// A text that is JSON more often than not, as compact as we write it more often than not.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => text().prop_map(|text| Value::from(text).to_string()),
        2 => select(vec!["1", "0", "-1", "1.5", "1.10", "1e3", "1E3", "-0", "1e400", "18446744073709551615", "18446744073709551616", "0.1e-7", "null", "true", "false"]).prop_map(str::to_owned),
    ];
    let json = leaf.prop_recursive(4, 24, 4, |inner| {
        let entry = (prop_oneof![text(), select(vec!["a".to_owned(), "b".to_owned()])], inner.clone());
        let entry = entry.prop_map(|(key, value)| format!("{}:{value}", Value::from(key)));
        prop_oneof![
            vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            vec(entry, 0..4).prop_map(|map| format!("{{{}}}", map.join(","))),
        ]
    });
    prop_oneof![6 => json.clone(), 1 => text(), 1 => json.prop_map(|json| format!("{json} "))]
}

fn headers() -> impl Strategy<Value = String> {
    let name = select(vec!["Accept", "X-A", "X-A", "Authorization", "", "{{ x }}", "a b"]);
    let header = (name, select(vec![": ", ":", ":  ", " : ", ""]), text())
        .prop_map(|(name, colon, text)| format!("{name}{colon}{text}"));
    prop_oneof![6 => vec(header, 0..4).prop_map(|list| Value::from(list).to_string()), 1 => text()]
}

/// A job that `render` could give: all its texts are what they like, where Dkron and we let them.
fn any_job() -> impl Strategy<Value = Job> {
    let key = || {
        text().prop_filter("a key is no template", |key| {
            !["{{", "{%", "{#", "dkron-jobs."].iter().any(|part| key.contains(part))
        })
    };
    let map = move || btree_map(prop_oneof!["[a-z_]{1,8}", key()], text(), 0..3).prop_map(StringMap::from_iter);
    let url = prop_oneof![
        select(vec![
            "http://cache.shop.svc.cluster.local:8080/refresh/x",
            "http://x.shop.svc.cluster.local:8080",
            "https://a.shop.svc/x?x=1",
            "http://other/{{ x }}"
        ])
        .prop_map(str::to_owned),
        "http://[a-z]{1,3}(\\.shop){0,1}(\\.svc){0,1}(\\.cluster\\.local){0,1}(:[0-9]{1,4}){0,1}/[a-z{}%#?=&x]{0,8}",
    ];
    let http = (
        url,
        option::of(json_text()),
        option::of(headers()),
        option::of(select(vec!["30", "29", "5", "x", ""])),
        option::of(select(vec!["200", "201", ""])),
        option::of(text()),
    );
    let http = http.prop_map(|(url, body, headers, timeout, expect_code, expect_body)| {
        let mut config = StringMap::new();
        config.insert("url".to_owned(), url);
        let others = [
            ("body", body),
            ("headers", headers),
            ("timeout", timeout.map(str::to_owned)),
            ("expectCode", expect_code.map(str::to_owned)),
            ("expectBody", expect_body),
        ];
        for (key, value) in others {
            if let Some(value) = value {
                config.insert(key.to_owned(), value);
            }
        }
        ("http".to_owned(), config)
    });
    let other = (prop_oneof![Just("shell".to_owned()), text(), Just(String::new())], map(), option::of(json_text()))
        .prop_map(|(executor, mut config, body)| {
            if let Some(body) = body {
                config.insert("body".to_owned(), body);
            }
            (if executor == "http" { String::new() } else { executor }, config)
        });
    let schedule =
        select(vec!["0 */5 * * * *", "@every 30s", "@manually", "~ 0 * * * *", "@every 1h30m", "@every 5s", ""]);
    let tags = prop_oneof![Just(StringMap::from_iter([("server".to_owned(), "true:1".to_owned())])), map()];
    let instant = || {
        option::weighted(
            0.1,
            (-62_135_596_799_i64..253_402_000_000)
                .prop_map(|second| Timestamp::from_second(second).expect("it is in range")),
        )
    };
    let texts = (
        text(),
        text(),
        text(),
        prop_oneof![6 => Just(""), 3 => Just("UTC"), 1 => Just("Asia/Kolkata")],
        schedule,
        option::weighted(0.2, select(vec!["gone", CHILD])),
    );
    let maps = (prop_oneof![3 => http, 1 => other], tags, map(), option::weighted(0.1, (key(), map())));
    let rest = (any::<bool>(), 0..3_u32, any::<bool>(), any::<bool>(), instant(), instant());
    (prop_oneof!["[a-c]{1,2}", "[a-z0-9_-]{1,8}", "[a-zé]{1,3}"], texts, maps, rest).prop_map(
        |(name, texts, maps, rest)| {
            let (displayname, owner, owner_email, timezone, schedule, parent_job) = texts;
            let ((executor, executor_config), tags, metadata, processors) = maps;
            let (disabled, retries, forbid, ephemeral, starts_at, expires_at) = rest;
            let schedule = if schedule.is_empty() && parent_job.is_none() { "@daily" } else { schedule };
            Job {
                name,
                displayname,
                timezone: timezone.to_owned(),
                schedule: schedule.to_owned(),
                owner,
                owner_email,
                disabled,
                tags,
                metadata,
                retries,
                parent_job: parent_job.unwrap_or_default().to_owned(),
                processors: processors.into_iter().collect(),
                concurrency: if forbid { "forbid" } else { "allow" }.to_owned(),
                executor,
                executor_config,
                ephemeral,
                starts_at,
                expires_at,
            }
        },
    )
}

#[test]
fn what_is_imported_renders_to_the_source() {
    let folded = Cell::new(0_usize);
    law(jobs(), |jobs| {
        let given = given();
        let imported = match import(jobs.clone(), &given) {
            Ok(imported) => imported,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        folded.set(folded.get() + usize::from(imported.files.iter().any(|file| file.path.starts_with("data/"))));
        let rendered = rendered(&imported.files, &given).map_err(TestCaseError::fail)?;
        let source: BTreeMap<_, _> = jobs.into_iter().map(|job| (job.name.clone(), job)).collect();
        prop_assert_eq!(&rendered, &source, "{}", shown(&imported));
        Ok(())
    });
    assert!(folded.get() > 0, "nothing was folded");
}

#[test]
fn what_no_template_gives_is_named_with_its_field() {
    let http = |key: &str, value: &str| json!({"url": "http://a/", key: value});
    let prefixed = Given { name_prefix: "eu-".to_owned(), ..given() };
    for (value, given, field, says) in [
        (json!({"name": "A", "schedule": "@daily"}), given(), "name", "illegal character"),
        (json!({"name": "a", "schedule": "every day"}), given(), "schedule", "6 fields"),
        (json!({"name": "a", "schedule": "@daily", "timezone": "Mars/Base"}), given(), "timezone", "Mars/Base"),
        (json!({"name": "a", "executor": "shell"}), given(), "name", "neither a schedule nor a parent"),
        (json!({"name": "a", "parent_job": "a"}), given(), "parent_job", "its own parent"),
        (
            json!({"name": "a", "schedule": "@daily", "concurrency": "x"}),
            given(),
            "concurrency",
            "`allow` and `forbid`",
        ),
        (
            json!({"name": "a", "schedule": "@daily", "executor": "http", "executor_config": http("bdoy", "x")}),
            given(),
            "executor_config.bdoy",
            "no key `bdoy`",
        ),
        (
            json!({"name": "a", "schedule": "@daily", "metadata": {"{{ x }}": "x"}}),
            given(),
            "metadata.{{ x }}",
            "a key is no template",
        ),
        (json!({"name": "a", "schedule": "@daily"}), prefixed.clone(), "name", "prefix `eu-`"),
        (json!({"name": "eu-a", "parent_job": "b"}), prefixed, "parent_job", "prefix `eu-`"),
    ] {
        match import(vec![job(value.clone())], &given) {
            Err(ImportError::Refused(refused)) => {
                let [refused] = refused.as_slice() else { panic!("{value}: {refused:?}") };
                assert_eq!(
                    (refused.job.as_str(), refused.field.as_str()),
                    (value["name"].as_str().unwrap_or_default(), field)
                );
                assert!(refused.problem.contains(says), "{value}: {}", refused.problem);
            }
            other => panic!("{value}: {other:?}"),
        }
    }
}

#[test]
fn the_same_templates_serve_another_namespace() {
    let elsewhere = Given { namespace: "prod".to_owned(), cluster_domain: "corp.example".to_owned(), ..given() };
    for (here, there) in [
        ("http://a.shop.svc.cluster.local:80/x", "http://a.prod.svc.corp.example:80/x"),
        ("http://a.b.shop.svc.cluster.local:80", "http://a.b.prod.svc.corp.example:80"),
        ("https://a.shop.svc.cluster.local:443/", "https://a.prod.svc.corp.example:443/"),
        ("http://a.shop.svc.cluster.local/", "http://a.prod.svc.corp.example/"),
        ("http://a.shop.svc:080/", "http://a.prod.svc:080/"),
        ("http://u:p@a.shop.svc/", "http://u:p@a.prod.svc/"),
        ("http://a.shop:80/shop", "http://a.prod:80/shop"),
        ("http://x/?u=http%3A%2F%2Fa.shop.svc%3A80", "http://x/?u=http%3A%2F%2Fa.prod.svc%3A80"),
        ("http://a.shop.svc.example/", "http://a.shop.svc.example/"),
        ("http://a.shop.svcx/", "http://a.shop.svcx/"),
        ("http://a.shop-eu.svc/", "http://a.shop-eu.svc/"),
        ("http://a.b.shop/", "http://a.b.shop/"),
        ("http://shop.svc/", "http://shop.svc/"),
        ("http://a.shop.example/", "http://a.shop.example/"),
        ("http://a.shop.svc.cluster.local.example/", "http://a.shop.svc.cluster.local.example/"),
    ] {
        let imported = round_trip(vec![job(json!({
            "name": "a",
            "schedule": "@daily",
            "executor": "http",
            "executor_config": {"url": here, "body": json!({"to": [here]}).to_string()},
        }))]);
        let jobs = rendered(&imported.files, &elsewhere).unwrap_or_else(|error| panic!("{error}"));
        let config = &jobs["a"].executor_config;
        assert_eq!(config.get("url").map(String::as_str), Some(there), "{}", shown(&imported));
        assert_eq!(config.get("body"), Some(&json!({"to": [there]}).to_string()), "{}", shown(&imported));
    }
}

#[test]
fn neither_order_nor_prefix_matters() {
    let jobs = a_grown_installation();
    let one = round_trip(jobs.clone());
    assert_eq!(round_trip(jobs.iter().rev().cloned().collect()), one);
    let prefixed: Vec<_> = jobs
        .into_iter()
        .map(|mut job| {
            job.unstamp();
            job.name.insert_str(0, "eu-");
            if !job.parent_job.is_empty() {
                job.parent_job.insert_str(0, "eu-");
            }
            job
        })
        .collect();
    let given = Given { name_prefix: "eu-".to_owned(), ..given() };
    let imported = import(prefixed.clone(), &given).unwrap_or_else(|error| panic!("{error}"));
    let source: BTreeMap<_, _> = prefixed.into_iter().map(|job| (job.name.clone(), job)).collect();
    assert_eq!(rendered(&imported.files, &given), Ok(source));
    assert!(text_of(&imported).contains("name: \"refresh-{{ item.name }}\""), "{}", shown(&imported));
}
