//! `lint`, the command: what it shows, and when it and `apply` refuse.

use std::collections::BTreeSet;
use std::fs;

use dkron_jobs::lint::rules;
use dkron_jobs::settings::{self, Flags, OPTIONS, VERBS};
use serde_json::{Value, json};

use crate::cli::{Cli, repository};
use crate::server::Server;
use crate::shelf::{self, SHELF};

const SCHEMA: &str = include_str!("../../schemas/lint.schema.json");

/// The project's own templates in a folder, with this table.
fn shipped(table: &str) -> Cli {
    let folder = repository().join("jobs-templates");
    let mut cli = Cli::new().env("JOBS_LOG_LEVEL", "warn");
    for file in ["cache-refresh.yaml", "reference-data.yaml"] {
        let text = fs::read_to_string(folder.join(file)).expect("a shipped template");
        cli = cli.file(&format!("jobs-templates/{file}"), text);
    }
    cli.file("jobs-templates/data/cache_param.csv", table)
}

fn rows() -> String {
    fs::read_to_string(repository().join("jobs-templates/data/cache_param.csv")).expect("the shipped table")
}

fn report(cli: &Cli, args: &[&str], code: i32) -> Value {
    let report = cli.run(&[args, &["--output", "json"]].concat()).exits(code).json();
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let validator = jsonschema::draft202012::new(&schema).expect("the schema can be used");
    let errors: Vec<_> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{report:#}");
    report
}

/// `severity rule job` of each note.
fn notes(report: &Value) -> Vec<String> {
    let of =
        |note: &Value| ["severity", "rule", "job"].map(|key| note[key].as_str().unwrap_or("-").to_owned()).join(" ");
    report["notes"].as_array().expect("a list").iter().map(of).collect()
}

#[test]
fn the_sample_rows() {
    let cli = shipped(&rows());
    let found = report(&cli, &["lint"], 0);
    assert_eq!(notes(&found), Vec::<String>::new());
    assert_eq!(found["summary"], json!({"jobs": 14, "errors": 0, "warnings": 0, "allowed": 1}));
    let coverage = found["coverage"].as_array().expect("a list");
    let kept = coverage.iter().filter(|row| row["verdict"] == "kept fresh").count();
    assert_eq!((coverage.len(), kept), (13, 12), "{coverage:#?}");

    // Each row made slower by a second: a schedule for the TTLs before is too slow for the ones after.
    let jobs = cli.run(&["render", "--format", "json"]).ok().stdout;
    cli.write("saved.json", &jobs);
    let table = |name: &str, soft: i64, hard: &str| {
        let lines = rows();
        let line = lines.lines().find(|line| line.starts_with(&format!("{name},"))).expect("the row").to_owned();
        let mut fields: Vec<_> = line.split(',').map(str::to_owned).collect();
        (fields[1], fields[2]) = (soft.to_string(), hard.to_owned());
        lines.replace(&line, &fields.join(","))
    };
    let mut slower = 0;
    for row in coverage.iter().filter(|row| row["verdict"] == "kept fresh") {
        let (name, gap) = (row["cache"].as_str().expect("a name"), row["worst_gap"].as_i64().expect("a gap"));
        // The shortest soft TTL that the gap still does for, and one second less.
        for (soft, code) in [(gap, 0), (gap - 1, 6)] {
            cli.write("rows.csv", table(name, soft, "9999999"));
            let found = report(&cli, &["lint", "saved.json", "--data", "cache_param=rows.csv"], code);
            let expected = format!("error schedule-slower-than-soft-ttl refresh-{name}");
            assert_eq!(notes(&found).contains(&expected), code == 6, "{name}, {soft}: {found:#}");
        }
        slower += 1;
    }
    assert_eq!(slower, 12);

    // A job that is gone leaves its cache to nobody.
    let mut jobs: Vec<Value> = serde_json::from_str(&jobs).expect("a list");
    jobs.retain(|job| job["name"] != "refresh-orders");
    cli.write("saved.json", Value::from(jobs).to_string());
    let found = report(&cli, &["lint", "saved.json"], 6);
    assert_eq!(notes(&found), ["error cache-without-job -"]);
    assert!(found["notes"][0]["message"].as_str().is_some_and(|said| said.contains("cache `orders`")), "{found:#}");
}

#[test]
fn what_people_see() {
    let cli = Cli::new()
        .file("jobs-templates/data/cache_param.csv", "name,soft_ttl,hard_ttl\nprices,60,90\nstock,60,120\nold,60,120\n")
        .file(
            "jobs-templates/caches.yaml",
            "for_each: cache_param\nwhen: item.name != 'old'\nname: \"refresh-{{ item.name }}\"\nschedule: 0 * * * * *\n\
             executor: http\nexecutor_config:\n  method: GET\n  url: \"{{ service('cache-manager', 8080) }}/{{ item.name }}\"\n  \
             expect_code: 200\n  headers:\n    - X-Tenant\nmetadata:\n  cache_param: \"{{ item.name }}\"\n",
        )
        .file("jobs-templates/five.yaml", "name: five\nschedule: \"*/5 * * * *\"\n");
    insta::assert_snapshot!(cli.run(&["lint", "--namespace", "shop"]).exits(6), @r#"
    exit code: 6
    ----- stdout -----
      × schedule-invalid: job `five`: can't parse job schedule: expected exactly 6 fields, found 5:
      │ [*/5 * * * *]
       ╭─[jobs-templates/five.yaml:2:11]
     1 │ name: five
     2 │ schedule: "*/5 * * * *"
       ·           ─────────────
       ╰────
      help: Dkron wants six fields, seconds first (`0 */5 * * * *`), or `@every 5m`, `@hourly`,
            `@manually`
      × header-without-colon: job `refresh-prices`: header 1 has no colon, which ends the http
      │ executor of the whole node (and so for 1 more job of this template)
        ╭─[jobs-templates/caches.yaml:10:3]
      9 │   expect_code: 200
     10 │   headers:
        ·   ───────
     11 │     - X-Tenant
        ╰────
      help: write `Name: value`, or headers as a map
      × schedule-slower-than-soft-ttl: job `refresh-prices`: `0 * * * * *` leaves up to 1m between two
      │ runs, and a soft TTL of 1m (hard 1m 30s) allows 30s
       ╭─[jobs-templates/caches.yaml:4:1]
     3 │ name: "refresh-{{ item.name }}"
     4 │ schedule: 0 * * * * *
       · ─────────────────────
     5 │ executor: http
       ╰────
      help: write `{{ refresh_schedule(item.soft_ttl, item.hard_ttl) }}`, or a schedule with shorter
            gaps
      × unknown-executor-key: job `refresh-prices`: the http executor has no key `expect_code`, and
      │ ignores it (and so for 1 more job of this template)
        ╭─[jobs-templates/caches.yaml:9:3]
      8 │   url: "{{ service('cache-manager', 8080) }}/{{ item.name }}"
      9 │   expect_code: 200
        ·   ────────────────
     10 │   headers:
        ╰────
      help: did you mean `expectCode`?
      ⚠ cache-without-job: cache `old` is not refreshed: no job is for it
      help: add a job whose `metadata.cache_param` names the row, switch its job on, or say `enabled:
            false` in the row
    lint of shop/dkron-jobs: 6 errors, 1 warning in 3 jobs
    ----- stderr -----
    "#);
    insta::assert_snapshot!(cli.run(&["lint", "--only", "refresh-stock", "--allow", "unknown-executor-key"]).exits(6), @r"
    exit code: 6
    ----- stdout -----
      × header-without-colon: job `refresh-stock`: header 1 has no colon, which ends the http executor
      │ of the whole node
        ╭─[jobs-templates/caches.yaml:10:3]
      9 │   expect_code: 200
     10 │   headers:
        ·   ───────
     11 │     - X-Tenant
        ╰────
      help: write `Name: value`, or headers as a map
    lint of default/dkron-jobs: 1 error, 0 warnings, 1 allowed in 3 jobs
    ----- stderr -----
    ");
    let ran = cli.run(&["lint", "--allow", "stampeed"]).exits(2);
    assert!(ran.stderr.contains("--allow: `stampeed` is no rule; did you mean `stampede`?"), "{ran}");
    let ran = cli.run(&["lint", "--cache-key", "name |"]).exits(2);
    assert!(ran.stderr.contains("--cache-key: `name |` is no expression over a job's fields"), "{ran}");
    let ran = cli.run(&["plan", "--output", "sarif"]).exits(2);
    assert!(ran.stderr.contains("`plan` has the forms `text` and `json`"), "{ran}");
    let ran = cli.run(&["lint", "x.ndjson", "--live"]).exits(2);
    assert!(ran.stderr.contains("one of them only can be looked at"), "{ran}");
    let ran = cli.run(&["lint", "--only", "nobody"]).exits(2);
    assert!(ran.stderr.contains("--only: no job is called `nobody`"), "{ran}");
    cli.write("jobs-templates/broken.yaml", "name: \"{{ nothing }}\"\nschedule: '@daily'\n");
    let ran = cli.run(&["lint"]).exits(2);
    assert!(ran.stderr.contains("`nothing` is not defined"), "{ran}");
}

#[test]
fn warnings_fail_where_they_are_to() {
    let cli = Cli::new().file(
        "jobs-templates/a.yaml",
        "name: a\nschedule: '@daily'\nconcurrency: forbid\nexecutor_config: {method: GET, url: 'http://x/'}\n",
    );
    assert_eq!(notes(&report(&cli, &["lint"], 0)), ["warning forbid-can-stick a"]);
    assert_eq!(notes(&report(&cli, &["lint", "--fail-on", "warning"], 6)), ["warning forbid-can-stick a"]);
    let allowed = report(&cli, &["lint", "--fail-on", "warning", "--allow", "forbid-can-stick"], 0);
    assert_eq!((notes(&allowed), &allowed["summary"]["allowed"]), (vec![], &json!(1)));
    let file = cli.path("jobs-templates/a.yaml");
    let text = fs::read_to_string(&file).expect("the template");
    cli.write(
        "jobs-templates/a.yaml",
        format!("{text}metadata: {{dkron-jobs.lint-allow: 'forbid-can-stick: it is short'}}\n"),
    );
    let allowed = report(&cli, &["lint", "--fail-on", "warning"], 0);
    assert_eq!(allowed["allowed"][0]["reason"], "it is short");
}

#[test]
fn for_code_review_tools() {
    let cli = Cli::new().file(
        "jobs-templates/a.yaml",
        "name: a\nschedule: '@daily'\nconcurrency: forbid\nexecutor_config:\n  method: GET\n  url: http://x/\n  timeout: 5m\nmetadata: {dkron-jobs.lint-allow: 'forbid-can-stick: it is short'}\n",
    );
    let sarif = cli.run(&["lint", "--output", "sarif"]).exits(6).json();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let known: BTreeSet<_> =
        run["tool"]["driver"]["rules"].as_array().expect("rules").iter().map(|rule| rule["id"].as_str()).collect();
    assert_eq!(known.len(), rules().count());
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|result| known.contains(&result["ruleId"].as_str())));
    assert_eq!(
        results[0]["locations"][0],
        json!({
            "physicalLocation": {
                "artifactLocation": {"uri": "jobs-templates/a.yaml"},
                "region": {"startLine": 7, "startColumn": 3},
            },
            "logicalLocations": [{"name": "a", "kind": "object"}],
        })
    );
    assert_eq!((&results[0]["ruleId"], &results[0]["level"]), (&json!("timeout-not-seconds"), &json!("error")));
    assert_eq!(results[1]["suppressions"], json!([{"kind": "inSource", "justification": "it is short"}]));
}

#[test]
fn files_backups_and_live_jobs() {
    let server = Server::start();
    let cli = Cli::new().dkron(server.url()).env("JOBS_LOG_LEVEL", "warn").env("JOBS_BACKUPS", SHELF);
    for (name, config) in [
        ("good", json!({"method": "GET", "url": "http://x/", "expectCode": "200"})),
        ("bad", json!({"method": "GET", "url": "http://x/", "expectCode": "200", "headers": "[\"no colon\"]"})),
    ] {
        server.put(&json!({
            "name": name, "schedule": "@yearly", "executor": "http", "executor_config": config,
            "tags": {"server": "true:1"}, "metadata": {"cache_param": name},
        }));
    }
    let expected = ["error header-without-colon bad"];
    let live = report(&cli, &["lint", "--live"], 6);
    assert_eq!((notes(&live), &live["notes"][0]["file"]), (expected.map(str::to_owned).to_vec(), &Value::Null));
    let _ = cli.run(&["backup"]).ok();
    let [file] = &shelf::files(&cli)[..] else { panic!("one backup") };
    let saved = report(&cli, &["lint", &format!("{SHELF}/{file}")], 6);
    assert_eq!(notes(&saved), expected);
    assert_eq!(
        (&saved["notes"][0]["file"], &saved["notes"][0]["line"]),
        (&json!(format!("{SHELF}/{file}")), &json!(1))
    );
    // Live caches are looked at by the same table.
    cli.write("caches.csv", "name,soft_ttl,hard_ttl\ngood,31536000,63072000\nbad,60,120\nnobody,60,120\n");
    let covered = report(&cli, &["lint", "--live", "--data", "cache_param=caches.csv"], 6);
    let verdicts: Vec<_> =
        covered["coverage"].as_array().expect("a list").iter().map(|row| row["verdict"].clone()).collect();
    assert_eq!(verdicts, ["too slow", "too slow", "no job"], "a leap year has a day more");
    // The key may be anything.
    let args =
        ["lint", "--live", "--data", "cache_param=caches.csv", "--cache-key", "name | replace('good', 'nobody')"];
    let by_name = report(&cli, &args, 6);
    assert_eq!(by_name["coverage"][2]["jobs"], json!(["good"]));
}

/// A file may hold what Dkron would refuse: it is said like all else, and hides nothing. Of a schedule or time zone that we do not
/// know it is for Dkron to say.
#[test]
fn files_with_jobs_that_dkron_would_refuse() {
    let job = |name: &str, schedule: &str, zone: &str| {
        json!({
            "name": name, "schedule": schedule, "timezone": zone, "executor": "http", "concurrency": "forbid",
            "executor_config": {"method": "GET", "url": "http://x/", "expectCode": "200"}, "tags": {"server": "true:1"},
        })
        .to_string()
    };
    let own_parent = job("own", "@daily", "").replace("\"name\"", "\"parent_job\":\"own\",\"name\"");
    let many: Vec<_> = (0..30).map(|index| job(&format!("bad-{index}"), "* * *", "")).collect();
    let cli = Cli::new().file(
        "jobs.ndjson",
        [
            &[
                job("Upper", "@daily", ""),
                job("zone", "0 0 0 * * *", "Mars/Olympus"),
                own_parent,
                job("good", "@daily", ""),
            ][..],
            &many,
        ]
        .concat()
        .join("\n"),
    );
    let found = report(&cli, &["lint", "jobs.ndjson"], 6);
    let said = notes(&found);
    let first = [
        "error name-invalid Upper",
        "error parent-cycle own",
        "warning forbid-can-stick zone",
        "warning schedule-invalid zone",
    ];
    assert_eq!(said[..4], first, "{found:#}");
    assert_eq!((said.len(), said.last().map(String::as_str)), (65, Some("warning schedule-invalid bad-29")));
    assert_eq!((&found["notes"][1]["line"], &found["summary"]["jobs"]), (&json!(3), &json!(34)));
    // For whoever would write them the others are errors as before.
    let ran =
        cli.run(&["restore", "jobs.ndjson", "--dkron-url", "http://127.0.0.1:1", "--wait-timeout", "1s"]).exits(1);
    let refused: Vec<_> = ran.stderr.lines().filter(|line| line.contains("Dkron refuses")).collect();
    assert!(refused.len() == 2 && refused[0].contains("the name `Upper`") && refused[1].contains("`own`"), "{ran}");
}

#[test]
fn apply_refuses_and_plan_says_so() {
    let server = Server::start();
    let cli = Cli::new().dkron(server.url()).env("JOBS_LOG_LEVEL", "warn").file(
        "jobs-templates/a.yaml",
        "name: a\nschedule: '@yearly'\nconcurrency: forbid\nexecutor_config: {method: GET, url: 'http://x/', expect_code: 200}\n",
    );
    let ran = cli.run(&["apply"]).exits(6);
    assert!(ran.stderr.contains("unknown-executor-key: job `a`") && ran.stderr.contains("`--no-lint`"), "{ran}");
    assert_eq!(server.writes(), Vec::<String>::new());
    // In the log of a container and among the last words it is the same, a line each.
    let args = ["apply", "--log-format", "json", "--termination-log", "last"];
    let ran = cli.run(&args).exits(6);
    let logged: Vec<Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).expect("a record")).collect();
    let [remedy, error] = &logged[..] else { panic!("two records: {ran}") };
    assert_eq!(remedy["message"], "1 error of lint; nothing was written. `--no-lint` writes all the same");
    assert!(error["message"].as_str().is_some_and(|said| said.starts_with("unknown-executor-key: ")), "{ran}");
    let last = fs::read_to_string(cli.path("last")).expect("last words");
    assert!(last.starts_with("1 error of lint; ") && last.contains("unknown-executor-key"), "{last}");
    let refused = cli.run(&["apply", "--output", "json"]).exits(6).json();
    assert!(
        refused["errors"][0].as_str().is_some_and(|said| said.starts_with("unknown-executor-key: ")),
        "{refused:#}"
    );
    let planned = cli.run(&["plan", "--output", "json"]).exits(6).json();
    assert_eq!((&planned["summary"]["created"], &planned["errors"]), (&json!(1), &refused["errors"]));
    let said = planned["warnings"][0].as_str().expect("a warning");
    assert!(said.starts_with("forbid-can-stick: jobs-templates/a.yaml:3:1: job `a`"), "{said}");
    assert_eq!(server.writes(), Vec::<String>::new());
    let _ = cli.run(&["apply", "--no-lint"]).ok();
    assert_eq!(server.names(), ["a"]);
    let _ = cli.run(&["apply", "--allow", "unknown-executor-key"]).ok();
    // A line that is wrong in many jobs is one error of both.
    cli.write(
        "jobs-templates/a.yaml",
        "for_each: \"[1, 2, 3]\"\nname: \"a-{{ item }}\"\nschedule: '@yearly'\nexecutor_config: {method: GET, url: 'http://x/', expect_code: 200}\n",
    );
    let [refused, planned] =
        ["apply", "plan"].map(|verb| cli.run(&[verb, "--output", "json"]).exits(6).json()["errors"].clone());
    assert_eq!((&planned, planned.as_array().map(Vec::len)), (&refused, Some(1)));
}

