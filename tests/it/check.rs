//! `check`: whether Dkron holds what it should, and whether jobs succeed when they are run.

use std::fmt::Write;

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
    assert_eq!(ran.stderr, "error: --run: no job is called `nobody`\n");
    server.toggle("good-one");
    let ran = cli.run(&["check", "--run", "good-one"]).exits(7);
    assert!(ran.stdout.contains("job `good-one` was not run: it is switched off"), "{ran}");
}
