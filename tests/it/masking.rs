//! Secrets do not get out, and that they changed does.

use std::collections::BTreeSet;

use dkron_emulator::{Fault, Rule};
use dkron_jobs::job::{Difference, Job, Owner};
use dkron_jobs::plan::plan;
use dkron_jobs::report::{Masker, Report, Style, shown_url, starred};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::model::{Dkron, default_policy, desired, text};
use crate::rig::{Rig, job};

/// What a change of one field is shown as, by a masker that knows these secrets.
fn shown(secrets: &[&str], field: &str, from: impl Into<Value>, to: impl Into<Value>) -> (Value, Value) {
    shown_of(secrets, &[], field, from, to)
}

fn shown_of(
    secrets: &[&str],
    secret_fields: &[&str],
    field: &str,
    from: impl Into<Value>,
    to: impl Into<Value>,
) -> (Value, Value) {
    let masker = Masker::new(secrets.iter().map(|&secret| secret.to_owned()));
    let secret_fields: BTreeSet<_> = secret_fields.iter().map(|&field| field.to_owned()).collect();
    let change = Difference { field: field.to_owned(), from: from.into(), to: to.into() };
    let mut changes = masker.changes(&[change], &secret_fields);
    let change = changes.pop().expect("one change in, one change out");
    (change.from, change.to)
}

const HEADERS: &str = "executor_config.headers";
const URL: &str = "executor_config.url";
const BODY: &str = "executor_config.body";

#[test]
fn a_field_whose_template_read_a_secret_is_masked_on_both_sides() {
    let both = shown_of(&["new-secret"], &[BODY], BODY, "key=old-secret", "key=new-secret");
    assert_eq!(both, (json!("***"), json!("*** (secret changed)")));
    assert_eq!(shown_of(&[], &[BODY], BODY, Value::Null, "x"), (Value::Null, json!("***")));
    assert_eq!(shown_of(&[], &["schedule"], "schedule", "", "x"), (json!(""), json!("***")));
    assert_eq!(shown_of(&[], &["retries"], "retries", 1, 2), (json!("***"), json!("*** (secret changed)")));
    let whole = shown_of(&[], &["processors.log"], "processors.log", Value::Null, json!({"a": "x", "b": "y"}));
    assert_eq!(whole.1, json!({"a": "***", "b": "***"}));
    let part = shown_of(&[], &["processors.log.a"], "processors.log", Value::Null, json!({"a": 4711, "b": "y"}));
    assert_eq!(part.1, json!({"a": "***", "b": "y"}));
    // A field that only begins like a secret one is another field.
    assert_eq!(shown_of(&[], &[BODY], "executor_config.body2", "a", "b"), (json!("a"), json!("b")));
}

