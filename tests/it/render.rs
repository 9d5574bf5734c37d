//! Templates to jobs, through the binary: what people write, what Dkron gets, and what they are told when it is wrong.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::cli::{Cli, Ran, repository};

/// Renders one template file, and gives the only job.
#[track_caller]
fn one(template: &str) -> Value {
    let jobs = jobs(&Cli::new().file("jobs-templates/t.yaml", template));
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.into_iter().next().expect("one job")
}

#[track_caller]
fn jobs(cli: &Cli) -> Vec<Value> {
    cli.run(&["render"]).ok().lines()
}

/// Renders a broken template; what it says.
#[track_caller]
fn broken(template: &str) -> String {
    let ran = Cli::new().file("jobs-templates/t.yaml", template).run(&["render"]).exits(2);
    assert_eq!(ran.stdout, "", "{ran}");
    ran.stderr
}

fn names(jobs: &[Value]) -> Vec<&str> {
    jobs.iter().filter_map(|job| job["name"].as_str()).collect()
}

#[test]
fn the_shipped_set_renders_with_no_flag_at_all() {
    let cli = Cli::new().env("JOBS_TEMPLATES", repository().join("jobs-templates"));
    let jobs = jobs(&cli);
    assert_eq!(jobs.len(), 14);
    insta::assert_json_snapshot!("shipped", jobs);
}

#[test]
fn defaults_fill_in_what_the_template_leaves_out() {
    let job = one("name: a\nschedule: '@every 5m'\nexecutor: http\nexecutor_config: {method: GET, url: 'http://x/'}");
    assert_eq!(
        job,
        json!({
            "name": "a",
            "schedule": "@every 5m",
            "executor": "http",
            "executor_config": {"method": "GET", "url": "http://x/", "timeout": "30", "expectCode": "200"},
            "concurrency": "allow",
            "tags": {"server": "true:1"},
        })
    );
}

