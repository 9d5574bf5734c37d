//! The rules of lint: each one's examples, tables of what is said to what, and whatever else a job may hold.

use std::collections::{BTreeMap, BTreeSet};

use dkron_jobs::cache::{Caches, DEFAULT_KEY, Key};
use dkron_jobs::job::{Job, JobMap, Wanted};
use dkron_jobs::lint::{Circumstances, Finding, Findings, Lint, Others, Severity, lint, rule, rules};
use dkron_jobs::render::{Context, Source, Sources, TableFormat, examine};
use dkron_jobs::report::Masker;
use dkron_jobs::table::Table;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::laws::law;

/// What the rules' examples are looked at with.
const CACHES: &str = "name,soft_ttl,hard_ttl\naccounts,300,600\n";
const CROWD: &str = "name,soft_ttl,hard_ttl\na,600,1200\nb,600,1200\nc,600,1200\nd,600,1200\n";
const NOW: &str = "2026-06-01T12:00:00Z";

/// What lint says to a template, as `severity rule` lines.
fn said(template: &str, table: Option<&str>) -> Vec<String> {
    let tables = table.map(|text| {
        let source = Source { file: "cache_param.csv".to_owned(), text: text.to_owned() };
        ("cache_param".to_owned(), Table::parse(&source, TableFormat::Csv, None).expect("a table"))
    });
    let source = Source { file: "t.yaml".to_owned(), text: template.to_owned() };
    let sources = Sources { templates: vec![source], tables: tables.into_iter().collect() };
    let context = Context {
        namespace: "shop".to_owned(),
        release: "main".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        name_prefix: String::new(),
        vars: BTreeMap::new(),
        allow_unknown_schedules: false,
    };
    let rendered = examine(&sources, &context);
    let refused: Vec<_> = rendered
        .problems
        .iter()
        .map(|problem| {
            Finding::of_problem(problem, &Masker::default()).unwrap_or_else(|| panic!("{problem}\n{template}"))
        })
        .collect();
    let caches = sources.tables.get("cache_param").map(Caches::of);
    let found = looked(&rendered.desired.jobs, caches.as_ref());
    let findings = Findings::new(found, refused, &rendered.places, &Masker::default());
    let said = findings.notes.iter();
    said.map(|finding| format!("{} {}", finding.note.severity.word(), finding.note.rule.id)).collect()
}

fn looked(jobs: &JobMap<Wanted>, caches: Option<&Caches>) -> Lint {
    let key = Key::parse(DEFAULT_KEY).expect("a key");
    lint(
        jobs,
        &Circumstances {
            namespace: "shop",
            caches,
            key: &key,
            stampede: 3,
            allow: &BTreeSet::new(),
            now: NOW.parse::<Timestamp>().expect("an instant"),
            others: Others::None,
        },
    )
}

/// The table that a rule's examples need.
fn table(rule: &str) -> Option<&'static str> {
    match rule {
        "cache-without-job" | "job-without-cache" => Some(CACHES),
        "stampede" => Some(CROWD),
        _ => None,
    }
}

#[test]
fn each_rule_names_its_wrong_example_and_leaves_the_right_one_alone() {
    let mut count = 0;
    let mut ids = BTreeSet::new();
    for rule in rules() {
        let line = format!("{} {}", rule.severity.word(), rule.id);
        let wrong = said(rule.wrong, table(rule.id));
        assert!(wrong.contains(&line), "{}: {wrong:?}", rule.id);
        let right = said(rule.right, table(rule.id));
        assert_eq!(right, Vec::<String>::new(), "{}, right", rule.id);
        assert!(ids.insert(rule.id), "two rules are called {}", rule.id);
        assert!(dkron_jobs::lint::rule(rule.id) == Some(rule));
        count += 1;
    }
    // Those that the issue names, whatever else there is.
    assert!(count >= 27, "{count}");
    for id in [
        "schedule-invalid",
        "schedule-never-runs",
        "schedule-every-second",
        "schedule-slower-than-soft-ttl",
        "name-invalid",
        "parent-missing",
        "parent-cycle",
        "header-without-colon",
        "header-value-cut",
        "headers-not-a-list",
        "unknown-executor-key",
        "executor-config-missing",
        "expect-code-never-matches",
        "timeout-not-seconds",
        "cache-without-job",
        "expect-code-missing",
        "debug-leaks-config",
        "runs-on-every-node",
        "timeout-longer-than-interval",
        "forbid-can-stick",
        "foreign-namespace",
        "plain-secret",
        "unknown-executor",
        "job-without-cache",
        "stampede",
        "every-resets-on-release",
        "ephemeral-recreated",
        "refresh-may-miss-hard-ttl",
    ] {
        assert!(rule(id).is_some(), "{id}");
    }
}