#[test]
fn headers_are_masked_by_name() {
    let list =
        |token: &str, lang: &str| json!([format!("authorization: Bearer {token}"), format!("A: {lang}")]).to_string();
    assert_eq!(
        shown(&[], HEADERS, list("old", "fr"), list("new", "fr")),
        (json!(r#"["authorization: ***","A: fr"]"#), json!(r#"["authorization: ***","A: fr"] (secret changed)"#))
    );
    // Also when something else changed beside it, …
    assert_eq!(
        shown(&[], HEADERS, list("old", "fr"), list("new", "en")).1,
        json!(r#"["authorization: ***","A: en"] (secret changed)"#)
    );
    // … and only then.
    assert_eq!(shown(&[], HEADERS, list("old", "fr"), list("old", "en")).1, json!(r#"["authorization: ***","A: en"]"#));
    for name in ["Cookie", "X-Auth", "X-API-Key", "x_api_key", "X-Amz-Security-Token", "Proxy-Authorization", "X-JWT"] {
        let header = json!([format!("{name}: one:two")]).to_string();
        assert_eq!(shown(&[], HEADERS, Value::Null, header).1, json!(json!([format!("{name}: ***")]).to_string()));
    }
    for name in ["Author", "Accept", "Cache-Key", "X-Compass"] {
        let header = json!([format!("{name}: one")]).to_string();
        assert_eq!(shown(&[], HEADERS, Value::Null, header.as_str()).1, json!(header), "{name} is no secret");
    }
    // What people write by mistake (FACTS 22, 22b).
    for wrong in [r#"{"Authorization": "x"}"#, "Authorization: x", r#"["Authorization x"]"#] {
        let (_, to) = shown(&[], HEADERS, Value::Null, wrong);
        assert!(!to.to_string().contains('x'), "{to}");
    }
}

#[test]
fn urls_are_cut_not_rewritten() {
    for (url, expected) in [
        ("http://cache:8080/a%20b?x=1&y", "http://cache:8080/a%20b?x=1&y"),
        ("http://user:pw@cache/a", "http://***@cache/a"),
        ("http://token@cache/a", "http://***@cache/a"),
        ("http://u:p@ss@cache/a", "http://***@cache/a"),
        ("http://cache/a?x=%7e&access_token=abc&z=+1", "http://cache/a?x=%7e&access_token=***&z=+1"),
        ("http://cache/a?api%5Fkey=abc", "http://cache/a?api%5Fkey=***"),
        ("http://cache/a;jsessionid=abc?x=1#token=def", "http://cache/a;jsessionid=***?x=1#token=***"),
        ("http://u:p/w@cache/a", "***"),
        ("http://cache/a?key=products&token=", "http://cache/a?key=products&token="),
    ] {
        assert_eq!(shown(&[], URL, Value::Null, url).1, json!(expected));
    }
    let url = Url::parse("https://admin:pw@dkron:8443/?sig=abc").expect("it is a URL");
    assert_eq!(shown_url(&url), "https://***@dkron:8443/?sig=***");
    assert_eq!(Masker::default().text("GET http://u:p@h/x: refused"), "GET http://***@h/x: refused");
}

#[test]
fn bodies_and_configurations_are_masked_by_key() {
    let body = r#"{"user":"u","password":"pw","deep":[{"apiKey":12345}],"tokens":null}"#;
    assert_eq!(
        shown(&[], BODY, Value::Null, body).1,
        json!(r#"{"deep":[{"apiKey":"***"}],"password":"***","tokens":null,"user":"u"}"#)
    );
    assert_eq!(shown(&[], BODY, r#"{"a": 1}"#, r#"{"a":1}"#), (json!(r#"{"a": 1}"#), json!(r#"{"a":1}"#)));
    // Only blanks differ, and writing the JSON anew takes them away: that something differs is still said.
    assert_eq!(shown(&[], BODY, r#"{"pwd": "a"}"#, r#"{"pwd":"a"}"#).1, json!(r#"{"pwd":"***"} (changed)"#));
    for field in ["metadata.deploy-token", "executor_config.password", "metadata.vault.secret.path", "processors.x.pwd"]
    {
        assert_eq!(shown(&[], field, "a", "b"), (json!("***"), json!("*** (secret changed)")), "{field}");
    }
    assert_eq!(shown(&[], "metadata.author", "a", "b"), (json!("a"), json!("b")));
    assert_eq!(shown(&[], "owner", "secret", "b"), (json!("secret"), json!("b")), "a field's own name is no key");
}

/// Dkron says of a run what was called, and a proxy what it was asked.
#[test]
fn urls_in_words_are_masked_by_parameter_too() {
    let masker = Masker::default();
    for (words, expected) in [
        ("Post \"http://u:p@h/x?token=abc&y=1\": refused", "Post \"http://***@h/x?token=***&y=1\": refused"),
        (
            "a http://h/?sig=1 b http://h/?to=http://i/?key=2&pwd=3",
            "a http://h/?sig=*** b http://h/?to=http://i/?key=2&pwd=***",
        ),
        ("{\"url\":\"http://h/?token=abc\"}", "{\"url\":\"http://h/?token=***\"}"),
        ("it is token=abc", "it is token=abc"),
    ] {
        assert_eq!(masker.text(words), expected);
    }
}

#[test]
fn a_template_is_shown_without_the_secrets_written_down_in_it() {
    for (line, expected) in [
        ("Authorization: 'Bearer abc', {{ nobody }}", "Authorization: '****** ***', {{ nobody }}"),
        ("Authorization: 'Bearer {{ nobody }}x'", "Authorization: '****** {{ nobody }}*'"),
        ("password: é1 {{ nobody }}", "password: *** {{ nobody }}"),
        (
            "{\"api-key\": \"abc\", \"url\": \"http://u:p@h/?token=abc&a={{ nobody }}\"}",
            "{\"api-key\": \"***\", \"url\": \"http://***@h/?token=***&a={{ nobody }}\"}",
        ),
        (r#"body: '{"password": "abc", "a": "{{ nobody }}"}'"#, r#"body: '{"password": "***", "a": "{{ nobody }}"}'"#),
        ("authors: 'a: {{ nobody }}'", "authors: 'a: {{ nobody }}'"),
    ] {
        assert_eq!(starred(line), expected);
    }
}

/// Characters that JSON, Go's JSON, URLs or forms write otherwise.
const AWKWARD: &str = "p\"a\\s/s<&>%+ é\u{1f511}\t\n'#?=x";

#[test]
fn a_known_value_is_found_in_whatever_encoding() {
    let json_text = |text: &str| serde_json::to_string(text).expect("a string has a JSON form");
    let form: String = form_urlencoded::byte_serialize(AWKWARD.as_bytes()).collect();
    let percent = AWKWARD.bytes().map(|b| format!("%{b:02x}")).collect::<Vec<_>>().concat();
    let go = json_text(AWKWARD).replace('<', "\\u003c").replace('>', "\\u003E").replace('&', "\\u0026");
    let ascii = AWKWARD.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
    let slashes = json_text(AWKWARD).replace('/', "\\/");
    let mut path = Url::parse("http://h/").expect("it is a URL");
    path.path_segments_mut().expect("it has a path").push(AWKWARD);
    for text in [
        AWKWARD.to_owned(),
        json_text(AWKWARD),
        json_text(&json_text(AWKWARD)),
        json_text(&json_text(&json_text(AWKWARD))),
        form.clone(),
        percent.clone(),
        percent.to_uppercase(),
        form_urlencoded::byte_serialize(form.as_bytes()).collect(),
        form_urlencoded::byte_serialize(json_text(AWKWARD).as_bytes()).collect(),
        json_text(&form),
        go.clone(),
        json_text(&go),
        ascii.clone(),
        json_text(&ascii),
        slashes,
    ] {
        let masked = Masker::new([AWKWARD.to_owned()]).text(&format!("before {text} after"));
        // The quotes around it are no part of it.
        let bare = masked.replace("%22", "").replace(['"', '\\'], "");
        assert_eq!(bare, "before *** after", "{text}");
    }
    // A tab and a line break are no part of a URL's path; the rest of the value is encoded as paths are.
    let secret = AWKWARD.replace(['\t', '\n'], "");
    path.path_segments_mut().expect("it has a path").clear().push(&secret);
    assert_eq!(Masker::new([secret]).text(path.as_str()), "http://h/***");
}

#[test]
fn what_is_no_secret_stays() {
    let masker = Masker::new(["hunter22".to_owned(), "short".to_owned()]);
    for text in ["hunter2", "hunter 22", "hunter%2022", "hunter\\u0032 2", "short", "%", "\\", "100%", "\\u00", "%2"] {
        assert_eq!(masker.text(text), text);
    }
}

#[test]
fn overlapping_secrets_leave_nothing_of_each_other() {
    let masker = Masker::new(["abcdefgh".to_owned(), "efghijkl".to_owned(), "cdefgh".to_owned()]);
    assert_eq!(masker.text("[abcdefghijkl]"), "[***]");
    assert_eq!(masker.text("[abcdefgh|efghijkl]"), "[***|***]");
    assert_eq!(Masker::new(["aaaaaa".to_owned()]).text("[aaaaaaaa]"), "[***]");
    // A secret read from a file often ends with a line break.
    assert_eq!(Masker::new(["hunter22\n".to_owned()]).text("hunter22!"), "***!");
    // A secret that is a whole URL goes as a whole.
    let url = "https://hooks/T0/B0?token=x";
    assert_eq!(shown(&[url], URL, Value::Null, url).1, json!("***"));
}

#[test]
fn a_definition_is_masked_in_every_text_of_it() {
    let mut job = Job::new("refresh-hunter22");
    job.displayname = "hunter22".to_owned();
    job.timezone = "hunter22".to_owned();
    job.schedule = "@every hunter22".to_owned();
    job.owner = "hunter22".to_owned();
    job.owner_email = "hunter22@example.com".to_owned();
    job.parent_job = "hunter22".to_owned();
    job.executor = "hunter22".to_owned();
    let definition = &mut *job;
    for map in [&mut definition.tags, &mut definition.metadata, &mut definition.executor_config] {
        map.insert("a".to_owned(), "x hunter22".to_owned());
    }
    job.executor_config.insert("headers".to_owned(), r#"["Authorization: Basic old"]"#.to_owned());
    job.processors.entry("log".to_owned()).or_default().insert("a".to_owned(), "hunter22".to_owned());
    let masker = Masker::new(["hunter22".to_owned()]);
    let json = serde_json::to_string(&masker.job(&job, &BTreeSet::from(["tags".to_owned()]))).expect("it has a form");
    assert!(!json.contains("hunter22") && !json.contains("Basic old"), "{json}");
    assert!(json.contains(r#""tags":{"a":"***"}"#) && json.contains(r#""metadata":{"a":"x ***"}"#), "{json}");
    assert_eq!(format!("{masker:?}"), "Masker(1 values)");
}

/// Variables are also put in names, in owners and in keys of metadata.
#[test]
fn a_report_is_masked_in_every_text_of_it() {
    let mut dkron = Dkron::default();
    let mut job = Job::new("refresh-hunter22");
    job = job.stamped(&Owner::parse("shop/hunter22"), false);
    dkron.put(&job).expect("it has no parent");
    let mut copy = Job::new("copy");
    copy.metadata.insert("a hunter22".to_owned(), "x".to_owned());
    dkron.put(&copy).expect("it has no parent");
    let policy = default_policy("hunter22/main");
    let plan = plan(&desired([job, Job::new("copy")]), &dkron.live, &policy).expect("nothing stands in its way");
    let masker = Masker::new(["hunter22".to_owned()]);
    let report = Report::of_plan("plan", &plan, &policy.owner, &masker);
    let json = serde_json::to_string(&report).expect("a report has a JSON form");
    for shown in [&json, &text(&report, Style { value_width: 80 }), &report.brief(4096)] {
        assert!(!shown.contains("hunter22"), "{shown}");
    }
    for masked in
        [r#""owner":"***/main""#, r#""name":"refresh-***""#, "belongs to shop/***", r#""field":"metadata.a ***""#]
    {
        assert!(json.contains(masked), "{json}");
    }
    assert_eq!(report.warnings.len(), 1);
}

/// Warnings and errors that are no part of a plan: from reading Dkron, from writing to it, and instead of a plan.
#[test]
fn what_is_said_beside_the_plan_is_masked_too() {
    let args = |more: &[&'static str]| [&["apply", "--secret-var", "pin", "--termination-log", "last"], more].concat();
    for output in ["--output=json", "--output=text"] {
        let rig = Rig::new(&["refused"]);
        rig.cli.write("jobs-templates/t.yaml", job("j-hunter22", "1"));
        let rig = Rig { cli: rig.cli.env("JOBS_VAR_PIN", "hunter22"), ..rig };
        let run = |more: &[&'static str], code| {
            let ran = rig.cli.run(&args(&[more, &[output]].concat())).exits(code);
            let last = std::fs::read_to_string(rig.cli.path("last")).expect("last words");
            for text in [&ran.stdout, &ran.stderr, &last] {
                assert!(!text.contains("hunter22"), "{ran}{last}");
            }
            ran
        };
        let post = |fault, job| Rule::new(fault).method("POST").job(job);
        rig.emulator.inject(post(Fault::Swallow, "j-hunter22"));
        let words = "it is not `hunter22`".to_owned();
        rig.emulator.inject(post(Fault::Answer { status: 400, headers: Vec::new(), body: words }, "refused"));
        let ran = run(&[], 1);
        assert!(ran.stdout.contains("did not stand in Dkron (`j-***`); written again"), "{ran}");
        assert!(ran.stdout.contains("it is not `***`"), "{ran}");
        rig.struck();
        rig.change("refused");
        rig.cli.write("jobs-templates/t.yaml", job("j-hunter22", "2"));
        let ran = run(&["--release", "hunter22"], 5);
        let shown = if output == "--output=json" { &ran.stdout } else { &ran.stderr };
        assert!(shown.contains("job `j-***` belongs to `default/dkron-jobs`"), "{ran}");
        if output == "--output=json" {
            assert_eq!(ran.json()["owner"], "default/***", "{ran}");
        }
    }
    let plan = plan(&desired([]), &Dkron::default().live, &default_policy("shop/main")).expect("an empty plan");
    let masker = Masker::new(["hunter22".to_owned()]);
    let mut report = Report::of_plan("plan", &plan, &Owner::parse("shop/main"), &masker);
    report.add_warnings(["read from hunter22".to_owned()]);
    report.add_errors(["gave up on http://u:p@h/hunter22".to_owned()]);
    assert_eq!(
        (&report.warnings[0], &report.errors[0]),
        (&"read from ***".into(), &"gave up on http://***@h/***".into())
    );
}
