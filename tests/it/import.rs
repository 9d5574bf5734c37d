//! Jobs to templates: what is written renders to the source again, and a person would have written it so.

use std::collections::BTreeMap;

use dkron_jobs::disk;
use dkron_jobs::import::{Given, ImportError, Imported, ImportedFile, import};
use dkron_jobs::job::Job;
use dkron_jobs::render::{Context, Source, Sources, TableFormat, render};
use dkron_jobs::table::Table;
use serde_json::{Value, json};

use crate::cli::repository;

pub(crate) fn given() -> Given {
    Given {
        source: "the Dkron at http://dkron:8080".to_owned(),
        namespace: "shop".to_owned(),
        release: "main".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        name_prefix: String::new(),
    }
}

fn job(value: &Value) -> Job {
    serde_json::from_str(&value.to_string()).expect("a job")
}

/// What the files render to in this namespace, by name.
pub(crate) fn rendered(files: &[ImportedFile], given: &Given) -> Result<BTreeMap<String, Job>, String> {
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
    let context = Context {
        namespace,
        release,
        cluster_domain,
        name_prefix,
        vars: BTreeMap::new(),
        allow_unknown_schedules: false,
    };
    let desired = render(&sources, &context).map_err(|problems| problems.to_string())?;
    Ok(desired.jobs.into_iter().map(|(name, wanted)| (name.to_string(), wanted.job.clone())).collect())
}

/// Imports, renders again and compares; the files as one text.
#[track_caller]
fn round_trip(jobs: Vec<Job>) -> Imported {
    let given = given();
    let imported = import(jobs.clone(), &given).unwrap_or_else(|error| panic!("{error}"));
    let jobs: BTreeMap<_, _> = jobs
        .into_iter()
        .map(|mut job| {
            job.stamp = None;
            (job.name.to_string(), job)
        })
        .collect();
    let shown = shown(&imported);
    assert_eq!(rendered(&imported.files, &given).unwrap_or_else(|error| panic!("{error}\n{shown}")), jobs, "{shown}");
    imported
}

pub(crate) fn shown(imported: &Imported) -> String {
    let mut shown = String::new();
    for ImportedFile { path, text } in &imported.files {
        shown.extend(["=== ", path, "\n", text]);
    }
    for note in &imported.notes {
        shown.extend(["=== note: ", note, "\n"]);
    }
    shown
}