/// `executor_config` of a job that is right otherwise, and all that is said to it.
#[test]
fn executor_configurations() {
    let all =
        |config: &str| said(&format!("name: a\nschedule: 0 0 * * * *\nexecutor_config: {{{config}}}"), None).join(", ");
    let good = "method: GET, url: 'http://x/'";
    for (config, expected) in [
        (good.to_owned(), ""),
        (format!("{good}, expectCode: 200"), ""),
        // What precedes a comma is searched for anywhere.
        (format!("{good}, expectCode: '200, 204'"), ""),
        (format!("{good}, expectCode: '1200'"), ""),
        (format!("{good}, expectCode: '200,'"), ""),
        (format!("{good}, expectCode: ',200, '"), ""),
        (format!("{good}, expectCode: ','"), "error expect-code-never-matches"),
        (format!("{good}, expectCode: ' '"), "error expect-code-never-matches"),
        (format!("{good}, expectCode: '200 ,204'"), "error expect-code-never-matches"),
        (format!("{good}, expectCode: '20'"), "error expect-code-never-matches"),
        (format!("{good}, expectCode: '200-299'"), ""),
        (format!("{good}, expectCode: '2xx'"), "error expect-code-never-matches"),
        (format!("{good}, expectCode: ok"), "error expect-code-never-matches"),
        (format!("{good}, expectCode: ''"), "warning expect-code-missing"),
        (format!("{good}, timeout: 1"), ""),
        (format!("{good}, timeout: +5"), ""),
        (format!("{good}, timeout: 0"), "error timeout-not-seconds"),
        (format!("{good}, timeout: -1"), "error timeout-not-seconds"),
        (format!("{good}, timeout: 1.5"), "error timeout-not-seconds"),
        (format!("{good}, timeout: 5m"), "error timeout-not-seconds"),
        (format!("{good}, timeout: 3600"), ""),
        (format!("{good}, timeout: 3601"), "warning timeout-longer-than-interval"),
        (format!("{good}, debug: ''"), ""),
        (format!("{good}, debug: 'true'"), "warning debug-leaks-config"),
        (format!("{good}, headers: ''"), ""),
        (format!("{good}, headers: 'null'"), ""),
        (format!("{good}, headers: '[\"\"]'"), ""),
        (format!("{good}, headers: {{}}"), ""),
        (format!("{good}, headers: '{{\"Accept\": \"x\"}}'"), "error headers-not-a-list"),
        (format!("{good}, headers: '[1]'"), "error headers-not-a-list"),
        (format!("{good}, headers: ['a: b', 'c']"), "error header-without-colon"),
        (format!("{good}, headers: ['a: b:c']"), "error header-value-cut"),
        (format!("{good}, header: x"), "error unknown-executor-key"),
        (format!("{good}, Url: x"), "error unknown-executor-key"),
        ("method: GET".to_owned(), ""),
        ("url: 'http://x/'".to_owned(), "error executor-config-missing"),
        ("method: GET, url: 'ftp://x/'".to_owned(), "error url-invalid"),
        ("method: GET, url: \"http://x/\\n\"".to_owned(), "error url-invalid"),
        ("method: GET, url: ' http://x/'".to_owned(), "error url-invalid"),
        (format!("{good}, headers: {{Authorization: Bearer x}}"), "warning plain-secret"),
        ("method: GET, url: 'http://u:p@x/'".to_owned(), "warning plain-secret"),
        ("method: GET, url: 'http://x/?token=y'".to_owned(), "warning plain-secret"),
        ("method: GET, url: 'http://api.shop.svc:80/'".to_owned(), ""),
        ("method: GET, url: 'http://api.shop.svc.cluster.local/'".to_owned(), ""),
        ("method: GET, url: 'http://api.test.svc.cluster.local/'".to_owned(), "warning foreign-namespace"),
        ("method: GET, url: 'http://pod.api.test.svc/'".to_owned(), "warning foreign-namespace"),
        ("method: GET, url: 'http://svc.example.com/'".to_owned(), ""),
    ] {
        let config = config.as_str();
        // Without a URL it is no http job until it says so.
        let found = if config == "method: GET" { String::new() } else { all(config) };
        assert_eq!(found, expected, "{config}");
    }
    let found = said("name: a\nschedule: 0 0 * * * *\nexecutor: http\nexecutor_config: {method: GET}", None);
    assert_eq!(found, ["error executor-config-missing"]);
    let found = said("name: a\nschedule: 0 0 * * * *\nexecutor_config: {method: GET}", None);
    assert_eq!(found, ["warning unknown-executor"], "no executor at all");
    let found = said("name: a\nschedule: 0 0 * * * *\nexecutor: shell\nexecutor_config: {comand: x}", None);
    assert_eq!(found, Vec::<String>::new(), "other executors' keys are not known");
}