/// Parents are for the plan to judge, which knows what is live; and somebody else's job may keep a cache.
#[test]
fn apply_knows_that_there_are_other_jobs() {
    let server = Server::start();
    server.put(&json!({"name": "theirs", "schedule": "@yearly", "executor": "shell", "tags": {"server": "true:1"}}));
    let cli = Cli::new()
        .dkron(server.url())
        .file("jobs-templates/data/cache_param.csv", "name,soft_ttl\nprices,60\n")
        .file("jobs-templates/a.yaml", "name: a\nparent_job: theirs\nexecutor: shell\nexecutor_config: {command: x}\n");
    let applied = cli.run(&["apply", "--output", "json"]).ok().json();
    let said = applied["warnings"].to_string();
    assert!(said.contains("cache-without-job") && !said.contains("parent-missing"), "{said}");
    assert_eq!(notes(&report(&cli, &["lint"], 6)), ["error cache-without-job -", "error parent-missing a"]);
}

/// A name, a field or a cache may hold a secret as well as any other text.
#[test]
fn names_are_masked_too() {
    let server = Server::start();
    server.put(&json!({
        "name": "fails-hunter22", "schedule": "@yearly", "executor": "http", "tags": {"server": "true:1"},
        "executor_config": {"method": "GET", "url": "http://x/", "hunter22": "1"}, "metadata": {"cache_param": "c-hunter22"},
    }));
    let cli = Cli::new()
        .dkron(server.url())
        .env("JOBS_VAR_PIN", "hunter22")
        .env("JOBS_TERMINATION_LOG", "last")
        .file("caches.csv", "name,soft_ttl\nc-hunter22,60\n");
    let args = ["lint", "--live", "--secret-var", "pin", "--data", "cache_param=caches.csv", "--html", "page.html"];
    for output in ["text", "json", "sarif"] {
        // It is still known by its own name.
        let ran = cli.run(&[&args[..], &["--only", "fails-hunter22", "--output", output]].concat()).exits(6);
        let [last, page] = ["last", "page.html"].map(|file| fs::read_to_string(cli.path(file)).expect("a file"));
        let shown = [&ran.stdout, &ran.stderr, &last, &page];
        assert!(!shown.iter().any(|text| text.contains("hunter22")), "{ran}{last}");
        assert!(last.starts_with(&format!("lint of {}", server.url())), "{last}");
        if output == "json" {
            let report = ran.json();
            assert_eq!(notes(&report)[0], "error schedule-slower-than-soft-ttl fails-***", "{report:#}");
            assert!(report["notes"].to_string().contains("executor_config.***"), "{report:#}");
            let row = &report["coverage"][0];
            assert_eq!((&row["cache"], &row["jobs"]), (&json!("c-***"), &json!(["fails-***"])));
        }
    }
}

