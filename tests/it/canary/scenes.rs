//! Every command, well and badly, with canaries everywhere.

use std::thread;
use std::time::Duration;

use dkron_emulator::{Emulator, Options};
use serde_json::{Value, json};

use crate::cli::Cli;

use super::Searched;
use super::places::canary;
use super::servers::Listening;

/// One run.
pub(super) struct Scene {
    pub(super) name: &'static str,
    args: Vec<String>,
    pub(super) codes: &'static [i32],
}

impl Scene {
    fn new(name: &'static str, codes: &'static [i32], more: &[&str]) -> Self {
        let args = name.split(' ').chain(more.iter().copied()).map(str::to_owned).collect();
        Self { name, args, codes }
    }

    /// The same under a name that is no command.
    fn called(name: &'static str, codes: &'static [i32], args: &[&str]) -> Self {
        Self { name, args: args.iter().map(|arg| (*arg).to_owned()).collect(), codes }
    }

    pub(super) fn args(&self) -> Vec<&str> {
        self.args.iter().map(String::as_str).collect()
    }
}

/// A job with secrets of every kind.
fn job(name: &str, header: &str, url: &str, body: &str, metadata: &str) -> Value {
    json!({
        "name": name, "schedule": "@yearly", "executor": "http", "tags": {"server": "true:1"},
        "executor_config": {
            "method": "POST", "url": url, "expectCode": "200",
            "headers": json!([format!("Authorization: Bearer {header}"), "X-A: b"]).to_string(),
            "body": json!({"password": body, "scope": "all"}).to_string(),
        },
        "metadata": {"deploy-token": metadata, "team": "shop"},
    })
}

fn template() -> Value {
    let url = format!(
        "http://user:{}@127.0.0.1:9/x?token={}",
        canary("user in a template's URL"),
        canary("token in a template's URL")
    );
    job(
        "literal",
        &canary("header in a template"),
        &url,
        &canary("password in a template's body"),
        &canary("metadata of a template"),
    )
}

fn live() -> Value {
    let url = format!("http://127.0.0.1:9/y?access_token={}", canary("token in a live job's URL"));
    let (header, body) = (canary("header of a live job"), canary("password in a live job's body"));
    job("by-hand", &header, &url, &body, &canary("metadata of a live job"))
}

/// What only variables say; the same job with another secret is what Dkron holds before.
fn from_variables(pin: &str) -> Value {
    json!({
        "name": "variables", "displayname": format!("pin {pin}"), "schedule": "@yearly", "executor": "http",
        "tags": {"server": "true:1"},
        "executor_config": {
            "method": "POST", "url": format!("http://127.0.0.1:9/{pin}"), "body": format!("a {pin} b"), "expectCode": "200",
            "headers": "[\"X-Any: {{ vars.filed }}\", \"X-Flag: {{ vars.flagged }}\"]",
        },
        "metadata": {"note": "{{ vars.valued }}"},
    })
}

fn drifted(header: &str) -> Value {
    job("drifted", header, "http://127.0.0.1:9/z", "plain", "plain")
}