#[test]
fn schedules_and_surroundings() {
    let http = "executor_config: {method: GET, url: 'http://x/', timeout: 1}";
    for (fields, expected) in [
        ("schedule: '@every 1s'", ""),
        ("schedule: '@every 999ms'", "error schedule-every-second"),
        ("schedule: '@every 0s'", "error schedule-every-second"),
        ("schedule: '@every -1h'", "error schedule-every-second"),
        ("schedule: '@every 24h'", ""),
        ("schedule: '@every 24h1s'", "warning every-resets-on-release"),
        ("schedule: '@manually'", ""),
        ("schedule: '@at 2026-06-01T12:00:01Z'", ""),
        ("schedule: '@at 2026-06-01T12:00:00Z'", "warning schedule-never-runs"),
        // NOW is 12:00:00: to come, just come, the grace period's last instant, and past it.
        ("schedule: '@after 2026-06-01T12:00:01Z <PT1H'", "warning after-runs-again, warning after-runs-twice"),
        ("schedule: '@after 2026-06-01T12:00:00Z <PT1H'", "warning after-runs-again"),
        ("schedule: '@after 2026-06-01T11:00:00Z <PT1H'", "warning after-runs-again"),
        ("schedule: '@after 2026-06-01T10:59:59Z <PT1H'", "warning schedule-never-runs"),
        ("schedule: '@after 2026-06-01T12:00:01Z <PT1H'\nephemeral: true", "warning ephemeral-recreated"),
        ("schedule: '@after 2026-06-01T11:00:00Z <P1M'", "warning after-no-calendar, warning after-runs-again"),
        ("schedule: '@after 2026-06-01T11:00:00Z <P106751D'", "warning after-runs-again"),
        (
            "schedule: '@after 2026-06-01T11:00:00Z <P106752D'",
            "warning after-grace-overflows, warning schedule-never-runs",
        ),
        (
            "schedule: '@after 2026-06-01T13:00:00Z <P300Y'",
            "warning after-grace-overflows, warning after-no-calendar, warning after-runs-again, warning after-runs-twice",
        ),
        ("schedule: '@after 2026-06-01T13:00:00Z <PT0S'", "error schedule-invalid"),
        ("schedule: '0 0 0 31 4,6,9,11 *'", "error schedule-never-runs"),
        ("schedule: '0 0 0 29 2 *'", ""),
        // Either of day and weekday does.
        ("schedule: '0 0 0 30 2 MON'", ""),
        ("schedule: '@daily'\nexpires_at: '2026-06-01T11:00:00Z'", "warning schedule-never-runs"),
        ("schedule: '@daily'\nexpires_at: '2026-06-01T13:00:00Z'", ""),
        ("schedule: '0 0 0 * * 7'", "error schedule-invalid"),
        ("schedule: '0 0 0 * * *'\ntimezone: Mars/Olympus", "error schedule-invalid"),
        ("schedule: ''", "error schedule-invalid"),
        ("schedule: '@daily'\nconcurrency: forbid", "warning forbid-can-stick"),
        ("schedule: '@daily'\nephemeral: true", "warning ephemeral-recreated"),
        ("schedule: '@daily'\ntags: {}", "warning runs-on-every-node"),
        ("schedule: '@daily'\ntags: {role: worker}", "warning runs-on-every-node"),
        ("schedule: '@daily'\ntags: {role: 'worker:2'}", ""),
        ("schedule: '@daily'\nexecutor: htpp", "warning unknown-executor"),
        (
            "schedule: '@daily'\nconcurrency: forbid\nmetadata: {dkron-jobs.lint-allow: 'forbid-can-stick: it is quick'}",
            "",
        ),
        (
            "schedule: '@daily'\nconcurrency: forbid\nmetadata: {dkron-jobs.lint-allow: 'stampede, forbid-can-stick'}",
            "",
        ),
        (
            "schedule: '@daily'\nconcurrency: forbid\nmetadata: {dkron-jobs.lint-allow: forbid}",
            "warning forbid-can-stick, warning lint-allow-unknown",
        ),
    ] {
        let found = said(&format!("name: a\n{fields}\n{http}"), None).join(", ");
        assert_eq!(found, expected, "{fields}");
    }
}

