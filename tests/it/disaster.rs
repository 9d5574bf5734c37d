//! `apply --restore`: what Dkron has lost comes back with the templates, as one plan.

use std::thread;
use std::time::Duration;

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cli::Cli;
use crate::report::conforms;
use crate::rig::{job, many};
use crate::s3::{BUCKET, Bucket};
use crate::server::Server;
use crate::shelf::{self, SHELF, hand_made};

/// Runs for this Dkron with a shelf of backups and two templates.
fn cli(server: &Server) -> Cli {
    Cli::new()
        .dkron(server.url())
        .env("JOBS_NAMESPACE", "shop")
        .env("JOBS_RELEASE", "main")
        .env("JOBS_BACKUPS", SHELF)
        .env("JOBS_LOG_LEVEL", "warn")
        .file("jobs-templates/prices.yaml", job("prices", "1"))
        .file("jobs-templates/stock.yaml", job("stock", "1"))
}

/// A report as JSON, which is what the schema says.
#[track_caller]
fn report(cli: &Cli, args: &[&str]) -> Value {
    let report = cli.run(&[args, &["--output", "json"]].concat()).ok().json();
    conforms(&report);
    report
}

/// Two releases and a job made by hand, saved; then everything is lost.
fn lost(server: &Server) -> Cli {
    let cli = cli(server).file("other/users.yaml", job("users", "1"));
    cli.write("jobs-templates/old.yaml", job("old", "1"));
    let _ = cli.run(&["apply"]).ok();
    let _ = cli.run(&["apply", "--release", "other", "--templates", "other"]).ok();
    server.put(&hand_made("a-parent"));
    let mut child = hand_made("a-child");
    child["parent_job"] = json!("prices");
    child["schedule"] = json!("");
    server.put(&child);
    server.toggle("prices");
    let _ = cli.run(&["backup"]).ok();
    server.clear();
    cli.remove("jobs-templates/old.yaml");
    server.requests();
    cli
}

/// The definitions without what a new life changes.
fn definitions(server: &Server) -> Vec<Value> {
    let mut jobs = server.jobs();
    for job in &mut jobs {
        let job = job.as_object_mut().expect("a job");
        for field in ["id", "next", "status", "success_count", "error_count", "last_success", "last_error"] {
            job.remove(field);
        }
        // In the order in which they came.
        if let Some(children) = job["dependent_jobs"].as_array_mut() {
            children.sort_by_key(ToString::to_string);
        }
    }
    jobs
}

#[test]
fn a_first_install_has_no_backup_and_goes_on() {
    let server = Server::start();
    let cli = cli(&server);
    let none = format!("{SHELF} holds no good backup of namespace `shop`; only the templates are applied");
    assert_eq!(report(&cli, &["plan"])["warnings"], json!([none]));
    let applied = report(&cli, &["apply"]);
    assert_eq!(applied["warnings"], json!([none]));
    assert_eq!((&applied["summary"]["created"], &applied["summary"]["restored"]), (&json!(2), &json!(0)));
    assert_eq!(shelf::contents(&cli).len(), 0, "an apply makes no backup");
    let again = report(&cli, &["apply"]);
    assert_eq!((&again["warnings"], &again["summary"]["unchanged"]), (&json!([]), &json!(2)));
}