/// Dkron runs a child after its parent, whatever schedule it has itself.
#[test]
fn a_child_is_judged_by_the_schedule_of_its_family() {
    let cli = Cli::new().file("jobs-templates/data/cache_param.csv", "name,soft_ttl\nx,299\n");
    for (first, expected) in [
        ("0 */5 * * * *", "its family's `0 */5 * * * *` leaves up to 5m between two runs"),
        ("@manually", "its family's `@manually` does not come again by itself"),
    ] {
        let config = "executor_config: {method: GET, url: 'http://x/', timeout: 1}";
        cli.write(
            "jobs-templates/a.yaml",
            format!(
                "name: p\nschedule: '{first}'\n{config}\nmetadata: {{dkron-jobs.lint-allow: 'job-without-cache: it prepares'}}\n---\n\
                 name: c\nparent_job: p\nschedule: '* * * * * *'\n{config}\nmetadata: {{cache_param: x}}\n"
            ),
        );
        let found = report(&cli, &["lint"], 6);
        let slow = found["notes"].as_array().expect("a list").iter();
        let slow: Vec<_> = slow.filter(|note| note["rule"] == "schedule-slower-than-soft-ttl").collect();
        let [note] = slow[..] else { panic!("one note: {found:#}") };
        assert!(note["message"].as_str().is_some_and(|said| said.starts_with(expected)), "{note:#}");
    }
}

