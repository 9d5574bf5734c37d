//! `destroy`: what a release owns goes, children first, and nothing else does.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cli::Cli;
use crate::report::conforms;
use crate::rig::{child, job};
use crate::server::{Server, skip};
use crate::shelf::hand_made;

/// A family of three, a job alone, and one that is to be left to its next owner; beside them another release's and a hand's.
fn installed(server: &Server) -> Cli {
    let cli = Cli::new()
        .dkron(server.url())
        .env("JOBS_LOG_LEVEL", "warn")
        .file("jobs-templates/a-child.yaml", child("a-child", "parent"))
        .file("jobs-templates/a-grandchild.yaml", child("a-grandchild", "a-child"))
        .file("jobs-templates/parent.yaml", job("parent", "1"))
        .file("jobs-templates/alone.yaml", job("alone", "1"))
        .file("jobs-templates/left.yaml", job("left", "1").replace("{version", "{dkron-jobs.prune: 'false', version"))
        .file("other/theirs.yaml", job("theirs", "1"));
    let _ = cli.run(&["apply"]).ok();
    let _ = cli.run(&["apply", "--release", "other", "--templates", "other"]).ok();
    server.put(&hand_made("by-hand"));
    server.writes();
    cli
}

const ALL: [&str; 7] = ["a-child", "a-grandchild", "alone", "by-hand", "left", "parent", "theirs"];

#[test]
fn nothing_is_deleted_unasked() {
    let server = Server::start();
    let cli = installed(&server);
    let refused = cli.run(&["destroy"]).exits(5);
    insta::assert_snapshot!(refused, @r"
    exit code: 5
    ----- stdout -----
    ----- stderr -----
    error: this would delete 4 jobs of default/dkron-jobs and leave 1 behind, unstamped; say `--yes` (JOBS_YES) if that is meant; nothing was deleted
    ");
    let json = cli.run(&["destroy", "--output", "json"]).exits(5).json();
    conforms(&json);
    assert!(
        json["errors"][0].as_str().is_some_and(|error| error.contains("delete 4 jobs of default/dkron-jobs")),
        "{json:#}"
    );
    let _ = cli.run(&["destroy", "--yes=false"]).exits(5);
    assert_eq!((server.writes(), server.names()), (Vec::new(), ALL.map(str::to_owned).to_vec()));
    // Nothing to do needs no consent.
    let none = cli.run(&["destroy", "--namespace", "nobody"]).ok();
    assert_eq!(
        none.stdout,
        "destroy of nobody/dkron-jobs: nothing to do: 0 created, 0 updated, 0 deleted, 0 unchanged\n"
    );
}

#[test]
fn what_is_ours_goes_and_nothing_else() {
    let server = Server::start();
    let cli = installed(&server);
    insta::assert_snapshot!(cli.run(&["destroy", "--yes"]).ok(), @r"
    exit code: 0
    ----- stdout -----
    - a-child  this release wants nothing any more
    - a-grandchild  this release wants nothing any more
    - alone  this release wants nothing any more
    ~ left  this release wants nothing any more; left to its next owner, unstamped
    - parent  this release wants nothing any more

    destroy of default/dkron-jobs: 0 created, 1 updated, 4 deleted, 0 unchanged
    ----- stderr -----
    ");
    let writes = server.writes();
    let place = |name: &str| {
        let line = format!("DELETE /v1/jobs/{name}");
        writes.iter().position(|write| *write == line).unwrap_or_else(|| panic!("{name}: {writes:?}"))
    };
    assert!(place("a-grandchild") < place("a-child") && place("a-child") < place("parent"), "{writes:?}");
    assert_eq!(writes.len(), 5);
    assert_eq!(server.names(), ["by-hand", "left", "theirs"]);
    let left = server.job("left").expect("left")["metadata"].clone();
    let mut keys: Vec<_> = left.as_object().expect("metadata").keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, ["dkron-jobs.prune", "version"], "no stamp is left");
    let again = cli.run(&["destroy", "--yes"]).ok();
    assert!(again.stdout.contains("nothing to do"), "{again}");
    assert_eq!(server.writes(), Vec::<String>::new());
    // The next owner is whoever comes first.
    let adopted = cli.run(&["apply", "--release", "next", "--output", "json"]).ok().json();
    assert_eq!((&adopted["summary"]["created"], &adopted["summary"]["adopted"]), (&json!(4), &json!(1)));
}

#[test]
fn a_parent_with_somebody_elses_child_stays() {
    let server = Server::start();
    let cli = installed(&server);
    let mut foreign = hand_made("foreign");
    foreign["parent_job"] = json!("a-child");
    foreign["schedule"] = json!("");
    server.put(&foreign);
    server.writes();
    let consenting = cli.env("JOBS_YES", "true");
    let report = consenting.run(&["destroy", "--output", "json"]).ok().json();
    conforms(&report);
    assert_eq!((&report["summary"]["deleted"], &report["command"]), (&json!(2), &json!("destroy")));
    let warnings: Vec<_> = report["warnings"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(
        warnings,
        [
            "job `a-child` is no longer wanted but stays: `foreign` is still its child",
            "job `parent` is no longer wanted but stays: `a-child` is still its child"
        ]
    );
    assert_eq!(server.names(), ["a-child", "by-hand", "foreign", "left", "parent", "theirs"]);
    let again = consenting.run(&["destroy"]).ok();
    assert!(again.stdout.contains("nothing to do"), "{again}");
}

/// On a terminal it shows what would go, and only `yes` means yes. util-linux's `script` is the terminal.
#[test]
fn on_a_terminal_it_asks() {
    let server = Server::start();
    let cli = installed(&server);
    if Command::new("script").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return skip("on_a_terminal_it_asks", "there is no script(1)");
    }
    let answered = |answer: &str| cli.run_on_a_terminal(&["destroy"], answer);
    let declined = answered("y\n").exits(5);
    assert!(
        declined.stdout.contains("This would delete 4 jobs of default/dkron-jobs and leave 1 behind, unstamped."),
        "{declined}"
    );
    assert!(declined.stdout.contains("not confirmed; nothing was deleted"), "{declined}");
    assert_eq!(server.writes(), Vec::<String>::new());
    let done = answered("yes\n").ok();
    assert!(done.stdout.contains("- parent"), "{done}");
    assert_eq!(server.names(), ["by-hand", "left", "theirs"]);
}