/// The files and the environment of one who keeps secrets everywhere.
fn cli(format: &str) -> Cli {
    let header = format!("X-Api-Key: {}\nX-Proxy-Note: {}", canary("header"), canary("header of any name"));
    Cli::new()
        .env("JOBS_LOG_FORMAT", format)
        .env("JOBS_LOG_LEVEL", "debug")
        .env("JOBS_TERMINATION_LOG", "last-words")
        .env("DKRON_WAIT_TIMEOUT", "1s")
        .env("DKRON_REQUEST_TIMEOUT", "500ms")
        .env("DKRON_HEADERS", header)
        .env("JOBS_BACKUPS", "backups")
        .env("JOBS_VAR_PIN", canary("secret variable"))
        .env("JOBS_SECRET_VARS", "pin\nvalued\nflagged")
        .env("JOBS_VARS_DIR", "vars")
        .env("JOBS_VALUES", "values.yaml")
        .env("AWS_SECRET_ACCESS_KEY", canary("AWS_SECRET_ACCESS_KEY"))
        .env("AWS_SESSION_TOKEN", canary("AWS_SESSION_TOKEN"))
        .env("AWS_ACCESS_KEY_ID", "nobody")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ALLOW_HTTP", "true")
        .env("AZURE_STORAGE_ACCOUNT_NAME", "nobody")
        .env("AZURE_STORAGE_ACCOUNT_KEY", canary("AZURE_STORAGE_ACCOUNT_KEY"))
        .env("GOOGLE_SERVICE_ACCOUNT_KEY", format!("{{\"private_key\": \"{}\"}}", canary("GOOGLE_SERVICE_ACCOUNT_KEY")))
        .env("SOME_PASSWORD", canary("variable of the environment"))
        .env("HTTP_PROXY", format!("http://user:{}@127.0.0.1:9", canary("proxy of the environment")))
        .env("ALL_PROXY", format!("http://user:{}@127.0.0.1:9", canary("proxy of the environment")))
        .file("vars/filed", canary("file of --vars-dir"))
        .file("values.yaml", format!("valued: {}\n", canary("values file")))
        .file("basic.txt", format!("user:{}\n", canary("basic-auth file")))
        .file("bearer.txt", canary("bearer token"))
        .file("key.pem", format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", canary("client key")))
        .file("jobs-templates/literal.json", template().to_string())
        .file("jobs-templates/variables.json", from_variables("{{ vars.pin }}").to_string())
        .file("jobs-templates/drifted.json", drifted("new").to_string())
        .file(
            "saved.ndjson",
            job("saved", &canary("header in a file of jobs"), "http://a.old.svc.cluster.local/", "b", "c").to_string(),
        )
}

/// Runs everything once, with logs of this form.
pub(super) fn run(format: &str, searched: &mut Searched) {
    let emulator = Emulator::start(Options::new()).expect("an emulator");
    let dkron = Listening::before(&emulator.url());
    let data = Listening::saying(200, Some("[{\"name\": \"more\"}]"));
    let url = format!("http://user:{}@{}", canary("password of DKRON_URL"), dkron.at);
    let table = format!(
        "http://user:{}@{}/rows?token={}",
        canary("password of a data URL"),
        data.at,
        canary("token of a data URL")
    );
    let cli = cli(format)
        .env("DKRON_URL", &url)
        .env("DKRON_BEARER_TOKEN_FILE", "bearer.txt")
        .env("JOBS_DATA_MORE", &table)
        .file(
            "jobs-templates/more.yaml",
            "for_each: more\nname: '{{ item.name }}'\nschedule: '@yearly'\nexecutor: shell\n",
        );
    emulator.put(&live()).expect("a job");
    // What the templates and variables were before, and with a token where a URL has no user.
    let flagged = format!("flagged={}", canary("--var"));
    let first = self::cli(format)
        .env("DKRON_URL", format!("http://{}", dkron.at))
        .env("DKRON_BEARER_TOKEN_FILE", "bearer.txt")
        .env("JOBS_VAR_PIN", canary("old secret variable in a job of ours"))
        .file("jobs-templates/drifted.json", drifted(&canary("old header of a job of ours")).to_string());
    searched.scene(&first, &Scene::called("the first apply", &[0], &["apply", "--var", &flagged]));
    // A user in the URL would be sent in place of it.
    let basic =
        self::cli(format).env("DKRON_URL", format!("http://{}", dkron.at)).env("DKRON_BASIC_AUTH_FILE", "basic.txt");
    searched.scene(&basic, &Scene::new("wait", &[0], &[]));
    let header = format!("X-Session: {}", canary("--header"));
    let with = ["--header", &header];
    let var = ["--var", flagged.as_str()];
    let reading: &[(&'static str, &[i32], &[&str])] = &[
        ("--help", &[0], &[]),
        ("--version", &[0], &[]),
        ("apply --help", &[0], &[]),
        ("wait", &[0], &with),
        ("render", &[0], &var),
        ("render", &[0], &["--format", "yaml", "--var", &flagged]),
        ("render", &[0], &["--format", "json", "--var", &flagged]),
        ("render --show-secrets", &[0], &var),
        ("lint", &[0, 6], &["--html", "page.html", "--var", &flagged]),
        ("lint --output json", &[0, 6], &var),
        ("lint --output sarif", &[0, 6], &var),
        ("lint --live", &[0, 6], &["--html", "live.html", "--var", &flagged]),
        ("lint saved.ndjson", &[0, 6], &["--html", "saved.html", "--var", &flagged]),
        ("plan", &[0], &var),
        ("plan --drift keep", &[0], &var),
        ("plan --output json", &[0], &var),
        ("status", &[0, 7], &var),
        ("status --output json", &[0, 7], &var),
        ("status --output openmetrics", &[0, 7], &var),
        ("check", &[3], &var),
        ("check --output json", &[3], &var),
        ("backup", &[0], &[]),
        ("backup --output json", &[0], &["--compress", "zstd"]),
        ("backup list", &[0], &[]),
        ("backup verify --output json", &[0], &[]),
        ("import", &[0], &["--to", "imported"]),
        ("import saved.ndjson", &[0], &["--to", "imported-too", "--output", "json"]),
    ];
    for (name, codes, more) in reading {
        searched.scene(&cli, &Scene::new(name, codes, more));
    }
    let other = Listening::before(&emulator.url());
    let from = format!("http://user:{}@{}", canary("password of --from-url"), other.at);
    let moved = ["--from-namespace", "old", "--to-namespace", "new"];
    let writing: &[(&'static str, &[i32], &[&str])] = &[
        ("clone saved.ndjson", &[0], &[&moved[..], &["--to-file", "copies.ndjson"]].concat()),
        ("clone saved.ndjson --disabled", &[0], &moved),
        ("clone", &[0, 2, 5], &[&moved[..], &["--from-url", &from, "--allow-leftovers"]].concat()),
        ("restore saved.ndjson", &[0], &[]),
        ("restore saved.ndjson --mode changed --output json", &[0], &[]),
        ("enable --only saved", &[0], &[]),
        ("apply --output json --drift keep", &[0, 6], &var),
        ("apply", &[0, 6], &var),
        ("apply --no-lint", &[0], &var),
        ("check --run literal", &[0, 1, 4, 7], &var),
        ("status", &[0, 7], &var),
        ("status --output json", &[0, 7], &var),
        ("destroy", &[5], &[]),
        ("destroy --yes --output json", &[0], &[]),
    ];
    for (name, codes, more) in writing {
        searched.scene(&cli, &Scene::new(name, codes, more));
    }
    searched.look("all", "a request to Dkron", &dkron.seen());
    searched.look("all", "a request to the Dkron of --from-url", &other.seen());
    searched.look("all", "a request for data", &data.seen());
    errors(cli, searched);
}

/// What goes wrong, one after another.
fn errors(mut cli: Cli, searched: &mut Searched) {
    let flagged = format!("flagged={}", canary("--var"));
    let wrong = canary("password of a URL that is wrong");
    let user = format!("user:{}@", canary("password of DKRON_URL"));
    // Answers that say back what was asked, credentials and all; and no answers.
    for status in [200, 301, 400, 401, 403, 404, 500, 503] {
        let echo = Listening::saying(status, None);
        let url = format!("http://{user}{}", echo.at);
        for command in [
            "wait",
            "plan",
            "apply",
            "backup",
            "status",
            "check",
            "destroy",
            "restore saved.ndjson",
            "enable --only x",
            "import",
            "lint --live",
        ] {
            let rendering = ["plan", "apply", "status", "check", "lint --live"].contains(&command);
            if status != 403 && command != "apply" && command != "backup" {
                continue;
            }
            let mut more = vec!["--dkron-url", &url];
            more.extend(rendering.then_some(["--var", flagged.as_str()]).into_iter().flatten());
            searched.scene(&cli, &Scene::new(command, &[1, 2, 4], &more));
        }
        let url = format!(
            "http://user:{}@{}/?token={}",
            canary("password of a data URL"),
            echo.at,
            canary("token of a data URL")
        );
        let more = format!("more={url}");
        searched.scene(&cli, &Scene::new("render", &[1, 2, 4], &["--data", &more, "--var", &flagged]));
        let store = ["--backups", "s3://bucket/prefix"];
        cli = cli.env("AWS_ENDPOINT", format!("http://{}", echo.at));
        let came = echo.seen().len();
        searched.scene(&cli, &Scene::new("backup list", &[0, 1], &store));
        searched.look("all", "a request to the store", &echo.seen()[came..]);
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent_url = format!("http://{user}{}", silent.local_addr().expect("an address"));
    let refused = format!("http://{user}127.0.0.1:9");
    let password = canary("password in --backups");
    let s3 = format!("s3://user:{password}@bucket/prefix");
    let ftp = format!("ftp://user:{password}@host/prefix");
    let odd = format!("s3://user:{password}@/");
    let wrongs = [
        format!("http://user:{wrong}@127.0.0.1:9/?token={wrong}"),
        format!("http://user:{wrong}@127.0.0.1:x"),
        format!("user:{wrong}@127.0.0.1"),
        format!("ftp://user:{wrong}@host"),
        format!("http://user:{wrong}/y@host"),
    ];
    let bad_data = format!("more=http://user:{wrong}@[");
    let colonless = canary("--header");
    let keyless = canary("--var");
    let stray = canary("argument that no command has");
    let mut scenes = vec![
        Scene::called("no answer", &[4], &["wait", "--dkron-url", &silent_url]),
        Scene::called("refused", &[4], &["wait", "--dkron-url", &refused]),
        Scene::called("no colon", &[2], &["wait", "--header", &colonless]),
        Scene::called("no equals sign", &[2], &["render", "--var", &keyless]),
        Scene::called("a header that cannot be sent", &[2], &["wait", "--header", &format!("X-A: \u{1}{colonless}")]),
        Scene::called("two credentials", &[2], &["wait", "--basic-auth-file", "basic.txt"]),
        Scene::called("a strange flag", &[2], &["apply", &format!("--headers={stray}")]),
        Scene::called("a level that is none", &[2], &["wait", "--log-level", "trace"]),
        Scene::called("no key", &[1, 2], &["wait", "--client-cert-file", "key.pem", "--client-key-file", "key.pem"]),
        Scene::called("no authority", &[1, 2], &["wait", "--ca-file", "key.pem"]),
        Scene::called("backups by a password", &[1, 2], &["backup", "list", "--backups", &s3]),
        Scene::called("backups in no store", &[1, 2], &["backup", "list", "--backups", &ftp]),
        Scene::called("backups in no bucket", &[1, 2], &["backup", "list", "--backups", &odd]),
        Scene::called("backups in Azure", &[1, 2], &["backup", "list", "--backups", "az://container/prefix"]),
        Scene::called("backups at Google", &[1, 2], &["backup", "list", "--backups", "gs://bucket/prefix"]),
        Scene::called("no URL of data", &[1, 2], &["render", "--data", &bad_data, "--var", &flagged]),
    ];
    for url in &wrongs {
        scenes.push(Scene::called("a wrong URL", &[2], &["apply", "--dkron-url", url, "--output", "json"]));
        scenes.push(Scene::called("a wrong URL", &[2], &["clone", "--from-url", url]));
    }
    for scene in &scenes {
        searched.scene(&cli, scene);
    }
    unreadable(&cli, searched, &refused);
    // What a process is called is its caller's own; what it adds to that is not.
    let child = cli.spawn(&["wait", "--dkron-url", &silent_url]);
    thread::sleep(Duration::from_millis(100));
    let line = std::fs::read(format!("/proc/{}/comm", child.id())).unwrap_or_default();
    searched.look("wait", "/proc/PID/comm", &line);
    let _ = cli.finish(child).exits(4);
}

/// Text that cannot be read, with secrets in it.
fn unreadable(cli: &Cli, searched: &mut Searched, refused: &str) {
    let flagged = format!("flagged={}", canary("--var"));
    let broken = canary("broken template");
    for text in [
        format!("name: a\nexecutor_config:\n  headers:\n    Authorization: 'Bearer {broken}\n"),
        format!(
            "{{\"name\": \"a\", \"schedule\": 7, \"executor_config\": {{\"headers\": {{\"Authorization\": \"Bearer {broken}\"}}, \"urk\": 1}}}}"
        ),
        format!("name: a\nschedule: 'x'\nexecutor: http\nexecutor_config: {{password: '{broken} {{{{ nobody }}}}'}}\n"),
        format!("name: a\npassword: {broken}\n"),
    ] {
        cli.write("jobs-templates/broken.yaml", text);
        for command in ["render", "lint", "lint --output sarif", "plan --output json"] {
            searched.scene(cli, &Scene::new(command, &[1, 2, 4, 6], &["--var", &flagged]));
        }
    }
    cli.remove("jobs-templates/broken.yaml");
    cli.write("values.yaml", format!("password: '{}\nother: [", canary("broken values file")));
    searched.scene(cli, &Scene::new("render", &[2], &["--var", &flagged]));
    let broken = canary("broken file of jobs");
    let text = format!(
        "{{\"name\": \"a\", \"metadata\": {{\"token\": \"{broken}\"\n{{\"name\": \"b\", \"retries\": \"{broken}\"}}\n{{\"name\": \"c\", \"schedule\": \"x\", \"metadata\": {{\"token\": \"{broken}\"}}}}\n"
    );
    cli.write("broken.ndjson", text);
    searched.scene(cli, &Scene::called("broken jobs", &[1, 2], &["restore", "broken.ndjson", "--dkron-url", refused]));
}