#[test]
fn the_worst_gap_is_what_a_ttl_is_compared_with() {
    let job = |schedule: &str, soft: &str, hard: &str| {
        let ttl = format!("metadata: {{cache_param: x, soft_ttl: {soft}, hard_ttl: {hard}}}");
        let config = "executor_config: {method: GET, url: 'http://x/', timeout: 1}";
        said(&format!("name: a\nschedule: '{schedule}'\n{config}\n{ttl}"), None).join(", ")
    };
    let slow = "error schedule-slower-than-soft-ttl";
    // The interval is at most half the soft TTL; up to all of it where the hard one is twice as long.
    assert_eq!(job("0 */5 * * * *", "600", "700"), "");
    assert_eq!(job("0 */5 * * * *", "599", "700"), slow);
    assert_eq!(job("0 */5 * * * *", "300", "600"), "");
    assert_eq!(job("0 */5 * * * *", "300", "599"), slow);
    assert_eq!(job("0 */5 * * * *", "299", "10000"), slow);
    assert_eq!(job("0 */5 * * * *", "600", "null"), "");
    assert_eq!(job("0 */5 * * * *", "10m", "PT20M"), "");
    // Seven minutes, and four at the hour's end.
    assert_eq!(job("0 */7 * * * *", "420", "840"), "");
    assert_eq!(job("0 */7 * * * *", "419", "840"), slow);
    // From Friday evening to Monday morning.
    assert_eq!(job("0 0 8-18 * * MON-FRI", "62h", "124h"), "");
    assert_eq!(job("0 0 8-18 * * MON-FRI", "61h", "124h"), slow);
    assert_eq!(job("@every 90s", "90", "180"), "");
    assert_eq!(job("@every 91s", "90", "182"), slow);
    // Runs, attempts and all.
    assert_eq!(job("0 * * * * *", "60", "120"), "");
    let retried = "name: a\nschedule: '0 * * * * *'\nretries: 1\nexecutor_config: {method: GET, url: 'http://x/', timeout: 31}\n\
                   metadata: {cache_param: x, soft_ttl: 60, hard_ttl: 120}";
    assert_eq!(said(retried, None), ["warning refresh-may-miss-hard-ttl"]);
    assert_eq!(said(&retried.replace("31", "30"), None), Vec::<String>::new());
    // An attempt without a limit may take any time.
    for endless in ["0", "-1"] {
        let both = ["error timeout-not-seconds", "warning refresh-may-miss-hard-ttl"];
        assert_eq!(said(&retried.replace("31", endless), None), both, "{endless}");
    }
    // A child runs when its parent does.
    let child = |soft: &str| {
        said(
            &format!(
                "name: p\nschedule: '0 */5 * * * *'\n{0}\n---\nname: c\nparent_job: p\n{0}\nmetadata: {{cache_param: x, soft_ttl: {soft}, hard_ttl: 9999}}",
                "executor_config: {method: GET, url: 'http://x/', timeout: 1}"
            ),
            None,
        )
    };
    assert_eq!((child("300"), child("299")), (vec![], vec![slow.to_owned()]));
}