#[test]
fn a_disaster_is_undone_by_the_hook() {
    let server = Server::start();
    let before = {
        let cli = lost(&server);
        let shelf_before = shelf::contents(&cli);
        let plan = report(&cli, &["plan"]);
        assert_eq!(server.writes(), Vec::<String>::new());
        assert_eq!((&plan["summary"]["created"], &plan["summary"]["restored"]), (&json!(5), &json!(5)));
        let hand_made = ["--allow", "expect-code-missing", "--allow", "runs-on-every-node"];
        insta::assert_snapshot!(cli.run(&[&["apply"], &hand_made[..]].concat()).ok(), @r"
        exit code: 0
        ----- stdout -----
        + a-child  not there; brought back from the backup
            prices  GET  http://127.0.0.1:9/a-child
        + a-parent  not there; brought back from the backup
            @yearly  GET  http://127.0.0.1:9/a-parent
        + prices  not there; brought back from the backup; disabled by hand; kept disabled
            @yearly  GET  http://127.0.0.1:9/x
        + stock  not there; brought back from the backup
            @yearly  GET  http://127.0.0.1:9/x
        + users  not there; brought back from the backup
            @yearly  GET  http://127.0.0.1:9/x

        apply of shop/main: 5 created, 0 updated, 0 deleted, 0 unchanged, 5 restored, 1 kept disabled
        ----- stderr -----
        ");
        assert_eq!(server.names(), ["a-child", "a-parent", "prices", "stock", "users"], "`old` stays away");
        assert_eq!(server.job("prices").expect("prices")["disabled"], true, "an operator's hand is kept");
        assert_eq!(server.job("prices").expect("prices")["dependent_jobs"], json!(["a-child"]));
        assert_eq!(server.job("users").expect("users")["metadata"]["dkron-jobs.owner"], "shop/other");
        assert_eq!(server.job("a-parent").expect("a-parent")["metadata"], Value::Null);
        server.writes();
        let again = report(&cli, &["apply"]);
        assert_eq!((&again["summary"]["unchanged"], &again["warnings"]), (&json!(2), &json!([])));
        let other = report(&cli, &["apply", "--release", "other", "--templates", "other"]);
        assert_eq!(other["summary"]["unchanged"], 1);
        assert_eq!(server.writes(), Vec::<String>::new());
        assert_eq!(shelf::contents(&cli), shelf_before);
        definitions(&server)
    };
    // The other release's hook, had it been first, would have brought the same back.
    server.clear();
    let cli = lost(&server);
    let applied = report(&cli, &["apply", "--release", "other", "--templates", "other"]);
    assert_eq!(applied["summary"]["restored"], 6, "what another release no longer wants is its own affair");
    let _ = cli.run(&["apply"]).ok();
    assert_eq!(definitions(&server), before);
}

#[test]
fn a_changed_template_goes_over_what_comes_back() {
    let server = Server::start();
    let cli = lost(&server);
    cli.write("jobs-templates/stock.yaml", job("stock", "2"));
    cli.write("jobs-templates/new.yaml", job("new", "1"));
    let applied = report(&cli, &["apply"]);
    assert_eq!((&applied["summary"]["created"], &applied["summary"]["restored"]), (&json!(6), &json!(5)));
    let writes = server.writes();
    assert_eq!(
        writes.iter().filter(|line| line.ends_with(" stock")).count(),
        1,
        "once, not old and then new: {writes:?}"
    );
    assert_eq!(server.job("stock").expect("stock")["metadata"]["version"], "2");
    assert_eq!(report(&cli, &["plan"])["summary"]["unchanged"], 3);
}

#[test]
fn a_dkron_with_jobs_has_lost_nothing() {
    let server = Server::start();
    let cli = lost(&server);
    // One of ours is there, so it is no disaster; what else is not there was taken away by somebody.
    let _ = cli.run(&["apply", "--restore", "never"]).ok();
    assert_eq!(server.names(), ["prices", "stock"]);
    let applied = report(&cli, &["apply"]);
    assert_eq!((&applied["summary"]["created"], &applied["summary"]["unchanged"]), (&json!(0), &json!(2)));
    cli.write("jobs-templates/new.yaml", job("new", "1"));
    let applied = report(&cli, &["apply"]);
    assert_eq!((&applied["summary"]["created"], &applied["summary"]["restored"]), (&json!(1), &json!(0)));
    assert_eq!(server.names(), ["new", "prices", "stock"]);
    // A job made by hand that no backup knows: somebody lives here.
    server.clear();
    server.put(&hand_made("stranger"));
    let applied = report(&cli, &["apply"]);
    assert_eq!(applied["summary"]["restored"], 0);
    assert_eq!(server.names(), ["new", "prices", "stock", "stranger"]);
    // Asked for, it comes back all the same; what is there is left.
    let missing = cli.env("JOBS_RESTORE", "missing");
    let applied = report(&missing, &["apply"]);
    assert_eq!((&applied["summary"]["created"], &applied["summary"]["restored"]), (&json!(3), &json!(3)));
    assert_eq!(server.names(), ["a-child", "a-parent", "new", "prices", "stock", "stranger", "users"]);
    server.writes();
    let _ = missing.run(&["apply"]).ok();
    assert_eq!(server.writes(), Vec::<String>::new());
    let nowhere = missing.run(&["apply", "--backups="]).exits(2);
    assert!(nowhere.stderr.contains("is no place for backups"), "{nowhere}");
    let wrong = missing.run(&["apply", "--restore", "always"]).exits(2);
    assert_eq!(wrong.stderr, "error: --restore: `always` is none of `when-empty`, `missing`, `never`\n");
}

#[test]
fn what_is_missing_cannot_come_from_nowhere() {
    let refused = Cli::new().run(&["plan", "--restore", "missing"]).exits(2);
    assert!(refused.stderr.contains("--backups (JOBS_BACKUPS) is needed"), "{refused}");
}

#[test]
fn another_releases_jobs_alone_are_an_empty_dkron() {
    let server = Server::start();
    let cli = lost(&server);
    let _ = cli.run(&["apply", "--release", "other", "--templates", "other", "--restore", "never"]).ok();
    assert_eq!(server.names(), ["users"]);
    let applied = report(&cli, &["apply"]);
    assert_eq!(applied["summary"]["restored"], 4);
    assert_eq!(server.names(), ["a-child", "a-parent", "prices", "stock", "users"]);
}

#[test]
fn a_run_that_was_cut_is_gone_on_with() {
    let server = Server::start();
    let cli = lost(&server);
    // What a killed run had done: jobs that are not ours, first of all, as the backup has them.
    let _ = cli.run(&["restore", "--only", "a-parent"]).ok();
    let applied = report(&cli, &["apply"]);
    assert_eq!((&applied["summary"]["created"], &applied["summary"]["restored"]), (&json!(4), &json!(4)));
    assert_eq!(server.names(), ["a-child", "a-parent", "prices", "stock", "users"]);
}

/// Killed at any place, it is gone on with: hand-made jobs first, then those of ours.
#[test]
fn a_run_that_was_killed_is_gone_on_with() {
    let server = Server::start();
    let cli = cli(&server);
    many(&cli, 15);
    let _ = cli.run(&["apply", "--restore", "never"]).ok();
    for number in 0..15 {
        let mut by_hand = hand_made(&format!("hand-{number:02}"));
        if number % 3 == 0 {
            by_hand["parent_job"] = json!("stock");
            by_hand["schedule"] = json!("");
        }
        server.put(&by_hand);
    }
    let _ = cli.run(&["backup"]).ok();
    let before = definitions(&server);
    for sixths in 1..6 {
        server.clear();
        let mut run = cli.spawn(&["apply", "--concurrency", "1"]);
        while server.jobs().len() < before.len() * sixths / 6 && run.try_wait().expect("its state").is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        run.kill().expect("it is ours");
        let _ = cli.finish(run);
        let there = server.jobs().len();
        let _ = report(&cli, &["apply"]);
        for (now, before) in definitions(&server).iter().zip(&before) {
            assert_eq!(now, before, "killed with {there} jobs there");
        }
        assert_eq!(server.jobs().len(), before.len());
    }
}

#[test]
fn a_damaged_backup_gives_way_to_the_one_before_it() {
    let server = Server::start();
    let cli = lost(&server);
    let [good] = &shelf::files(&cli)[..] else { panic!("one backup") };
    let later = Timestamp::now() + SignedDuration::from_hours(1);
    let elsewhere = shelf::put(&cli, later, "elsewhere", &[hand_made("not-here")]);
    let damaged = shelf::put(&cli, later - SignedDuration::from_mins(30), "shop", &[hand_made("damaged")]);
    let text = std::fs::read_to_string(cli.path(SHELF).join(&damaged)).expect("a backup");
    cli.write(&format!("{SHELF}/{damaged}"), text.replace("yearly", "YEARLY"));
    let applied = report(&cli, &["apply"]);
    let said = applied["warnings"].as_array().expect("a list");
    assert_eq!(
        said[0],
        format!(
            "{damaged} is no good backup: its content is not what its manifest says (SHA-256); take another one (`dkron-jobs backup list` shows them); the one before it is looked for"
        )
    );
    // What is brought back is brought back as it was, and lint says what it thinks of it.
    assert!(said[1..].iter().all(|line| line.as_str().is_some_and(|line| line.contains(good.as_str()))), "{said:?}");
    assert_eq!(applied["summary"]["restored"], 5, "from {good}, not from {elsewhere}");
    assert_eq!(server.names(), ["a-child", "a-parent", "prices", "stock", "users"]);
    // No other is left: that is said too, and the templates are applied.
    server.clear();
    cli.remove(&format!("{SHELF}/{good}"));
    let applied = report(&cli, &["apply"]);
    let said = applied["warnings"].as_array().expect("a list");
    assert!(said.len() == 2 && said[0].as_str().is_some_and(|text| text.starts_with(&damaged)), "{said:?}");
    assert_eq!(server.names(), ["prices", "stock"]);
}

#[test]
fn without_the_store_nothing_is_written() {
    let server = Server::start();
    let cli = cli(&server);
    cli.write("a-file", "no folder");
    let failed = cli.run(&["apply", "--backups", "a-file"]).exits(1);
    assert!(failed.stderr.contains("a-file"), "{failed}");
    let bucket = Bucket::saying(StatusCode::FORBIDDEN);
    let mut there = cli.env("JOBS_BACKUPS", format!("s3://{BUCKET}/x"));
    for (name, value) in bucket.environment() {
        there = there.env(name, value);
    }
    let failed = there.run(&["apply", "--output", "json"]).exits(1);
    conforms(&failed.json());
    assert!(
        failed.json()["errors"][0].as_str().is_some_and(|error| error.contains("check the credentials")),
        "{failed}"
    );
    assert_eq!(server.writes(), Vec::<String>::new());
    assert_eq!(server.names(), Vec::<String>::new());
    let _ = there.run(&["apply", "--restore", "never"]).ok();
    // From here on nothing is to be asked of the store: one that always says no is not noticed.
    server.requests();
    let _ = there.run(&["apply"]).ok();
    let with = server.requests();
    let _ = there.run(&["apply", "--restore", "never"]).ok();
    assert_eq!(with, server.requests(), "and Dkron is not asked for more either");
    there.write("jobs-templates/stock.yaml", job("stock", "2"));
    let _ = there.run(&["apply"]).ok();
}

#[test]
fn jobs_made_by_hand_are_saved_before_they_are_adopted() {
    let server = Server::start();
    let cli = cli(&server);
    let _ = cli.run(&["apply", "--restore", "never"]).ok();
    cli.write("jobs-templates/stock.yaml", job("stock", "2"));
    let _ = cli.run(&["apply"]).ok();
    assert_eq!(shelf::contents(&cli).len(), 0, "nothing is adopted, nothing is saved");

    let by_hand = hand_made("prices");
    server.put(&by_hand);
    server.put(&hand_made("bystander"));
    server.writes();
    let plan = report(&cli, &["plan"]);
    assert_eq!((&plan["summary"]["adopted"], shelf::contents(&cli).len()), (&json!(1), 0), "a plan saves nothing");
    // Where it cannot be saved it is not adopted.
    cli.write("a-file", "no folder");
    let failed = cli.run(&["apply", "--backups", "a-file", "--output", "json"]).exits(1);
    conforms(&failed.json());
    assert_eq!(server.writes(), Vec::<String>::new());
    assert_eq!(server.job("prices").expect("prices")["executor_config"], by_hand["executor_config"]);

    // Nor where that backup would stand before one that has so many more.
    let many: Vec<_> = (0..23).map(|number| hand_made(&format!("was-{number}"))).collect();
    shelf::put_into(&cli, "many", Timestamp::now(), "shop", &many);
    let before = shelf::contents_of(&cli, "many");
    let refused = cli.run(&["apply", "--backups", "many", "--output", "json"]).exits(5);
    conforms(&refused.json());
    assert!(refused.stderr.contains("Dkron has 3 jobs, and the newest good backup"), "{refused}");
    assert_eq!((server.writes(), shelf::contents_of(&cli, "many")), (Vec::new(), before));

    let applied = report(&cli, &["apply"]);
    let [file] = &shelf::files(&cli)[..] else { panic!("one backup: {applied}") };
    assert_eq!(
        applied["warnings"],
        json!([format!("jobs made by hand are adopted; all jobs were saved before in {file}")])
    );
    assert_eq!(applied["summary"]["adopted"], 1);
    assert_eq!(shelf::manifest(&cli, file)["count"], 3);
    let saved = shelf::jobs(&cli, &format!("{SHELF}/{file}"));
    let old = saved.iter().find(|job| job["name"] == "prices").expect("the old definition");
    assert_eq!(old["executor_config"], by_hand["executor_config"]);
    assert_ne!(server.job("prices").expect("prices")["executor_config"], by_hand["executor_config"]);
    let _ = cli.run(&["backup", "verify"]).ok();
    let _ = cli.run(&["apply"]).ok();
    assert_eq!(shelf::files(&cli).len(), 1);
    // And back it comes when that is wanted.
    let _ = cli.run(&["restore", "--only", "prices", "--mode", "changed"]).ok();
    assert_eq!(server.job("prices").expect("prices")["executor_config"], by_hand["executor_config"]);
    // Without a place for backups it is adopted as before.
    let refused = cli.run(&["apply", "--backups="]).exits(2);
    assert!(refused.stderr.contains("is no place for backups: it is empty"), "{refused}");
    let _ = cli.env("JOBS_BACKUPS", "").run(&["apply"]).ok();
}
