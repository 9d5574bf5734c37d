//! `check`: whether Dkron holds what it should, and whether jobs succeed when they are run.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::Cli;
use crate::report::conforms;
use crate::server::Server;

/// Jobs that run only when told, one of them with a target that answers and one with none.
fn installed(server: &Server) -> Cli {
    let mut text = String::new();
    for (name, url) in
        [("good-one", format!("{}/v1/leader", server.node_url(0))), ("bad-one", "http://127.0.0.1:9/x".to_owned())]
    {
        writeln!(
            text,
            "---\nname: {name}\nschedule: '@manually'\nexecutor: http\nexecutor_config: {{method: GET, url: '{url}', timeout: 3}}"
        )
        .expect("a string");
    }
    let cli = Cli::new().dkron(server.url()).env("JOBS_LOG_LEVEL", "warn").file("jobs-templates/jobs.yaml", text);
    let _ = cli.run(&["apply"]).ok();
    server.writes();
    cli
}

#[test]
fn what_is_as_it_should_be_passes_and_nothing_is_written() {
    let server = Server::start();
    let cli = installed(&server);
    let ran = cli.run(&["check"]).ok();
    assert_eq!(
        ran.stdout,
        "check of default/dkron-jobs: all as it should be: 0 to create, 0 to update, 0 to delete, 2 unchanged\n"
    );
    // An operator's switch is as it should be, too.
    server.toggle("good-one");
    let _ = cli.run(&["check"]).ok();
    server.writes();
    server.edit("bad-one", |job| job["retries"] = 4.into());
    server.writes();
    let ran = cli.run(&["check", "--output", "json"]).exits(3);
    conforms(&ran.json());
    assert_eq!(ran.json()["summary"]["updated"], 1, "{ran}");
    assert_eq!(ran.json()["warnings"], json!([]), "{ran}");
    // A run of what is not held as it should be says nothing, and that there was none is said.
    let ran = cli.run(&["check", "--run", "good-one", "--output", "json"]).exits(3).json();
    let why = "no job was run: Dkron does not hold and run what the templates say";
    assert_eq!((&ran["warnings"], executions(&server, "good-one")), (&json!([why]), 0), "{ran:#}");
    assert_eq!(server.writes(), Vec::<String>::new());
}

#[test]
fn jobs_are_run_when_asked_for() {
    let server = Server::start();
    let cli = installed(&server);
    let _ = cli.run(&["check", "--run", "good-*"]).ok();
    let ran = cli.run(&["check", "--run", "*-one", "--output", "json"]).exits(7);
    conforms(&ran.json());
    let errors = ran.json()["errors"].clone();
    let errors: Vec<_> = errors.as_array().expect("errors").iter().filter_map(|error| error.as_str()).collect();
    assert!(errors.len() == 1 && errors[0].starts_with("job `bad-one` failed after "), "{errors:?}");
    assert!(errors[0].contains("refused"), "{errors:?}");
    let ran = cli.run(&["check", "--run", "nobody"]).exits(2);
    assert_eq!(
        ran.stderr,
        "error: --run: no job is called `nobody`; write a whole name, or a pattern such as `refresh-*`\n"
    );
    server.toggle("good-one");
    let ran = cli.run(&["check", "--run", "good-one"]).exits(7);
    assert!(ran.stdout.contains("error: job `good-one`: not run: it is switched off"), "{ran}");
}

/// What came of each job that was to be run: success, and why nothing is known.
fn outcomes(report: &Value) -> Vec<(&str, &Value, &str)> {
    let runs = report["runs"].as_array().expect("runs");
    let text = |run: &'_ Value, key: &str| run[key].as_str().unwrap_or_default().len();
    for run in runs {
        let known = run["success"].is_boolean();
        assert_eq!((run["duration_ms"].is_u64(), run["note"].is_null()), (known, known), "{run}");
        assert_eq!(text(run, "output") > 0, run["success"] == false, "{run}");
    }
    runs.iter()
        .map(|run| (run["job"].as_str().expect("a name"), &run["success"], run["note"].as_str().unwrap_or_default()))
        .collect()
}

fn executions(server: &Server, job: &str) -> usize {
    server.get(&format!("/v1/jobs/{job}/executions")).as_array().map_or(0, Vec::len)
}