#[test]
fn a_ttl_of_the_table_is_above_zero() {
    let table = |row: &str| Source { file: "t.csv".to_owned(), text: format!("name,soft_ttl,hard_ttl\n{row}\n") };
    let problems =
        |row: &str| Caches::of(&Table::parse(&table(row), TableFormat::Csv, None).expect("a table")).problems;
    assert_eq!(problems("a,60,120"), Vec::<String>::new());
    assert_eq!(problems("a,0,120"), ["row 1: the soft TTL of cache `a` is `0`, which is not positive"]);
    assert_eq!(problems("a,60,0"), ["row 1: the hard TTL of cache `a` is `0`, which is not positive"]);
    assert_eq!(problems("a,60,-5s"), ["row 1: the hard TTL of cache `a` is `-5s`, which is not positive"]);
    // Its soft TTL is watched all the same.
    let caches = Caches::of(&Table::parse(&table("a,60,0"), TableFormat::Csv, None).expect("a table"));
    let ttl = caches.get("a").expect("a cache").ttl;
    assert_eq!((ttl.soft.as_secs(), ttl.hard), (60, None));
}

#[test]
fn a_key_of_metadata_may_have_a_dash() {
    let mut job = Job::new("a");
    job.metadata.insert("cache-param".to_owned(), "accounts".to_owned());
    let key = Key::parse("metadata.cache-param").expect("a key");
    assert_eq!(key.of(&job).as_deref(), Some("accounts"));
}

/// Crowds of schedules that make each day alike, of others, and of both together.
#[test]
fn crowds() {
    let crowd = |schedules: &[&str]| {
        let jobs = schedules.iter().enumerate().map(|(index, schedule)| {
            format!("name: job-{index}\nschedule: '{schedule}'\nexecutor_config: {{method: GET, url: 'http://x/', timeout: 1}}")
        });
        said(&jobs.collect::<Vec<_>>().join("\n---\n"), None)
    };
    let (none, some) = (Vec::<String>::new(), ["warning stampede"]);
    // More than three are too many here.
    assert_eq!(crowd(&["0 0 8 * * *"; 3]), none);
    assert_eq!(crowd(&["0 0 8 * * *"; 4]), some);
    assert_eq!(crowd(&["0 0 8 * * *", "0 0 8 * * *", "1 0 8 * * *", "0 0 9 * * *"]), none);
    assert_eq!(crowd(&["0 0 8 * * MON"; 4]), some);
    assert_eq!(crowd(&["0 0 8 * * MON", "0 0 8 * * MON", "0 0 8 * * MON", "0 0 8 * * TUE"]), none);
    assert_eq!(crowd(&["0 0 8 * * MON", "0 0 8 * * *", "0 0 */4 * * *", "0 */5 * * * *"]), some);
    assert_eq!(crowd(&["TZ=Asia/Tokyo 0 0 8 * * *", "0 0 23 * * *", "0 0 23 * * *", "0 0 23 * * SUN"]), some);
    assert_eq!(crowd(&["@every 1h"; 5]), none, "when they begin is not known");
}

/// Another job that runs often enough does for both, and one that is switched off does for nothing.
#[test]
fn several_jobs_of_one_cache() {
    let job = |name: &str, schedule: &str, rest: &str| {
        format!(
            "name: {name}\nschedule: '{schedule}'\nexecutor_config: {{method: GET, url: 'http://x/', timeout: 1}}\nmetadata: {{cache_param: accounts}}\n{rest}"
        )
    };
    let both = |rest: &str| format!("{}\n---\n{}", job("a", "@daily", ""), job("b", "0 */5 * * * *", rest));
    assert_eq!(said(&both(""), Some(CACHES)), Vec::<String>::new());
    assert_eq!(said(&both("disabled: true"), Some(CACHES)), ["error schedule-slower-than-soft-ttl"]);
    let off = said(&job("a", "0 */5 * * * *", "disabled: true"), Some(CACHES));
    assert_eq!(off, ["error cache-without-job"]);
    let unwanted = said(&job("a", "@daily", "disabled: true"), Some("name,soft_ttl,enabled\naccounts,300,false\n"));
    assert_eq!(unwanted, Vec::<String>::new());
    // What is only run by hand, or once, keeps nothing fresh, unless another job does.
    for once in ["@manually", "@at 2027-01-01T00:00:00Z"] {
        assert_eq!(said(&job("a", once, ""), Some(CACHES)), ["error schedule-slower-than-soft-ttl"], "{once}");
        let other = format!("{}\n---\n{}", job("a", once, ""), job("b", "0 */5 * * * *", ""));
        assert_eq!(said(&other, Some(CACHES)), Vec::<String>::new(), "{once}");
        assert_eq!(said(&job("a", once, ""), None), Vec::<String>::new(), "{once}");
    }
    // A child runs when its parent does, and never after one that is switched off.
    let family = |first: &str, rest: &str| {
        let allow = "metadata: {dkron-jobs.lint-allow: 'job-without-cache: it prepares'}";
        let config = "executor_config: {method: GET, url: 'http://x/', timeout: 1}";
        let between = format!("name: b\nparent_job: a\n{config}\n{allow}");
        let child = format!("name: c\nparent_job: b\n{config}\nmetadata: {{cache_param: accounts}}");
        said(
            &format!("name: a\nschedule: '{first}'\n{rest}\n{config}\n{allow}\n---\n{between}\n---\n{child}"),
            Some(CACHES),
        )
    };
    assert_eq!(family("0 */5 * * * *", ""), Vec::<String>::new());
    assert_eq!(family("0 */5 * * * *", "disabled: true"), ["error cache-without-job"]);
    assert_eq!(family("@manually", ""), ["error schedule-slower-than-soft-ttl"]);
    let broken = said(
        &job("a", "0 */5 * * * *", ""),
        Some("name,soft_ttl\naccounts,1000\nother,soon\n,5\naccounts,7\nzero,0\n"),
    );
    assert_eq!(broken, vec!["error cache-param-invalid"; 4]);
}