#[test]
fn secrets_are_in_no_note() {
    let cli = Cli::new()
        .file("secrets/token", "hunter2secret")
        .file("secrets/port", "4711")
        .file(
            "jobs-templates/b.yaml",
            "for_each: \"[1, 2]\"\nname: \"b-{{ item }}\"\nschedule: '@daily'\nexecutor_config: {method: GET, url: \"http://x:{{ vars.port }}/\"}\n",
        )
        .file(
            "jobs-templates/a.yaml",
            "name: a\nschedule: '@daily'\nexecutor_config:\n  method: GET\n  url: \"{{ vars.token }}\"\n  headers: [\"{{ vars.token }}\"]\n  expectCode: \"{{ vars.token }}\"\n  timeout: \"{{ vars.token }}\"\n",
        );
    for output in ["text", "json", "sarif"] {
        let ran = cli.run(&["lint", "--vars-dir", "secrets", "--stampede", "1", "--output", output]).exits(6);
        assert!(!ran.to_string().contains("hunter2") && !ran.stdout.contains("4711"), "{ran}");
        assert!(ran.stdout.contains("one target (its URL is secret)"), "{ran}");
    }
}

/// Whoever reads the report of a machine gets one that says so where nothing could be judged.
#[test]
fn what_could_not_be_judged_is_reported_in_the_form_that_was_asked_for() {
    let broken = "name: \"{{ nothing }}\"\nschedule: '@daily'\nexecutor_config: {method: GET, url: 'http://x/'}\n";
    let cli = Cli::new().file("jobs-templates/broken.yaml", broken);
    for (args, said) in [
        (&["lint"][..], "`nothing` is not defined"),
        (&["lint", "--stampede", "0"], "--stampede: `0` is no number above zero"),
        (&["lint", "--nonsense"], "unexpected argument '--nonsense'"),
        (&["lint", "x.ndjson", "--live"], "one of them only can be looked at"),
    ] {
        let judged = report(&cli, args, 2);
        let errors = judged["errors"].as_array().expect("errors");
        assert!(errors.len() == 1 && errors[0].to_string().contains(said), "{judged:#}");
        assert_eq!((notes(&judged), &judged["summary"]["jobs"]), (vec![], &json!(0)));

        let sarif = cli.run(&[args, &["--output", "sarif"]].concat()).exits(2).json();
        let run = &sarif["runs"][0];
        assert_eq!((&sarif["version"], &run["results"]), (&json!("2.1.0"), &json!([])));
        let invocation = &run["invocations"][0];
        assert_eq!(invocation["executionSuccessful"], false, "{sarif:#}");
        let told = &invocation["toolExecutionNotifications"][0];
        assert_eq!(told["level"], "error");
        assert!(told["message"]["text"].as_str().is_some_and(|text| text.contains(said)), "{sarif:#}");
    }
    assert_eq!(cli.run(&["lint", "--stampede", "0"]).exits(2).stdout, "");
    // A form that a command has not is refused; where there is no choice of forms it is nobody's.
    for (args, forms) in [
        (["lint", "--output", "openmetrics"], "`lint` has the forms `text`, `json` and `sarif`"),
        (["status", "--output", "sarif"], "`status` has the forms `text`, `json` and `openmetrics`"),
    ] {
        let ran = cli.run(&args).exits(2);
        assert!(ran.stderr.contains(forms) && ran.stdout.is_empty(), "{ran}");
    }
    let cli = Cli::new().env("JOBS_OUTPUT", "openmetrics");
    let _ = cli.run(&["render"]).ok();
    for verb in VERBS {
        let env = [("JOBS_OUTPUT".into(), "openmetrics".into())];
        let wrong = settings::resolve(verb, &Flags::new(), env).is_err();
        let has_forms = OPTIONS.iter().any(|option| option.flag == "output" && verb.takes(option));
        assert_eq!(wrong, has_forms && verb.name != "status", "{}", verb.name);
    }
}