#[test]
fn all_jobs_are_run_and_each_once() {
    let server = Server::start();
    let good = format!("{}/v1/leader", server.node_url(0));
    let bad = "http://127.0.0.1:9/x";
    let jobs = [
        ("bad-root", "", bad),
        ("child", "root", good.as_str()),
        ("deep", "child", bad),
        ("lonely", "", &good),
        ("never", "bad-root", &good),
        ("off", "", &good),
        ("below-off", "off", &good),
        ("root", "", &good),
    ];
    let cli = Cli::new().dkron(server.url()).env("JOBS_LOG_LEVEL", "warn");
    for (name, parent, url) in jobs {
        let job = json!({
            "name": name, "parent_job": parent, "schedule": if parent.is_empty() { "@manually" } else { "" },
            "executor": "http", "executor_config": {"method": "GET", "url": url, "timeout": "3"}, "disabled": name == "off",
        });
        cli.write(&format!("jobs-templates/{name}.json"), job.to_string());
    }
    let _ = cli.run(&["apply"]).ok();
    let ran = cli.run(&["check", "--run-all", "--output", "json"]).exits(7).json();
    conforms(&ran);
    let (yes, no, unknown) = (json!(true), json!(false), Value::Null);
    let wanted = [
        ("bad-root", &no, ""),
        ("below-off", &yes, ""),
        ("child", &yes, ""),
        ("deep", &no, ""),
        ("lonely", &yes, ""),
        ("never", &unknown, "not run: its parent `bad-root` did not succeed"),
        ("off", &unknown, "not run: it is switched off"),
        ("root", &yes, ""),
    ];
    assert_eq!(outcomes(&ran), wanted);
    assert_eq!(ran["errors"].as_array().map(Vec::len), Some(2), "{ran:#}");
    let counts = wanted.map(|(name, _, _)| executions(&server, name));
    assert_eq!(counts, [1, 1, 1, 1, 1, 0, 0, 1]);
    // A child alone is run by itself; what is switched off is no failure, unless it was named.
    let ran = cli.run(&["check", "--run", "child", "--run", "of*"]).ok();
    assert!(ran.stdout.starts_with("child  succeeded after "), "{ran}");
    assert!(ran.stdout.contains("\noff  not run: it is switched off\n"), "{ran}");
    assert_eq!((executions(&server, "child"), executions(&server, "root")), (2, 1));
    let ran = cli.run(&["check", "--run", "off", "--output", "json"]).exits(7).json();
    assert_eq!(ran["errors"], json!(["job `off`: not run: it is switched off"]));
}

#[test]
fn one_job_of_each_template_is_run() {
    let server = Server::start();
    let job = |name: &str| {
        let url = format!("{}/v1/leader", server.node_url(0));
        format!(
            "name: {name}\nschedule: '@manually'\nexecutor: http\nexecutor_config: {{method: GET, url: '{url}', timeout: 3}}\n"
        )
    };
    let cli = Cli::new()
        .dkron(server.url())
        .env("JOBS_RUN_ONE_PER_TEMPLATE", "true")
        .file("jobs-templates/data/caches.csv", "name\na\nb\nc\n")
        .file(
            "jobs-templates/many.yaml",
            format!("for_each: caches\n{}---\n{}", job("'{{ item.name }}'"), job("second")),
        )
        .file("jobs-templates/off.yaml", format!("disabled: true\n{}", job("off")));
    let _ = cli.run(&["apply"]).ok();
    server.toggle("a");
    let ran = cli.run(&["check", "--output", "json"]).ok().json();
    let (yes, unknown) = (json!(true), Value::Null);
    assert_eq!(
        outcomes(&ran),
        [("b", &yes, ""), ("off", &unknown, "not run: it is switched off"), ("second", &yes, "")]
    );
    assert_eq!(["a", "b", "c", "off", "second"].map(|name| executions(&server, name)), [0, 1, 0, 0, 1]);
}

#[test]
fn a_run_may_take_longer_than_a_request() {
    let server = Server::start();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("its address"));
    // Ends with the process: it blocks in `accept`.
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            thread::sleep(Duration::from_millis(2500));
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let job = |name: &str, url: &str| {
        json!({
            "name": name, "schedule": "@manually", "executor": "http", "executor_config": {"method": "GET", "url": url, "timeout": "9"},
        })
    };
    let cli = Cli::new()
        .dkron(server.url())
        .env("DKRON_REQUEST_TIMEOUT", "1s")
        .file("jobs-templates/slow.json", job("slow", &url).to_string());
    let _ = cli.run(&["apply"]).ok();
    let ran = cli.run(&["check", "--run-all", "--output", "json"]).ok().json();
    assert_eq!(outcomes(&ran), [("slow", &json!(true), "")]);
    assert!(ran["runs"][0]["duration_ms"].as_u64() >= Some(2500), "{ran:#}");
    assert_eq!(executions(&server, "slow"), 1);
    let late = cli.run(&["check", "--run", "slow", "--wait-timeout", "2s"]).exits(7);
    assert!(late.stdout.contains("error: job `slow`: it has not ended within 2s"), "{late}");
}