fn anything() -> impl Strategy<Value = Value> {
    let map = || {
        let key = prop_oneof![
            "[a-zA-Z.-]{0,8}",
            prop::sample::select(vec![
                "url",
                "method",
                "headers",
                "timeout",
                "expectCode",
                "cache_param",
                "soft_ttl",
                "hard_ttl",
                "dkron-jobs.lint-allow"
            ])
            .prop_map(str::to_owned)
        ];
        let value =
            prop_oneof!["\\PC{0,12}", "[0-9]{0,20}", "\\[\"[a-z:]{0,6}\"\\]", "https?://[a-z.]{0,12}(:[0-9]{0,5})?/?"];
        prop::collection::btree_map(key, value, 0..5)
    };
    let schedule = prop_oneof![
        "\\PC{0,12}",
        "[0-9*/,~ -]{0,20}",
        "@every -?[0-9]{0,6}(ms|s|m|h)",
        prop::sample::select(vec!["@daily", "@manually", "0 */7 * * * *", "* * * * * *", "0 0 0 30 2 *", ""])
            .prop_map(str::to_owned),
    ];
    let name = prop_oneof!["[a-c]", "\\PC{0,12}"];
    (name.clone(), schedule, map(), map(), map(), name, any::<(u32, bool, bool)>(), prop_oneof![Just("http"), Just("shell"), Just("")]).prop_map(
        |(name, schedule, config, metadata, tags, parent, (retries, disabled, child), executor)| {
            json!({
                "name": name, "schedule": schedule, "executor": executor, "executor_config": config, "metadata": metadata,
                "tags": tags, "retries": retries, "disabled": disabled, "parent_job": if child { parent } else { String::new() },
            })
        },
    )
}

/// Whatever a Dkron holds or a file says, lint comes to an end and says something sensible.
#[test]
fn nothing_makes_lint_panic() {
    let table = Source { file: "t.csv".to_owned(), text: CROWD.to_owned() };
    let caches = Caches::of(&Table::parse(&table, TableFormat::Csv, None).expect("a table"));
    law(prop::collection::vec(anything(), 1..4), |documents| {
        let mut jobs = JobMap::new();
        for document in documents {
            let Ok(live) = dkron_jobs::dkron::decode_jobs(format!("[{document}]").as_bytes()) else { continue };
            let origin = dkron_jobs::job::Origin { file: "x".into(), line: 1 };
            jobs.extend(live.jobs.into_iter().map(|(name, live)| {
                (name, Wanted { job: live.job, secret_fields: BTreeSet::new(), origin: origin.clone() })
            }));
        }
        let found = looked(&jobs, Some(&caches));
        let findings = Findings::new(found, Vec::new(), &dkron_jobs::render::Places::default(), &Masker::default());
        prop_assert_eq!(findings.count(Severity::Error) + findings.count(Severity::Warning), findings.notes.len());
        prop_assert!(findings.notes.iter().all(|finding| !finding.one_line().is_empty()));
        prop_assert!(findings.json().is_object() && findings.sarif().is_object());
        Ok(())
    });
}
