//! Texts of others: secrets in the shapes in which people write them, and characters that a terminal would obey.

use dkron_emulator::{Emulator, Fault, Options};
use serde_json::{Value, json};

use crate::cli::{Cli, Ran};

/// A secret that stands in a job in plain text, in each shape.
const SECRET: &str = "Xk29dkQmz7";

/// A configuration for each shape.
fn shapes() -> Vec<(&'static str, Value)> {
    let shell = |command: &str| json!({ "command": command.replace("SECRET", SECRET) });
    let body =
        |body: &str| json!({ "method": "POST", "url": "http://svc:8080/run", "body": body.replace("SECRET", SECRET) });
    vec![
        ("colon", shell("/opt/etl/run.sh -job:load -user:admin -pass:SECRET >> /var/log/etl.log 2>&1")),
        ("assignment", shell("PGPASSWORD=SECRET psql -h db -c 'select 1'")),
        ("quoted", shell("export DB_PASSWORD='SECRET with blanks SECRET'")),
        ("env", json!({ "command": "run.sh", "env": format!("MODE=full,DB_PASSWORD={SECRET}") })),
        ("flag", shell("mysql --password SECRET --host db")),
        ("flag-equals", shell("mysql --password=SECRET --host db")),
        ("user-flag", shell("curl -u admin:SECRET http://svc:8080/run")),
        ("header", shell("curl -H 'Authorization: Bearer SECRET' http://svc:8080/run")),
        ("json-in-command", shell(r#"curl -d '{"api_key": "SECRET", "n": 1}' http://svc:8080/run"#)),
        ("xml", body("<login><user>a</user><password>SECRET</password></login>")),
        ("xml-attribute", body("<db user=\"a\" password=\"SECRET\"/>")),
        ("form", body("user=a&password=SECRET")),
        ("json", body(r#"{"api_key":"SECRET","n":1}"#)),
        ("nested-json", body(r#"{"payload":"{\"auth\":{\"token\":\"SECRET\"}}"}"#)),
        ("json-after-text", body(r#"node1: {"secret": ["SECRET", {"a": "SECRET"}]} done"#)),
        ("yaml", body("a: 1\npassword: SECRET\nb: 2")),
        (
            "headers",
            json!({ "method": "GET", "url": "http://svc/", "headers": format!("[\"Authorization:Basic {SECRET}\"]") }),
        ),
        ("parameter", json!({ "method": "GET", "url": format!("http://svc/run?token={SECRET}") })),
        ("user-of-url", json!({ "method": "GET", "url": format!("http://a:{SECRET}@svc/run") })),
    ]
}

fn everything(ran: &Ran) -> String {
    format!("{}\n{}", ran.stdout, ran.stderr)
}

#[test]
fn a_secret_beside_a_name_is_in_no_output_and_lint_finds_it() {
    let emulator = Emulator::start(Options::new()).expect("an emulator");
    let mut cli = Cli::new().dkron(&emulator.url());
    for (name, config) in shapes() {
        let executor = if config.get("command").is_some() { "shell" } else { "http" };
        let job = |config: &Value| json!({ "name": name, "schedule": "@every 1h", "executor": executor, "executor_config": config, "tags": { "server": "true:1" } });
        cli = cli.file(&format!("jobs-templates/{name}.yaml"), job(&config).to_string());
        // What is live has another secret in the same place.
        let live = job(&config).to_string().replace(SECRET, &SECRET.replace('7', "8"));
        emulator.put(&serde_json::from_str(&live).expect("JSON")).expect("a job that Dkron takes");
    }
    for args in [
        &["plan"][..],
        &["plan", "--output", "json"],
        &["lint"],
        &["lint", "--output", "sarif"],
        &["lint", "--output", "json", "--html", "page.html"],
        &["lint", "--live"],
        &["render"],
        &["render", "--format", "yaml"],
        &["status", "--output", "json"],
        &["apply", "--output", "json"],
    ] {
        let ran = cli.run(args);
        assert!(matches!(ran.code, Some(0 | 3 | 7)), "{args:?}: {ran}");
        assert!(!everything(&ran).contains("Xk29dkQmz"), "{args:?}: {ran}");
    }
    let page = std::fs::read_to_string(cli.path("page.html")).expect("the page");
    assert!(!page.contains("Xk29dkQmz"), "the page shows a secret");
    let lint = cli.run(&["lint", "--output", "json"]).json();
    let notes = lint["notes"].as_array().expect("notes").iter();
    let found: Vec<_> = notes.filter(|note| note["rule"] == "plain-secret").map(|note| &note["job"]).collect();
    for (name, _) in shapes() {
        assert!(found.iter().any(|job| *job == name), "lint does not find `{name}`: {found:?}");
    }
    // What is written is the real thing.
    let written = emulator.job("form").expect("a job");
    assert_eq!(written["executor_config"]["body"], format!("user=a&password={SECRET}"));
}

#[test]
fn what_a_template_made_of_a_secret_is_in_no_output() {
    let emulator = Emulator::start(Options::new()).expect("an emulator");
    let template = "name: a\nschedule: '@every 1h'\nexecutor: http\nexecutor_config: {method: GET, url: 'http://x/'}\n\
                    displayname: '{{ vars.word | upper }}'\nowner: '{{ vars.word | replace(\"a\", \"4\") }}'\n\
                    metadata: {cache_param: '{{ vars.word | upper }}-cache', other: '{{ vars.word[2:] }}'}";
    let cli = Cli::new()
        .dkron(&emulator.url())
        .file("vars/word", "paraphernalia")
        .env("JOBS_VARS_DIR", "vars")
        .file("jobs-templates/a.yaml", template)
        .file("cache.csv", "name,soft_ttl,hard_ttl\nother,60,120\n")
        .env("JOBS_DATA_CACHE_PARAM", "cache.csv");
    for args in [
        &["lint"][..],
        &["lint", "--output", "json"],
        &["plan", "--output", "json"],
        &["apply"],
        &["status"],
        &["status", "--output", "json"],
        &["status", "--output", "openmetrics"],
    ] {
        let told = everything(&cli.run(args));
        for part in ["PARAPHERNALIA", "p4r4ph", "raphernalia"] {
            assert!(!told.contains(part), "{args:?} tells {part}:\n{told}");
        }
    }
    let written = emulator.job("a").expect("a job");
    assert_eq!(written["displayname"], "PARAPHERNALIA");
}

/// What a terminal would obey, or a reader would not see.
const PAYLOADS: [&str; 20] = [
    "\u{1b}[2J",
    "\u{1b}[31m",
    "\u{1b}]0;title\u{7}",
    "\u{1b}]8;;http://x\u{1b}\\",
    "\u{1b}[1A\u{1b}[K",
    "\u{9b}31m",
    "\u{7f}",
    "\u{8}\u{8}\u{8}",
    "\r",
    "\u{0b}",
    "\u{0c}",
    "\u{85}",
    "\u{202e}",
    "\u{202a}",
    "\u{2066}",
    "\u{2069}",
    "\u{200e}",
    "\u{200f}",
    "\u{2028}",
    "\u{61c}",
];

/// The first character of an output that must not be in it as it is.
#[track_caller]
fn is_visible(what: &str, text: &str) {
    let raw = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found = text.find(raw);
    assert_eq!(found.map(|at| text[at..].chars().take(20).collect::<String>()), None, "{what}:\n{text:?}");
}

#[test]
fn no_control_character_of_others_is_in_any_output() {
    let emulator = Emulator::start(Options::new()).expect("an emulator");
    let all = PAYLOADS.concat();
    for (number, payload) in PAYLOADS.into_iter().enumerate() {
        let text = format!("a{payload}b");
        emulator
            .put(&json!({
                "name": format!("job-{number:02}"), "displayname": text, "owner": text, "owner_email": text,
                "schedule": "@every 1h", "executor": "shell", "executor_config": { "command": text, text.as_str(): text },
                "tags": { text.as_str(): text },
                "metadata": {
                    text.as_str(): text, "cache_param": text, "dkron-jobs.owner": format!("o{payload}/x"),
                    "dkron-jobs.job": format!("job-{number:02}"), "dkron-jobs.digest": text,
                },
            }))
            .expect("a job that Dkron takes");
    }
    let template = |number: usize| {
        format!("name: job-{number:02}\nschedule: '@every 2h'\nexecutor: shell\nexecutor_config: {{command: x}}\n")
    };
    let templates: Vec<_> = (0..PAYLOADS.len()).map(template).collect();
    let lines: Vec<_> = emulator.jobs().iter().map(ToString::to_string).collect();
    let file = lines.join("\n");
    let cli = Cli::new()
        .dkron(&emulator.url())
        .env("JOBS_TERMINATION_LOG", "last-words")
        .file("jobs-templates/all.yaml", templates.join("---\n"))
        .file("jobs.ndjson", &file)
        .file("broken.ndjson", format!("{{\"name\": {}, \"schedule\": 1}}\n", json!(all)));
    let look = |args: &[&str]| {
        for format in ["plain", "json"] {
            let ran = cli.run(&[args, &["--log-format", format]].concat());
            is_visible(&format!("{args:?}, standard output, exit {:?}", ran.code), &ran.stdout);
            is_visible(&format!("{args:?}, standard error, exit {:?}", ran.code), &ran.stderr);
            if let Ok(last) = std::fs::read_to_string(cli.path("last-words")) {
                is_visible(&format!("{args:?}, last words"), &last);
            }
        }
    };
    for args in [
        &["plan"][..],
        &["plan", "--output", "json"],
        &["plan", "--take-ownership"],
        &["plan", "--take-ownership", "--output", "json"],
        &["status"],
        &["status", "--output", "json"],
        &["status", "--output", "openmetrics"],
        &["lint", "--live"],
        &["lint", "--live", "--output", "json"],
        &["lint", "--live", "--output", "sarif"],
        &["lint", "jobs.ndjson"],
        &["check"],
        &["clone", "--from-namespace", "x", "--to-namespace", "y", "jobs.ndjson"],
        &["clone", "--from-namespace", "x", "--to-namespace", "y", "--from-url", &emulator.url()],
        &["restore", "jobs.ndjson"],
        &["restore", "broken.ndjson"],
        &["import", "jobs.ndjson", "--to", "imported"],
    ] {
        look(args);
    }
    // A server that answers with them.
    for args in [
        &["wait", "--wait-timeout", "300ms"][..],
        &["restore", "jobs.ndjson", "--wait-timeout", "300ms"],
        &["clone", "--from-namespace", "x", "--to-namespace", "y", "jobs.ndjson", "--wait-timeout", "300ms"],
        &["plan", "--wait-timeout", "300ms", "--output", "json"],
    ] {
        emulator.clear_faults();
        for _ in 0..400 {
            emulator.inject(Fault::Answer { status: 500, headers: Vec::new(), body: all.clone() });
        }
        look(args);
    }
    emulator.clear_faults();
    // A data table that is none.
    for _ in 0..400 {
        emulator.inject(Fault::Answer { status: 200, headers: Vec::new(), body: all.clone() });
    }
    look(&["render", "--data", &format!("rows={}", emulator.url()), "--data-timeout", "300ms"]);
}
