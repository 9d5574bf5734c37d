//! `clone` and `enable`: what runs in one namespace, made to run in another, and the cut-over.

use std::os::unix::fs::PermissionsExt;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::report::conforms;
use crate::server::Server;
use crate::shelf::{self, SHELF, hand_made};

/// Templates that speak of their namespace in every way that a render can: hosts in URLs, in a body and in a header, parents.
const TEMPLATES: &str = "
name: load
schedule: '@yearly'
executor: http
executor_config:
  method: POST
  url: \"{{ service('api', 8080) }}/load?back={{ service('web', 80) | urlencode }}\"
  headers: {Authorization: Bearer canary-token, X-Origin: \"{{ service('web', 80) }}\"}
  body: {then: \"{{ service('api', 8080) }}/done\", note: 'production and prod-eu and /prod_x'}
metadata: {team: data}
---
name: after-load
parent_job: load
executor: http
executor_config: {method: GET, url: \"{{ service('api', 8080) }}/after\"}
---
name: seldom
disabled: true
schedule: '@yearly'
executor: http
executor_config: {method: GET, url: \"{{ service('api', 8080) }}/seldom\"}
";

/// The namespace `prod` in Dkron and on the shelf.
fn prod(server: &Server) -> Cli {
    let cli = Cli::new()
        .dkron(server.url())
        .env("JOBS_BACKUPS", SHELF)
        .env("JOBS_RESTORE", "never")
        .env("JOBS_LOG_LEVEL", "warn")
        // A URL in a header is cut by Dkron, and rewritten by us all the same; and a token may look like one.
        .env("JOBS_LINT_ALLOW", "header-value-cut\nplain-secret")
        .file("jobs-templates/t.yaml", TEMPLATES);
    let _ = cli.run(&["apply", "--namespace", "prod"]).ok();
    let _ = cli.run(&["backup", "--namespace", "prod"]).ok();
    server.writes();
    cli
}

const MOVE: [&str; 5] = ["clone", "--from-namespace", "prod", "--to-namespace", "staging"];

/// A report as JSON, which is what the schema says, and in which no secret is.
#[track_caller]
fn report(cli: &Cli, args: &[&[&str]]) -> Value {
    let ran = cli.run(&[&args.concat()[..], &["--output", "json"]].concat()).ok();
    assert!(!ran.to_string().contains("canary"), "{ran}");
    conforms(&ran.json());
    ran.json()
}

#[track_caller]
fn summary(report: &Value, created: usize, updated: usize, unchanged: usize) {
    let summary = &report["summary"];
    let counts =
        ["created", "updated", "unchanged", "deleted", "failed", "skipped", "restored"].map(|key| &summary[key]);
    assert_eq!(counts, [created, updated, unchanged, 0, 0, 0, 0].map(|count| json!(count)).each_ref(), "{report:#}");
}

/// That a clone is what a render for the other namespace would have been.
#[track_caller]
fn is_what_a_render_makes(cli: &Cli, server: &Server, extra: &[&str]) {
    server.writes();
    let applied = report(cli, &[&["apply", "--namespace", "staging"], extra]);
    summary(&applied, 0, 0, 3);
    assert_eq!((&applied["warnings"], server.writes()), (&json!([]), Vec::new()));
    for job in applied["jobs"].as_array().expect("jobs") {
        assert_eq!(job["reasons"], json!([]), "{job}");
    }
}

#[test]
fn a_clone_is_what_the_templates_make_of_the_other_namespace() {
    let server = Server::start();
    let cli = prod(&server);
    // A newer backup of another namespace is not the one.
    shelf::put(&cli, Timestamp::now() + SignedDuration::from_hours(1), "elsewhere", &[hand_made("not-here")]);
    server.clear();
    server.writes();
    insta::assert_snapshot!(cli.run(&MOVE).ok(), @r"
    exit code: 0
    ----- stdout -----
    + after-load  not there yet; copied
        load  GET  http://api.staging.svc.cluster.local:8080/after
    + load  not there yet; copied
        @yearly  POST  http://api.staging.svc.cluster.local:8080/load?back=http%3A//web.staging.svc.cluster.local%3A80
    + seldom  not there yet; copied
        @yearly  GET  http://api.staging.svc.cluster.local:8080/seldom

    clone of staging/dkron-jobs: 3 created, 0 updated, 0 deleted, 0 unchanged
    ----- stderr -----
    ");
    is_what_a_render_makes(&cli, &server, &[]);
    assert_eq!(server.job("seldom").expect("seldom")["disabled"], true);
    // A second run has nothing to do.
    summary(&report(&cli, &[&MOVE]), 0, 0, 3);
    assert_eq!(server.writes(), Vec::<String>::new());
    // Onto its own namespace's --namespace too, and from the file itself.
    server.clear();
    let file = format!("{SHELF}/{}", shelf::files(&cli)[0]);
    let cloned = report(&cli, &[&["clone", &file, "--from-namespace", "prod", "--namespace", "staging"]]);
    summary(&cloned, 3, 0, 0);
    assert_eq!(cloned["owner"], "staging/dkron-jobs");
    is_what_a_render_makes(&cli, &server, &[]);
}

#[test]
fn a_clone_beside_the_original_has_names_of_its_own() {
    let server = Server::start();
    let cli = prod(&server);
    let url = server.url().to_owned();
    let live = [&MOVE[..], &["--from-url", &url, "--name-prefix", "s-"]].concat();
    summary(&report(&cli, &[&live, &["--only", "*load", "--only", "seldom"]]), 3, 0, 0);
    assert_eq!(server.names(), ["after-load", "load", "s-after-load", "s-load", "s-seldom", "seldom"]);
    let writes = server.writes();
    let place = |name: &str| writes.iter().position(|line| line.ends_with(name)).expect("a write");
    assert!(place(" s-load") < place(" s-after-load"), "{writes:?}");
    assert_eq!(server.job("s-after-load").expect("a copy")["parent_job"], "s-load");
    assert_eq!(server.job("load").expect("load")["dependent_jobs"], json!(["after-load"]));
    is_what_a_render_makes(&cli, &server, &["--name-prefix", "s-"]);
    // Now that the copies are there, a live clone would copy them too: names say which are meant.
    let again = report(&cli, &[&live, &["--only", "load", "--only", "after-load", "--only", "seldom"]]);
    summary(&again, 0, 0, 3);
    assert_eq!(server.writes(), Vec::<String>::new());
    // The original is as it was.
    summary(&report(&cli, &[&["apply", "--namespace", "prod"]]), 0, 0, 3);
    // Edited copies are left, or written over when that is asked for.
    server.edit("s-load", |job| job["retries"] = json!(3));
    let only = ["--only", "load"];
    let left = cli.run(&[&live, &only[..]].concat()).ok();
    assert!(left.stdout.contains("not like the copy; left"), "{left}");
    summary(&report(&cli, &[&live, &only, &["--mode", "changed"]]), 0, 1, 0);
    assert_eq!(server.job("s-load").expect("a copy")["retries"], 0);
}

#[test]
fn a_clone_to_a_file_is_restored_by_restore() {
    let server = Server::start();
    let cli = prod(&server);
    let to_file = [&MOVE[..], &["--to-file", "staging.ndjson"]].concat();
    let told = cli.run(&to_file).ok();
    assert!(told.stdout.ends_with("clone of staging/dkron-jobs: 3 created, 0 updated, 0 deleted, 0 unchanged\nwrote 3 jobs to staging.ndjson\n"), "{told}");
    assert!(!told.to_string().contains("canary"), "{told}");
    let path = cli.path("staging.ndjson");
    assert_eq!(std::fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).expect("the file");
    let refused = cli.run(&to_file).exits(5);
    assert!(
        refused.stderr.contains("staging.ndjson is there already") && refused.stderr.contains("`--force`"),
        "{refused}"
    );
    let forced = report(&cli, &[&to_file, &["--force"]]);
    summary(&forced, 3, 0, 0);
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), text, "the same jobs are the same bytes");
    assert!(text.contains("canary-token") && !text.contains(".prod."), "{text}");
    assert_eq!(server.writes(), Vec::<String>::new(), "Dkron is not written to");
    server.clear();
    let restored = report(&cli, &[&["restore", "staging.ndjson", "--namespace", "staging"]]);
    assert_eq!((&restored["summary"]["created"], &restored["summary"]["restored"]), (&json!(3), &json!(3)));
    is_what_a_render_makes(&cli, &server, &[]);
    let nowhere = cli.run(&[&MOVE[..], &["--to-file", "no-folder/x.ndjson"]].concat()).exits(1);
    assert!(
        nowhere.stderr.contains("cannot write no-folder/x.ndjson: ") && nowhere.stderr.contains("correct the name")
    );
    let folder = cli.run(&[&MOVE[..], &["--to-file", "jobs-templates", "--force"]].concat()).exits(1);
    assert!(
        folder.stderr.contains("jobs-templates: Is a directory") && folder.stderr.contains("name a file"),
        "{folder}"
    );
}

#[test]
fn the_cut_over_switches_on_what_is_named() {
    let server = Server::start();
    let cli = prod(&server).env("JOBS_NAMESPACE", "staging");
    server.clear();
    let _ = cli.run(&[&MOVE[..], &["--disabled"]].concat()).ok();
    let on = |name: &str| server.job(name).expect("a job")["disabled"] == false;
    let all = ["after-load", "load", "seldom"];
    assert_eq!(all.map(on), [false; 3]);
    server.writes();
    // The release's own hook does not switch them on.
    let kept = report(&cli, &[&["apply"]]);
    assert_eq!(kept["summary"]["kept_disabled"], 2, "{kept:#}");
    assert_eq!((server.writes(), all.map(on)), (Vec::new(), [false; 3]));

    let refused = cli.run(&["enable"]).exits(2);
    assert!(refused.stderr.contains("--only (JOBS_ONLY) is needed"), "{refused}");
    let refused = cli.run(&["enable", "--only", "load", "--only", "lode", "--only", "x*"]).exits(2);
    assert_eq!(
        refused.stderr,
        "error: --only: no job is called `lode` or `x*`; write a whole name, or a pattern such as `refresh-*`\n"
    );
    let refused = cli.run(&["enable", "--only", "[x"]).exits(2);
    assert!(refused.stderr.contains("`[x` is no name and no glob"), "{refused}");
    assert_eq!(server.writes(), Vec::<String>::new());

    insta::assert_snapshot!(cli.run(&["enable", "--only", "*load"]).ok(), @r"
    exit code: 0
    ----- stdout -----
    ~ after-load  switched on
        disabled  true -> false
    ~ load  switched on
        disabled  true -> false

    enable of staging/dkron-jobs: 0 created, 2 updated, 0 deleted, 0 unchanged
    ----- stderr -----
    ");
    assert_eq!(all.map(on), [true, true, false]);
    server.writes();
    let off = report(&cli, &[&["enable", "--only", "*"]]);
    summary(&off, 0, 0, 3);
    assert_eq!(off["warnings"], json!(["job `seldom` stays off: its template says so"]));
    assert_eq!(server.writes(), Vec::<String>::new());
    is_what_a_render_makes(&cli, &server, &[]);
    // An operator's later hand is one like any other.
    server.toggle("load");
    assert_eq!(report(&cli, &[&["apply"]])["summary"]["kept_disabled"], 1);
    let by_env = cli.env("JOBS_ONLY", "load\nafter-load\n");
    summary(&report(&by_env, &[&["enable"]]), 0, 1, 1);
}

#[test]
fn what_nobody_can_rewrite_is_listed_and_refused() {
    let server = Server::start();
    let cli = prod(&server);
    let mut odd = hand_made("odd");
    odd["executor_config"]["url"] = json!("http://api.prod.svc/x?env=prod");
    odd["executor_config"]["headers"] = json!("[\"Authorization: Bearer canary.prod.canary\"]");
    odd["metadata"] = json!({"password": "canary-prod", "stage": "prod", "words": "in prod, only in prod"});
    server.put(&odd);
    let _ = cli.run(&["backup", "--namespace", "prod"]).ok();
    server.clear();
    server.writes();
    let before = shelf::contents(&cli);
    let refused = cli.run(&MOVE).exits(5);
    insta::assert_snapshot!(refused, @r"
    exit code: 5
    ----- stdout -----
    ----- stderr -----
    error: `prod` is still mentioned: job `odd`, `executor_config.headers`: `prod`
    error: `prod` is still mentioned: job `odd`, `executor_config.url`: `prod`
    error: `prod` is still mentioned: job `odd`, `metadata.words`: `prod` (2 times)
    error: nothing was written; say `--allow-leftovers` if these may stay, or correct the originals
    ");
    assert_eq!((server.names(), server.writes()), (Vec::new(), Vec::new()));
    let json = cli.run(&[&MOVE[..], &["--output", "json"]].concat()).exits(5);
    conforms(&json.json());
    assert_eq!(json.json()["errors"].as_array().map(Vec::len), Some(3), "{json}");
    assert!(!refused.to_string().contains("canary") && !json.to_string().contains("canary"), "{refused}{json}");
    let _ = cli.run(&[&MOVE[..], &["--to-file", "x.ndjson"]].concat()).exits(5);
    assert!(!cli.path("x.ndjson").exists());
    // What is not cloned is nobody's worry.
    summary(&report(&cli, &[&MOVE, &["--only", "load"]]), 1, 0, 0);
    let told = report(&cli, &[&MOVE, &["--allow-leftovers"]]);
    summary(&told, 3, 0, 1);
    assert_eq!(told["warnings"].as_array().map(Vec::len), Some(3), "{told:#}");
    let copy = server.job("odd").expect("a copy");
    assert_eq!(copy["executor_config"]["url"], "http://api.staging.svc/x?env=prod");
    assert_eq!(copy["metadata"]["stage"], "staging");
    assert_eq!(shelf::contents(&cli), before);
}

#[test]
fn slips_of_the_pen_write_nothing() {
    let server = Server::start();
    let cli = prod(&server);
    let file = format!("{SHELF}/{}", shelf::files(&cli)[0]);
    let url = server.url().to_owned();
    let run = |args: &[&str], code: i32| cli.run(args).exits(code).stderr;
    let said = [
        run(&["clone"], 2),
        run(&["clone", &file, "--from-namespace", "prodd", "--to-namespace", "staging"], 2).replace(&file, "[file]"),
        run(&["clone", "--from-namespace", "prodd", "--to-namespace", "staging"], 1),
        run(&["clone", &file, "--from-namespace", "prod", "--to-namespace", "Staging"], 2),
        run(&[&MOVE[..], &[&file, "--from-url", &url]].concat(), 2).replace(&file, "[file]"),
        run(&[&MOVE[..], &["--name-prefix", "Big "]].concat(), 2),
        run(&[&MOVE[..], &["--only", "lode"]].concat(), 2),
        run(&[&MOVE[..], &["nowhere.ndjson"]].concat(), 1),
    ];
    insta::assert_snapshot!(said.concat(), @r"
    error: --from-namespace (JOBS_FROM_NAMESPACE) is needed: the namespace that the jobs come from
    error: no job of [file] calls into namespace `prodd` or belongs to it; nothing was written. Correct `--from-namespace`
    error: backups holds no good backup of namespace `prodd`; `dkron-jobs backup list` shows what there is, and a file can be named
    error: `Staging` cannot be a namespace: it may only have the letters a to z, digits and `-`
    error: [file] and --from-url (JOBS_FROM_URL): jobs can be cloned from one of them only; leave the other out
    error: --name-prefix: `Big ` cannot begin a job's name: name contains illegal character 'B'
    error: --only: no job is called `lode`; write a whole name, or a pattern such as `refresh-*`
    error: cannot read nowhere.ndjson: No such file or directory (os error 2); correct the name
    ");
    assert_eq!(server.writes(), Vec::<String>::new());
    // In the same Dkron the originals have the names; what is there is left, and nobody thinks that it was copied.
    let left = report(&cli, &[&MOVE]);
    summary(&left, 0, 0, 3);
    assert_eq!(
        left["warnings"],
        json!([
            "3 jobs not copied: jobs of another namespace have these names there (`after-load`, …); `--name-prefix` gives the copies names of their own"
        ])
    );
    assert_eq!(server.writes(), Vec::<String>::new());
    // Another release's job of the same name is nobody's to write over.
    let conflict = cli.run(&[&MOVE[..], &["--mode", "changed"]].concat()).exits(5);
    assert!(conflict.stderr.contains("job `load` belongs to `prod/dkron-jobs`"), "{conflict}");
    assert_eq!(server.writes(), Vec::<String>::new());
}