/// A namespace as it may have grown: a series of refreshes, each with a check, a series of commands, and jobs of their own.
fn a_grown_installation() -> Vec<Job> {
    let mut jobs = Vec::new();
    let caches = [
        ("accounts", 300, 600, "customer", "51 */5 * * * *"),
        ("alarms", 60, 300, "network", "14 * * * * *"),
        ("sla-reports", 1800, 3600, "network", "26 8,38 * * * *"),
        ("stock", 120, 180, "product", "7 * * * * *"),
    ];
    for (cache, soft, hard, scope, schedule) in caches {
        jobs.push(job(&json!({
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
        jobs.push(job(&json!({
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
    let regions = [("eu-west", "eu", 0), ("asia", "ap", 15), ("us", "us", 30)];
    jobs.extend(regions.map(|(site, region, minute)| {
        job(&json!({
            "name": format!("sync-{site}-inventory"),
            "displayname": format!("Sync {}", site.to_uppercase()),
            "schedule": format!("0 {minute} * * * *"),
            "disabled": site == "asia",
            "tags": {"server": "true:1"},
            "executor": "shell",
            "executor_config": {
                "command": format!("sync --region {region} --to /data/{site}.json http://inventory-{site}.shop.svc.cluster.local:9000/"),
                "env": format!("REGION={region}"),
            },
        }))
    }));
    jobs.push(job(&json!({
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
    jobs.push(job(&json!({
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
    jobs.push(job(&json!({
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
    let context = Context {
        namespace,
        release,
        cluster_domain,
        name_prefix,
        vars: BTreeMap::new(),
        allow_unknown_schedules: false,
    };
    let desired = render(&sources.sources, &context).expect("the shipped set renders");
    insta::assert_snapshot!(
        "shipped",
        shown(&round_trip(desired.jobs.values().map(|wanted| wanted.job.clone()).collect()))
    );
}

/// Three jobs and more that differ in what stands in the braces of this text, which may be anywhere in a job.
#[track_caller]
fn series(template: &str, values: &[&str]) -> Imported {
    let jobs = values.iter().map(|value| job(&serde_json::from_str(&template.replace("<>", value)).expect("JSON")));
    round_trip(jobs.collect())
}

/// The files but for their comments.
fn text_of(imported: &Imported) -> String {
    let lines = imported.files.iter().flat_map(|file| file.text.lines());
    lines.filter(|line| !line.starts_with('#') && !line.is_empty()).flat_map(|line| [line, "\n"]).collect()
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
            ["name,expect_body\na,xa\nb,xb\nc,xc\n", "expectBody: \"{{ item.expect_body }}\""],
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
    // What a table would change takes itself out, and leaves the others together.
    let note = r#"{"name": "run-<>", "schedule": "@daily", "metadata": {"note": "<>"}}"#;
    let imported = series(note, &["a", "b", "c", &"d".repeat(500)]);
    let names: Vec<_> = imported.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["data/run.csv", &format!("run-{}.yaml", "d".repeat(96)), "run.yaml"]);
    // `true` in a table is a bool, which Jinja calls `True`: this fold is undone when it is tried.
    let service = r#"{"name": "run-<>", "schedule": "@daily", "executor": "http", "executor_config": {"url": "http://<>.shop.svc.cluster.local:1"}}"#;
    assert_eq!(series(service, &["a", "b", "true"]).files.len(), 3);
    assert_eq!(series(service, &["a", "b", "truth"]).files.len(), 2);
    assert_eq!(series(r#"{"name": "run-<>", "schedule": "@daily"}"#, &["a", "b"]).files.len(), 2, "two are no table");
}

/// A template file has a most of values, so that no file is a bomb; a text is one of them, however long.
#[test]
fn a_body_of_a_million_values_stays_a_text() {
    let body = format!("[{}0]", "0,".repeat(1_000_000));
    let imported =
        round_trip(vec![job(&json!({"name": "a", "schedule": "@daily", "executor_config": {"body": body}}))]);
    assert!(text_of(&imported).contains("body: \"[0,0,"), "it was opened");
}

#[test]
fn what_no_template_gives_is_named_with_its_field() {
    let prefixed = Given { name_prefix: "eu-".to_owned(), ..given() };
    for (value, given, field, says) in [
        (json!({"name": "A", "schedule": "@daily"}), given(), "name", "illegal character"),
        (json!({"name": "a", "schedule": "TZ=UTC"}), given(), "schedule", "Dkron crashes"),
        (json!({"name": "a", "executor": "shell"}), given(), "name", "neither a schedule nor a parent"),
        (json!({"name": "a", "parent_job": "a"}), given(), "parent_job", "its own parent"),
        (
            json!({"name": "a", "schedule": "@daily", "concurrency": "x"}),
            given(),
            "concurrency",
            "`allow` and `forbid`",
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
        match import(vec![job(&value)], &given) {
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
        let imported = round_trip(vec![job(&json!({
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
            job.stamp = None;
            job.name = format!("eu-{}", job.name).into();
            if !job.parent_job.is_empty() {
                job.parent_job.insert_str(0, "eu-");
            }
            job
        })
        .collect();
    let given = Given { name_prefix: "eu-".to_owned(), ..given() };
    let imported = import(prefixed.clone(), &given).unwrap_or_else(|error| panic!("{error}"));
    let source: BTreeMap<_, _> = prefixed.into_iter().map(|job| (job.name.to_string(), job)).collect();
    assert_eq!(rendered(&imported.files, &given), Ok(source));
    assert!(text_of(&imported).contains("name: \"refresh-{{ item.name }}\""), "{}", shown(&imported));
}