#[test]
fn null_turns_a_default_off() {
    let job = one("
name: a
schedule: '@every 5m'
executor: http
tags: null
executor_config: {method: GET, url: 'http://x/', timeout: null, expectCode: ~}");
    assert_eq!(job["executor_config"], json!({"method": "GET", "url": "http://x/"}));
    assert_eq!(job.get("tags"), None);
}

#[test]
fn the_default_timeout_is_shorter_than_the_shortest_gap() {
    for (schedule, timeout) in [
        ("@every 5m", "30"),
        ("@every 31s", "30"),
        ("@every 30s", "29"),
        ("@every 5s", "4"),
        ("@every 2s", "1"),
        ("@every 1s", "1"),
        ("0,50 * * * * *", "9"),
        ("@manually", "30"),
    ] {
        let job = one(&format!("name: a\nschedule: '{schedule}'\nexecutor_config: {{url: 'http://x/'}}"));
        assert_eq!(job["executor_config"]["timeout"], timeout, "{schedule}");
    }
}

#[test]
fn shapes_that_people_write_become_shapes_that_dkron_takes() {
    let job = one(r#"
name: a
schedule: "@every 5m"
disabled: "{{ 1 == 1 }}"
retries: "{{ 1 + 1 }}"
executor: http
executor_config:
  method: POST
  url: http://x/
  timeout: 20
  expectCode: 201
  tlsNoVerifyPeer: true
  headers: {X-B: 1, X-A: "two: parts", X-None: null}
  body: {z: 1.10, a: [true, null, "q\"\n", 0x1F], n: !!int "{{ 40 + 2 }}", "k k": {}}
metadata: {ttl: 300, on: true, gone: null, exact: 007}
processors: {log: {forward: true}, files: null}
starts_at: "2026-01-31T09:00:00+01:00"
"#);
    assert_eq!(job["disabled"], true);
    assert_eq!(job["retries"], 2);
    assert_eq!(
        job["executor_config"],
        json!({
            "method": "POST",
            "url": "http://x/",
            "timeout": "20",
            "expectCode": "201",
            "tlsNoVerifyPeer": "true",
            "headers": r#"["X-B: 1","X-A: two: parts"]"#,
            "body": r#"{"z":1.10,"a":[true,null,"q\"\n",31],"n":42,"k k":{}}"#,
        })
    );
    assert_eq!(job["metadata"], json!({"ttl": "300", "on": "true", "exact": "007"}));
    assert_eq!(job["processors"], json!({"log": {"forward": "true"}, "files": {}}));
    assert_eq!(job["starts_at"], "2026-01-31T08:00:00Z");
}

/// Surrogate pairs are put together all over the file before it is read; nothing else may be touched by that.
#[test]
fn only_surrogate_pairs_are_joined() {
    let job = one(r#"
name: a
schedule: "@daily"
displayname: "\ud83d\uDD11 \u00e9"
metadata: {a: 'C:\UDP\udp', b: "\\ud83d\\udd11", c: "\\UD", d: "\\\ud83d\udd11"}"#);
    assert_eq!(job["displayname"], "\u{1f511} é");
    let want = json!({"a": r"C:\UDP\udp", "b": r"\ud83d\udd11", "c": r"\UD", "d": "\\\u{1f511}"});
    assert_eq!(job["metadata"], want);
    // Nor is JSON of variables and YAML tables read in another way.
    let cli = Cli::new()
        .file("vars.json", r#"{"sign": "\ud83d\udd11"}"#)
        .file("jobs-templates/data/t.yaml", r#"[{"name": "a", "sign": "\ud83d\udd11"}]"#)
        .file(
            "jobs-templates/t.yaml",
            "for_each: t\nname: '{{ item.name }}'\nschedule: '@daily'\ndisplayname: '{{ vars.sign }}{{ item.sign }}'",
        );
    let jobs = cli.run(&["render", "--values", "vars.json"]).ok().lines();
    assert_eq!(jobs[0]["displayname"], "\u{1f511}\u{1f511}");
}

/// Variables of the environment are texts, whatever is in them.
#[test]
fn functions_take_numbers_that_are_texts() {
    let cli = Cli::new().env("JOBS_VAR_PORT", "8080").env("JOBS_VAR_EVERY", " 60 ").file(
        "jobs-templates/t.yaml",
        "name: a\nschedule: '{{ stagger(vars.every) }} * * * * *'\nexecutor_config: {url: \"{{ service('x', vars.port) }}{{ service('y', 160 / 2) }}\"}",
    );
    let job = &jobs(&cli)[0];
    let url = "http://x.default.svc.cluster.local:8080http://y.default.svc.cluster.local:80";
    assert_eq!(job["executor_config"]["url"], url, "{job:#}");
    assert_eq!(job["schedule"].as_str().map(|schedule| schedule.ends_with(" * * * * *")), Some(true));
    for (call, said) in [
        ("service('x', '80a')", "the port of service() is a number from 0 to 65535"),
        ("service('x', 65536)", "the port of service() is a number from 0 to 65535"),
        ("service('x', vars.prt)", "is not defined"),
        ("stagger('soon')", "the interval of stagger() is in seconds, above 0"),
        ("stagger('0')", "the interval of stagger() is in seconds, above 0"),
    ] {
        let ran = broken(&format!("name: a\nschedule: '@daily'\ndisplayname: \"{{{{ {call} }}}}\""));
        assert!(ran.contains(said), "{call}: {ran}");
    }
}

#[test]
fn what_dkron_would_refuse_of_a_shell_job() {
    let shell = |timeout: &str| {
        format!(
            "name: a\nschedule: '@daily'\nexecutor_config: {{command: 'true', timeout: {timeout}}}\nexecutor: shell"
        )
    };
    let ran = broken(&shell("30"));
    assert!(ran.contains("the shell executor's `timeout` is no duration") && ran.contains("t.yaml:3:"), "{ran}");
    assert_eq!(one(&shell("1.5h30m"))["executor_config"]["timeout"], "1.5h30m");
    assert_eq!(one(&shell("''"))["executor_config"]["timeout"], "");
}

#[test]
fn tables_whose_names_mean_something_else() {
    let cli = Cli::new()
        .file("jobs-templates/data/range.csv", "name\na\n")
        .file("jobs-templates/t.yaml", "name: a\nschedule: '@daily'\ndisplayname: '{{ range(3) }}'");
    let ran = cli.run(&["render"]).exits(2);
    assert!(ran.stderr.contains("data table `range`: this name means something else in templates"), "{ran}");
    let cli = Cli::new()
        .file("jobs-templates/data/cache-param.csv", "name\na\n")
        .file("jobs-templates/t.yaml", "for_each: cache-param\nname: '{{ item.name }}'\nschedule: '@daily'");
    let ran = cli.run(&["render"]).exits(2);
    assert!(ran.stderr.contains("no template can name this table"), "{ran}");
    let ran = broken("name: a\nschedule: '@daily'\nfor_each: true");
    assert!(ran.contains("`for_each` names no list") && ran.contains("t.yaml:3:11"), "{ran}");
    let ran = broken("name: a\nschedule: '@daily'\ndisplayname: '{{ rnge(3) }}'");
    assert!(ran.contains("did you mean `range()`?"), "{ran}");
}

#[test]
fn no_value_breaks_out_of_its_place() {
    let nasty = "x\", \"y\": {{ namespace }} # '\n- ] }";
    let cli = Cli::new().env("JOBS_VAR_NASTY", nasty).file(
        "jobs-templates/t.yaml",
        "name: a\nschedule: '@every 5m'\nexecutor_config: {url: 'http://x/', body: {v: '{{ vars.nasty }}'}}\nmetadata: {v: '{{ vars.nasty }}'}",
    );
    let jobs = jobs(&cli);
    assert_eq!(jobs[0]["metadata"]["v"], nasty);
    let body: Value = serde_json::from_str(jobs[0]["executor_config"]["body"].as_str().expect("a text")).expect("JSON");
    assert_eq!(body, json!({"v": nasty}));
}

#[test]
fn what_templates_see() {
    let cli = Cli::new()
        .env("JOBS_NAMESPACE", "prod")
        .env("JOBS_RELEASE", "r1")
        .env("JOBS_CLUSTER_DOMAIN", "k8s.test")
        .env("JOBS_VAR_REGION", "env")
        .env("JOBS_VAR_ZONE", "env")
        .env("JOBS_VALUES", "values.yaml")
        .env("SECRET_OF_THE_MACHINE", "x")
        .file("values.yaml", "region: values\nnested: {list: [1, 2]}\nzone: values\n")
        .file(
            "jobs-templates/t.yaml",
            "name: a\nschedule: '@every 5m'\nexecutor_config: {url: \"{{ service('cache-manager', 8080) }}/x\"}
metadata: {v: '{{ namespace }} {{ release }} {{ cluster_domain }} {{ vars.region }} {{ vars.zone }} {{ vars.nested.list[1] }}'}",
        );
    let ran = cli.run(&["render", "--var", "region=flag"]).ok();
    let job = &ran.lines()[0];
    assert_eq!(job["metadata"]["v"], "prod r1 k8s.test flag values 2");
    assert_eq!(job["executor_config"]["url"], "http://cache-manager.prod.svc.k8s.test:8080/x");
    // Nothing else of the environment is to be had.
    cli.write("jobs-templates/t.yaml", "name: '{{ vars.SECRET_OF_THE_MACHINE }}'\nschedule: '@every 5m'");
    let ran = cli.run(&["render"]).exits(2);
    assert!(ran.stderr.contains("`vars.SECRET_OF_THE_MACHINE` is not defined"), "{ran}");
}

#[test]
fn for_each_and_when() {
    let cli = Cli::new().file("jobs-templates/data/t.csv", "name;ttl;on\na;60;true\nb;007;false\nc;;true\n").file(
        "jobs-templates/t.yaml",
        "for_each: t\nwhen: item.on\nname: 'j-{{ item.name }}'\nschedule: '@every 5m'\nmetadata: {ttl: '{{ item.ttl }}'}
---
for_each: t | selectattr('ttl')
when: \"{{ item.name != 'a' }}\"
name: 'k-{{ item.name }}'
schedule: '@every 5m'
metadata: {ttl: '{{ item.ttl }}'}
",
    );
    let jobs = jobs(&cli);
    assert_eq!(names(&jobs), ["j-a", "j-c", "k-b"]);
    assert_eq!(jobs[2]["metadata"]["ttl"], "007");
}

#[test]
fn tables_in_every_form_say_the_same() {
    let template =
        "for_each: t\nname: '{{ item.name }}'\nschedule: '{{ refresh_schedule(item.soft_ttl, item.hard_ttl) }}'";
    let csv = "# a comment\nname,soft_ttl,hard_ttl\n\"a\",300,600\n b , 5m ,\n";
    let json = r#"{"items": [{"name": "a", "softTtl": 300, "hardTtl": 600}, {"name": "b", "softTtl": "5m", "hardTtl": null}]}"#;
    let yaml = "- {name: a, Soft-TTL: 300, hard_ttl: 10m}\n- {name: b, soft_ttl: PT5M, hard_ttl: ''}\n";
    let render = |file: &str, text: &str| {
        let cli =
            Cli::new().file("jobs-templates/t.yaml", template).file(file.split('#').next().expect("a path"), text);
        jobs(&cli.env("JOBS_DATA_T", file))
    };
    let first = render("t.csv", csv);
    insta::assert_json_snapshot!(first.iter().map(|job| &job["schedule"]).collect::<Vec<_>>(), @r#"
    [
      "10 4/5 * * * *",
      "46 1/2 * * * *"
    ]
    "#);
    assert_eq!(render("t.json#/items", json), first);
    assert_eq!(render("t.yaml", yaml), first);
}

#[test]
fn a_later_folder_replaces_files_of_the_same_name() {
    let job = |name: &str| format!("name: {name}\nschedule: '@every 5m'\n");
    let cli = Cli::new()
        .file("one/a.yaml", job("a1"))
        .file("one/sub/b.yaml", job("b1"))
        .file("two/sub/b.yaml", job("b2"))
        .file("two/c.json", r#"[{"name": "c2", "schedule": "@hourly"}, {"name": "d2", "schedule": "@daily", "displayname": "\ud83d\ude00"}]"#)
        .file("two/..data/e.yaml", job("hidden"))
        .file("two/README.md", "no template");
    let ran = cli.run(&["render", "--templates", "one", "--templates", "two"]).ok();
    assert_eq!(names(&ran.lines()), ["a1", "b2", "c2", "d2"]);
    assert_eq!(ran.lines()[3]["displayname"], "\u{1f600}");
}

#[test]
fn parents_come_first_and_follow_the_prefix() {
    let cli = Cli::new().file(
        "jobs-templates/t.yaml",
        "name: a\nparent_job: b\n---\nname: b\nparent_job: c\n---\nname: c\nschedule: '@daily'\n---\nname: aa\nschedule: '@daily'",
    );
    let ran = cli.run(&["render", "--name-prefix", "ns-"]).ok();
    assert_eq!(names(&ran.lines()), ["ns-aa", "ns-c", "ns-b", "ns-a"]);
    assert_eq!(ran.lines()[3]["parent_job"], "ns-b");
}

#[test]
fn anchors_and_merges_work() {
    let jobs = jobs(&Cli::new().file(
        "jobs-templates/t.yaml",
        "- &base\n  name: a\n  schedule: '@daily'\n  metadata: {x: '1'}\n- {<<: *base, name: b}\n",
    ));
    assert_eq!(names(&jobs), ["a", "b"]);
    assert_eq!(jobs[1]["metadata"]["x"], "1");
}

#[test]
fn secrets_are_masked_unless_asked_for() {
    let cli = Cli::new().file("vars/token", "s3cr3t-value\n").file(
        "jobs-templates/t.yaml",
        "name: a\nschedule: '@daily'\nexecutor_config: {url: 'http://x/', headers: {X-Key: '{{ vars.token }}'}, body: {k: '{{ vars.token }}'}}",
    );
    let ran = cli.run(&["render", "--vars-dir", "vars"]).ok();
    assert!(!ran.to_string().contains("s3cr3t"), "{ran}");
    assert_eq!(ran.lines()[0]["executor_config"]["body"], "***");
    let ran = cli.run(&["render", "--vars-dir", "vars", "--show-secrets"]).ok();
    assert_eq!(ran.lines()[0]["executor_config"]["headers"], r#"["X-Key: s3cr3t-value"]"#);
    cli.write("jobs-templates/t.yaml", "name: 'a-{{ vars.token }}'\nschedule: '@daily'");
    let ran = cli.run(&["render", "--vars-dir", "vars"]).exits(2);
    assert!(ran.stderr.contains("cannot be masked") && !ran.stderr.contains("s3cr3t"), "{ran}");
}

#[test]
fn formats_agree() {
    let template = "name: a\nschedule: '@daily'\nmetadata: {'1': 'yes', b: \"two\\nlines: {{ '{{' }}\"}";
    let cli = Cli::new().file("jobs-templates/t.yaml", template);
    let ndjson = cli.run(&["render"]).ok().lines();
    assert_eq!(cli.run(&["render", "--format", "json"]).ok().json(), Value::from(ndjson));
    insta::assert_snapshot!(cli.run(&["render", "--format", "yaml"]).ok().stdout, @r#"
    ---
    name: a
    concurrency: allow
    metadata:
      "1": "yes"
      b: "two\nlines: {{"
    schedule: "@daily"
    tags:
      server: "true:1"
    "#);
}

#[test]
fn every_problem_is_said_in_one_run() {
    let cli = Cli::new()
        .env("JOBS_VAR_REGION", "eu")
        .file("jobs-templates/data/cache_param.csv", "name,soft_ttl\nalarms,60\ndevices,600\n")
        .file("jobs-templates/a.yaml", include_str!("../cases/render/broken.yaml"))
        .file("jobs-templates/b.yaml", "name: x\n schedule: b\n");
    insta::assert_snapshot!("broken", cli.run(&["render"]).exits(2));
}

#[test]
fn problems_are_one_log_line_each_for_collectors() {
    let cli = Cli::new().file("jobs-templates/t.yaml", "name: a\nschedule: '{{ nope }}'\n");
    let ran = cli.run(&["render", "--log-format", "json"]).exits(2);
    let mut line: Value = serde_json::from_str(ran.stderr.lines().next().expect("a line")).expect("JSON");
    line["timestamp"] = Value::Null;
    insta::assert_json_snapshot!(line, @r#"
    {
      "column": 15,
      "file": "jobs-templates/t.yaml",
      "level": "ERROR",
      "line": 2,
      "message": "jobs-templates/t.yaml:2:15: `nope` is not defined; templates see `namespace`, `release`, `cluster_domain`, `vars`, `item`",
      "remedy": "templates see `namespace`, `release`, `cluster_domain`, `vars`, `item`",
      "snippet": "schedule: '{{ nope }}'",
      "timestamp": null
    }
    "#);
}

#[test]
fn the_schema_for_editors_knows_the_templates() {
    let schema = include_str!("../../schemas/template.schema.json");
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    // Every field of a job, and nothing else, is in it.
    let known: Vec<_> = schema["$defs"]["job"]["properties"].as_object().expect("properties").keys().cloned().collect();
    let mut fields: Vec<_> = dkron_jobs::job::FIELDS.iter().map(|&field| field.to_owned()).collect();
    fields.extend(["for_each".to_owned(), "when".to_owned()]);
    fields.sort();
    let mut sorted = known;
    sorted.sort();
    assert_eq!(sorted, fields);
    // What is rendered has the shape of a template, too.
    let cli = Cli::new().env("JOBS_TEMPLATES", repository().join("jobs-templates"));
    for job in jobs(&cli) {
        assert!(validator.is_valid(&job), "{job}");
    }
    let minimal = json!({"name": "a", "schedule": "@daily"});
    assert!(validator.is_valid(&minimal) && validator.is_valid(&json!([minimal])));
    for (key, value) in [
        ("shedule", json!("x")),
        ("retries", json!(-1)),
        ("tags", json!("x")),
        ("executor_config", json!({"expect_code": "200"})),
        ("concurrency", json!("never")),
        ("status", json!("success")),
    ] {
        let mut broken = json!({"name": "a", "schedule": "@daily", "executor": "http"});
        broken[key] = value;
        assert!(!validator.is_valid(&broken), "{broken}");
    }
    assert!(!validator.is_valid(&json!({"schedule": "@daily"})), "a name is needed");
}

#[test]
fn bad_tables_are_named() {
    let template = "for_each: t\nname: '{{ item.name }}'\nschedule: '@daily'";
    let mut said = String::new();
    for (file, text) in [
        ("t.csv", "name,ttl\na,1\nb\n"),
        ("t.csv", "name,ttl\n"),
        ("t.csv", "name,name\na,b\n"),
        ("t.csv", "name,\na,b\n"),
        ("t.json", "[{\"name\": \"a\"},\n oops]"),
        ("t.json", "{\"items\": [], \"total\": 0}"),
        ("t.json#/rows", "{\"items\": []}"),
        ("t.json", "[1]"),
        ("t.yaml", "- name: a\n- name: [\n"),
        ("t.txt", "a"),
        ("t.csv", "name,x\nn\u{0}\u{7f},\"\n"),
    ] {
        let path = file.split('#').next().expect("a path");
        let cli = Cli::new().file("jobs-templates/t.yaml", template).file(path, text);
        let ran: Ran = cli.run(&["render", "--data", &format!("t={file}")]).exits(2);
        said.push_str(&ran.stderr);
    }
    let missing = Cli::new().file("jobs-templates/t.yaml", template).run(&["render", "--data", "t=nope.csv"]).exits(2);
    said.push_str(&missing.stderr);
    insta::assert_snapshot!("bad_tables", said);
}

#[test]
fn nulls_and_texts_that_say_no_are_not_taken_for_something_else() {
    let cli = Cli::new()
        .file("jobs-templates/data/t.json", r#"[{"name": "a", "hard": null, "on": "false"}]"#)
        .file("jobs-templates/t.yaml", "for_each: t\nwhen: item.on\nname: '{{ item.name }}'\nschedule: '@daily'");
    assert_eq!(jobs(&cli).len(), 0);
    let cli = Cli::new()
        .file("jobs-templates/data/t.json", r#"[{"name": "a", "hard": null}]"#)
        .file("jobs-templates/t.yaml", "for_each: t\nname: '{{ item.name }}-{{ item.hard }}'\nschedule: '@daily'");
    let ran = cli.run(&["render"]).exits(2);
    assert!(ran.stderr.contains("a null has no text"), "{ran}");
}

/// The engine takes an undefined argument for one that is left out where it may be left out.
#[test]
fn a_misspelt_column_is_found_in_each_argument() {
    let table = "name,soft_ttl,hard_ttl\na,300,600\nb,ten minutes,600\n";
    for (call, part, near, is_both) in [
        ("refresh_schedule(item.soft_ttl, item.hard_tll)", "item.hard_tll", "item.hard_ttl", true),
        ("refresh_schedule(item.sof_ttl, item.hard_ttl)", "item.sof_ttl", "item.soft_ttl", false),
        ("service(item.nme, 8080)", "item.nme", "item.name", false),
    ] {
        let cli = Cli::new().file("jobs-templates/data/t.csv", table).file(
            "jobs-templates/a.yaml",
            format!("for_each: t\nname: '{{{{ item.name }}}}'\nschedule: '{{{{ {call} }}}}'\n"),
        );
        let said = cli.run(&["render"]).exits(2).stderr;
        assert!(said.contains(&format!("`{part}` is not defined (in row 1, `a`)")), "{said}");
        assert!(said.contains(&format!("did you mean `{near}`?")), "{said}");
        // What is to be mended otherwise is said too, though it stands in the same place.
        assert_eq!(said.contains("`ten minutes` is no duration"), is_both, "{said}");
    }
}

#[test]
fn refresh_schedule_belongs_to_utc() {
    let job = one("name: a\nschedule: '{{ refresh_schedule(7200) }}'");
    assert_eq!((&job["timezone"], &job["schedule"]), (&json!("UTC"), &json!("10 4 * * * *")));
    let said = broken("name: a\nschedule: '{{ refresh_schedule(7200) }}'\ntimezone: Europe/Paris");
    assert!(said.contains("counts in UTC"), "{said}");
    let said = broken("name: a\nschedule: '{{ refresh_schedule(1) }}'");
    insta::assert_snapshot!(said);
    let said = broken("name: 'a-{{ stagger(60) }}'\nschedule: '@daily'");
    assert!(said.contains("the name itself cannot use it"), "{said}");
}

#[test]
fn a_hostile_file_is_refused() {
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]
g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f]\n";
    assert!(broken(bomb).contains("values in one file"));
    let deep = format!("metadata: {}", "[".repeat(5000));
    insta::assert_snapshot!(broken(&deep).lines().next().expect("a line"));
    // Each of them is flat enough, and they stand in each other.
    let mut aliases = format!("- &a0 {}{}\n", "[".repeat(30), "]".repeat(30));
    for level in 1..400 {
        let (open, close) = ("[".repeat(30), "]".repeat(30));
        writeln!(aliases, "- &a{level} {open}*a{}{close}", level - 1).expect("a string");
    }
    let ran = broken(&aliases);
    assert!(ran.contains("more than 64 levels of lists and maps"), "{ran}");
}

#[test]
fn rows_of_a_secret_list_are_secret() {
    let cli = Cli::new().file("values.yaml", "list: [{n: 1, p: Qz9X}, {n: 2, p: hunter2secret}]");
    cli.write(
        "jobs-templates/t.yaml",
        "for_each: vars.list[:1]\nname: j\nschedule: '@daily'\nexecutor_config: {url: 'http://x/', body: '{{ item.p }}'}",
    );
    let args = ["render", "--values", "values.yaml", "--secret-var", "list"];
    let ran = cli.run(&args).ok();
    assert_eq!(ran.lines()[0]["executor_config"]["body"], "***");
    cli.write("jobs-templates/t.yaml", "for_each: vars.list\nname: 'j-{{ item.p }}'\nschedule: '@daily'");
    let ran = cli.run(&args).exits(2);
    assert!(!ran.stderr.contains("Qz9X") && !ran.stderr.contains("hunter2"), "{ran}");
    let schedule = "for_each: vars.list\nname: 'j-{{ item.n }}'\nschedule: '{{ refresh_schedule(item.p) }}'";
    cli.write("jobs-templates/t.yaml", schedule);
    let ran = cli.run(&args).exits(2);
    assert!(ran.stderr.contains("this cannot be done with a secret's value"), "{ran}");
    assert!(!ran.to_string().contains("Qz9X"), "{ran}");
}

#[test]
fn a_secret_of_any_length_is_in_no_message() {
    for leaf in [
        "schedule: '{{ vars.pin }}'",
        "schedule: '@daily'\nretries: '{{ vars.pin }}'",
        "schedule: '@daily'\ndisabled: '{{ vars.pin }}'",
        "schedule: '@daily'\nstarts_at: '{{ vars.pin }}'",
        "schedule: '@daily'\nconcurrency: '{{ vars.pin }}'",
        "schedule: '{{ refresh_schedule(vars.pin) }}'",
        "schedule: '@daily'\nwhen: vars.pin",
    ] {
        let cli = Cli::new().file("jobs-templates/t.yaml", format!("name: a\n{leaf}\n"));
        let ran = cli.run(&["render", "--var", "pin=Qz9X", "--secret-var", "pin"]).exits(2);
        assert!(!ran.to_string().contains("Qz9X"), "{leaf}: {ran}");
    }
    let cli = Cli::new().file("values.yaml", "k: hunter2secret\npass: \"hunter3secret\n");
    let ran = cli.run(&["render", "--values", "values.yaml"]).exits(2);
    assert!(!ran.to_string().contains("hunter"), "{ran}");
    let ran = cli.run(&["render", "--data", "t=htp://u:hunter2@h/x?token=hunter3secret"]).exits(2);
    assert!(!ran.to_string().contains("hunter"), "{ran}");
    let ran = cli.run(&["plan", "--dkron-url", "http://u:hunter2secret@h/?x"]).exits(2);
    assert!(!ran.to_string().contains("hunter"), "{ran}");
}

#[test]
fn tables_from_spreadsheets() {
    let cli = Cli::new()
        .file("jobs-templates/data/t.csv", "# a comment\n\nname;on\n#1;TRUE\nb;FALSE\nc;True\n")
        .file(
            "jobs-templates/t.yaml",
            "for_each: t\nwhen: item.on and item.name != 'zz'\nname: \"j{{ item.name | replace('#', '-') }}\"\nschedule: '@daily'",
        );
    assert_eq!(names(&jobs(&cli)), ["j-1", "jc"]);
}

#[test]
fn what_has_no_end_or_no_namespace_is_refused() {
    let endless = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}";
    let ran = broken(&format!("name: a\nschedule: '@daily'\nmetadata: {{a: \"{endless}\"}}"));
    assert!(ran.contains("fuel"), "{ran}");
    let ran = Cli::new().run(&["render", "--namespace="]).exits(2);
    assert!(ran.stderr.contains("--namespace: it is empty"), "{ran}");
}
