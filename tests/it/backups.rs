//! `backup`, `backup list` and `backup verify` as a user meets them.

use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use dkron_jobs::snapshot::{Manifest, Packing, file_name, manifest_name};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::Cli;
use crate::rig::{many, signal};
use crate::s3::{BUCKET, Bucket};
use crate::server::{Server, skip};
use crate::shelf::{self, SHELF, hand_made};

/// Runs for this Dkron with a shelf of backups.
fn cli(server: &Server) -> Cli {
    Cli::new()
        .dkron(server.url())
        .env("JOBS_NAMESPACE", "shop")
        .env("JOBS_RELEASE", "main")
        .env("JOBS_BACKUPS", SHELF)
        .env("JOBS_LOG_LEVEL", "warn")
}

fn several(count: usize) -> Vec<Value> {
    (0..count).map(|number| hand_made(&format!("job-{number:02}"))).collect()
}

fn ago(hours: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(hours)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[test]
fn a_backup_holds_every_job_as_dkron_gave_it() {
    let server = Server::start();
    let cli = cli(&server);
    server.put(&hand_made("z-parent"));
    let mut child = hand_made("a-child");
    child["parent_job"] = json!("z-parent");
    child["schedule"] = json!("");
    server.put(&child);
    let mut odd = hand_made("odd");
    odd["disabled"] = json!(true);
    odd["schedule"] = json!("@manually");
    odd["executor_config"]["body"] = json!("}{\n\\ \u{2028} <é>");
    server.put(&odd);
    let before = server.jobs();
    server.requests();

    let ran = cli.run(&["backup"]).ok();
    let [file] = &shelf::files(&cli)[..] else { panic!("one backup: {ran}") };
    let path = cli.path(SHELF).join(file);
    let bytes = std::fs::read(&path).expect("the backup");
    assert!(file.starts_with("backup-dkron_2") && file.ends_with("Z.ndjson"), "{file}");
    assert_eq!(ran.stdout, format!("saved 3 jobs in {SHELF}, {file} ({} bytes)\n", bytes.len()));
    assert_eq!((mode(&path), mode(&cli.path(SHELF).join(manifest_name(file)))), (0o600, 0o600));
    assert_eq!(mode(&cli.path(SHELF)), 0o700);
    assert_eq!(server.writes(), Vec::<String>::new(), "a backup writes nothing");

    let saved = shelf::jobs(&cli, &format!("{SHELF}/{file}"));
    let names: Vec<_> = saved.iter().map(|job| job["name"].as_str().expect("a name")).collect();
    assert_eq!(names.len(), 3);
    let place = |name: &str| names.iter().position(|other| *other == name).expect("a job");
    assert!(place("z-parent") < place("a-child"), "{names:?}");
    for mut job in before {
        let line = &saved[place(job["name"].as_str().expect("a name"))];
        job.as_object_mut().expect("a job").remove("dependent_jobs").expect("the server's own field");
        assert_eq!(*line, job, "all but the server's list of children, run counts included");
    }

    let text = std::fs::read(cli.path(SHELF).join(manifest_name(file))).expect("a manifest");
    assert!(Manifest::parse(&text).expect("a manifest").fits(&bytes));
    let manifest = shelf::manifest(&cli, file);
    let keys: Vec<_> = manifest.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(keys, ["count", "dkron", "format_version", "namespace", "release", "sha256", "size", "source", "time"]);
    assert_eq!((&manifest["namespace"], &manifest["release"]), (&json!("shop"), &json!("main")));
    assert_eq!((&manifest["count"], &manifest["format_version"]), (&json!(3), &json!(1)));
    assert_eq!(manifest["source"], format!("{}/", server.url()));
    let compact = |time: &str| time.chars().filter(|c| !matches!(c, '-' | ':')).collect::<String>();
    assert!(file.contains(&compact(manifest["time"].as_str().expect("a time"))), "{file}: {manifest}");

    let again = cli.run(&["backup", "--output", "json"]).ok().json();
    let files = shelf::files(&cli);
    assert_eq!(files.len(), 2, "never overwritten");
    assert_eq!(
        again,
        json!({
            "command": "backup",
            "place": SHELF,
            "file": files[1],
            "manifest": shelf::manifest(&cli, &files[1]),
            "removed": [],
            "warnings": [],
        })
    );
}

/// What the newest good backup holds, what Dkron holds, and whether that is refused.
#[test]
fn a_suddenly_small_list_is_refused() {
    let server = Server::start();
    let cli = cli(&server);
    let mut case = 0;
    let mut run = |saved: usize, namespace: &str, extra: &[&str], refused: bool| {
        case += 1;
        let folder = format!("case-{case}");
        let file = shelf::put_into(&cli, &folder, ago(1), namespace, &several(saved));
        let before = shelf::contents_of(&cli, &folder);
        let args = [&["backup", "--backups", &folder, "--keep", "1"], extra].concat();
        let ran = cli.run(&args);
        if refused {
            let ran = ran.exits(5);
            let live = server.jobs().len();
            let numbers = format!("Dkron has {live} jobs, and the newest good backup, {file}, has {saved};");
            assert!(ran.stderr.contains(&numbers) && ran.stderr.contains("`--force`"), "{ran}");
            assert_eq!(ran.stdout, "");
            assert_eq!(shelf::contents_of(&cli, &folder), before, "byte for byte");
        } else {
            let _ = ran.ok();
            assert_ne!(shelf::contents_of(&cli, &folder), before);
        }
    };
    run(1, "shop", &[], true);
    run(0, "shop", &[], false);
    run(1, "shop", &["--force"], false);
    run(40, "elsewhere", &[], false);
    for job in several(9) {
        server.put(&job);
    }
    run(19, "shop", &[], false);
    run(20, "shop", &[], true);
    server.put(&hand_made("job-09"));
    run(20, "shop", &[], false);
    run(21, "shop", &[], true);
    run(40, "elsewhere", &[], false);
    run(21, "shop", &["--force"], false);
    server.put(&hand_made("job-10"));
    run(22, "shop", &[], false);
    run(23, "shop", &[], true);
}

#[test]
fn a_first_backup_may_be_empty_and_a_damaged_one_guards_nothing() {
    let server = Server::start();
    let cli = cli(&server);
    let _ = cli.run(&["backup"]).ok();
    let [empty] = &shelf::files(&cli)[..] else { panic!("one backup") };
    assert_eq!(shelf::manifest(&cli, empty)["count"], 0);
    let file = shelf::put_into(&cli, "damaged", ago(1), "shop", &several(3));
    cli.write(&format!("damaged/{file}"), "cut");
    let _ = cli.run(&["backup", "--backups", "damaged"]).ok();
}

#[test]
fn rotation_removes_what_was_not_to_be_kept() {
    let server = Server::start();
    let cli = cli(&server);
    server.put(&hand_made("job-00"));
    let jobs = several(1);
    let oldest = shelf::put(&cli, ago(24 * 3), "shop", &jobs);
    let older = shelf::put(&cli, ago(24 * 2), "shop", &jobs);
    let old = shelf::put(&cli, ago(24), "shop", &jobs);
    let others = shelf::put(&cli, ago(24 * 9), "elsewhere", &jobs);
    cli.write(&format!("{SHELF}/notes.txt"), "mine");

    let ran = cli.run(&["backup", "--output", "json"]).ok().json();
    assert_eq!(ran["removed"], json!([]), "nothing is removed unasked");
    let first = ran["file"].as_str().expect("a file").to_owned();
    let ran = cli.run(&["backup", "--keep-days", "3", "--output", "json"]).ok().json();
    assert_eq!(ran["removed"], json!([manifest_name(&oldest), oldest, manifest_name(&first), first]));
    let second = ran["file"].as_str().expect("a file").to_owned();
    let ran = cli.run(&["backup", "--keep", "2"]).ok();
    assert!(
        ran.stdout.ends_with(&format!(
            "bytes); removed {}, {older}, {}, {old}\n",
            manifest_name(&older),
            manifest_name(&old)
        )),
        "{ran}"
    );
    cli.remove(&format!("{SHELF}/notes.txt"));
    let left = shelf::files(&cli);
    assert_eq!(left[..2], [others.clone(), second]);
    assert_eq!(left.len(), 3);
    // Both together: what either of them keeps. From the environment, as the CronJob has it.
    let yesterday = shelf::put(&cli, ago(24), "shop", &jobs);
    let again = cli.env("JOBS_BACKUP_KEEP", "1").env("JOBS_BACKUP_KEEP_DAYS", "2");
    let _ = again.run(&["backup"]).ok();
    let left = shelf::files(&again);
    assert_eq!(left[..2], [others, yesterday]);
    assert_eq!(left.len(), 3);
    let wrong = again.run(&["backup", "--keep", "some", "--keep-days=-1", "--compress", "lots"]).exits(2);
    insta::assert_snapshot!(wrong.stderr, @r"
    error: --keep: `some` is no whole number
    error: --keep-days: `-1` is no whole number
    error: --compress: `lots` is none of `none`, `gzip`, `zstd`
    ");
}

/// A shelf with everything that can lie on one.
fn shelf_of_all_kinds() -> Cli {
    let cli = Cli::new().env("JOBS_BACKUPS", SHELF);
    let at = |time: &str| time.parse::<Timestamp>().expect("a time");
    shelf::put(&cli, at("2026-11-20T03:00:00.007Z"), "shop", &several(44));
    let cut = shelf::put(&cli, at("2026-11-21T03:00:00Z"), "shop", &several(44));
    cli.write(&format!("{SHELF}/{cut}"), "{\"name\":\"job-00\"");
    let changed = shelf::put(&cli, at("2026-11-22T03:00:00Z"), "shop", &several(2));
    let text = std::fs::read_to_string(cli.path(SHELF).join(&changed)).expect("a backup");
    cli.write(&format!("{SHELF}/{changed}"), text.replace("job-01", "job-02"));
    let interrupted = shelf::put(&cli, at("2026-11-23T03:00:00Z"), "shop", &several(44));
    cli.remove(&format!("{SHELF}/{}", manifest_name(&interrupted)));
    let alone = shelf::put(&cli, at("2026-11-23T04:00:00Z"), "shop", &several(44));
    cli.remove(&format!("{SHELF}/{alone}"));
    shelf::put(&cli, at("2026-11-24T03:00:00Z"), "another-shop", &several(1));
    for stranger in ["notes.txt", "backup.ndjson", "lost+found/x", ".tmp-dkron-jobs-7-0-x"] {
        cli.write(&format!("{SHELF}/{stranger}"), "mine");
    }
    cli
}

#[test]
fn the_list_says_which_are_good() {
    let cli = shelf_of_all_kinds();
    let list = cli.run(&["backup", "list"]).ok();
    insta::assert_snapshot!(list);
    assert!(list.stdout.lines().all(|line| line.chars().count() <= 80), "{list}");
    insta::assert_json_snapshot!(
        "the_list_says_which_are_good_json",
        cli.run(&["backup", "list", "--output", "json"]).ok().json()
    );
}

#[test]
fn verifying_reads_every_byte() {
    let cli = shelf_of_all_kinds();
    insta::assert_snapshot!(cli.run(&["backup", "verify"]).exits(1));
    let json = cli.run(&["backup", "verify", "--output", "json"]).exits(1).json();
    let good: Vec<_> = json["backups"].as_array().expect("a list").iter().map(|backup| &backup["good"]).collect();
    assert_eq!(good, [&json!(true), &json!(false), &json!(false), &json!(false), &json!(false), &json!(true)]);
    let sound = Cli::new();
    shelf::put(&sound, ago(1), "shop", &several(3));
    let verified = sound.run(&["backup", "verify", "--backups", SHELF]).ok();
    assert!(verified.stdout.ends_with(&format!("{SHELF}: 1 backup, 1 good\n")), "{verified}");
    let none = sound.run(&["backup", "list", "--backups", "nowhere"]).ok();
    assert_eq!(none.stdout, "nowhere: 0 backups, 0 good\n");
}

/// Nobody's manifest is to blame for it.
#[test]
fn what_does_not_unpack_is_said_so() {
    let cli = Cli::new();
    let no_zstd = [0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3, 4];
    let time: Timestamp = "2026-11-24T03:00:00Z".parse().expect("a time");
    let file = format!("{SHELF}/{}", file_name(time, Packing::Zstd));
    cli.write(&file, no_zstd);
    let manifest = Manifest::new(time, "shop", "main", "http://dkron:8080", None, 1).of(&no_zstd);
    cli.write(&manifest_name(&file), manifest.to_text());
    let verified = cli.run(&["backup", "verify", "--backups", SHELF]).exits(1);
    assert!(verified.stdout.contains("it cannot be unpacked: its content is damaged"), "{verified}");
    assert!(!verified.stdout.contains("manifest"), "{verified}");
}

#[test]
fn what_another_user_left_stops_no_backup() {
    const TEST: &str = "what_another_user_left_stops_no_backup";
    let server = Server::start();
    let cli = cli(&server);
    let left = cli.path(SHELF).join(".tmp-dkron-jobs-7-0-x");
    cli.write(&format!("{SHELF}/.tmp-dkron-jobs-7-0-x"), "x");
    let file = File::options().write(true).open(&left).expect("the file");
    file.set_modified(SystemTime::UNIX_EPOCH).expect("a time");
    // In a folder where anybody may write, and remove only what is theirs.
    std::fs::set_permissions(cli.path(SHELF), Permissions::from_mode(0o1777)).expect("our own folder");
    if [cli.path(SHELF), left.clone()].iter().any(|path| chown(path, Some(7), None).is_err()) {
        return skip(TEST, "this user cannot give files away");
    }
    server.put(&hand_made("one"));
    // Who may remove everything must let go of that first: in a user namespace that knows no user.
    let ran = cli.run_under("unshare", &["-U"], &["backup"]);
    if ran.stderr.starts_with("unshare: ") {
        return skip(TEST, "this user may remove everything");
    }
    let _ = ran.ok();
    assert!(left.exists(), "it could be removed");
}

#[test]
fn without_a_place_nothing_can_be_done() {
    let cli = Cli::new();
    for args in [&["backup"][..], &["backup", "list"], &["backup", "verify"]] {
        let refused = cli.run(args).exits(2);
        assert_eq!(
            refused.stderr,
            "error: --backups (JOBS_BACKUPS) is needed: the folder, or the s3://, gs:// or az:// URL, where backups are kept\n"
        );
    }
    let refused = cli.run(&["restore"]).exits(2);
    assert!(refused.stderr.contains("`--backups` (JOBS_BACKUPS)"), "{refused}");
    let refused = cli.run(&["backup", "list", "--backups", "ftp://host/x"]).exits(2);
    assert!(refused.stderr.contains("is no place for backups"), "{refused}");
}

#[test]
fn a_paused_dkron_is_saved_after_two_equal_reads() {
    let server = Server::start();
    let cli = cli(&server);
    server.put(&hand_made("job-00"));
    server.pause(true);
    server.requests();
    let ran = cli.run(&["backup"]).ok();
    let requests = server.requests();
    assert_eq!(requests.iter().filter(|line| *line == "GET /v1/jobs").count(), 2, "{requests:?}");
    assert!(ran.stdout.starts_with("warning: Dkron is paused"), "{ran}");
    assert_eq!(shelf::files(&cli).len(), 1);
    server.pause(false);
}

/// For a hook that must not stop a release: whatever keeps the backup from being made is said, and is no failure.
#[test]
fn a_backup_on_best_effort_fails_nothing() {
    let server = Server::start();
    server.put(&hand_made("one"));
    let cli = cli(&server).file("file", "");
    let _ = cli.run(&["backup", "--best-effort"]).ok();
    assert_eq!(shelf::files(&cli).len(), 1);

    server.clear();
    for (args, why) in [
        (&[][..], "the newest good backup"),
        (&["--dkron-url", "http://127.0.0.1:9", "--wait-timeout", "1s"], "gave up on Dkron"),
        (&["--ca-file", "nowhere"], "--ca-file nowhere"),
        (&["--basic-auth-file", "nowhere"], "--basic-auth-file nowhere"),
        (&["--backups", "file/x"], "file/x"),
        (&["--backups", "az://bucket/x"], "`az://bucket/x` is no place for backups"),
    ] {
        let args = [&["backup"][..], args].concat();
        let failed = cli.run(&args);
        assert!(!matches!(failed.code, None | Some(0)), "{failed}");
        let ran = cli.run(&[&args[..], &["--best-effort"]].concat()).ok();
        assert!(ran.stderr.contains("no backup was made, which is no failure here"), "{ran}");
        assert!(ran.stderr.contains(why), "{ran}");
    }
    assert_eq!(shelf::files(&cli).len(), 1);
}

/// Once a backup is there, nothing that goes wrong with old ones makes it one that was not made.
#[test]
fn a_rotation_that_fails_takes_nothing_from_what_was_saved() {
    let server = Server::start();
    server.put(&hand_made("one"));
    let root = TempDir::new().expect("a folder");
    let rig = |bucket: &Bucket| {
        let cli = cli(&server).env("JOBS_BACKUPS", format!("s3://{BUCKET}/x")).env("JOBS_TERMINATION_LOG", "last");
        bucket.environment().into_iter().fold(cli, |cli, (name, value)| cli.env(name, value))
    };
    let names = || std::fs::read_dir(Bucket::folder(root.path()).join("x")).map_or(0, Iterator::count);

    let lists = |request: &Request| request.uri().query().is_some_and(|query| query.contains("list-type"));
    let bucket = Bucket::start_but(root.path(), move |request, saved| {
        (saved && lists(request)).then_some(StatusCode::FORBIDDEN)
    });
    let cli = rig(&bucket);
    let ran = cli.run(&["backup", "--keep", "1", "--output", "json"]).ok();
    assert!(ran.json()["file"].as_str().is_some_and(|file| file.starts_with("backup-dkron_")), "{ran}");
    let warning = ran.json()["warnings"][0].to_string();
    assert!(warning.contains("old backups were not all removed: cannot list"), "{ran}");
    assert_eq!(names(), 2, "a backup and its manifest");

    let bucket = Bucket::start_but(root.path(), |request, _| {
        (request.method() == Method::DELETE || request.method() == Method::POST)
            .then_some(StatusCode::SERVICE_UNAVAILABLE)
    });
    let cli = rig(&bucket);
    let child = cli.spawn(&["backup", "--keep", "1"]);
    let until = Instant::now() + Duration::from_secs(20);
    while names() < 4 && Instant::now() < until {
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_millis(300));
    signal(&child, "TERM");
    let ran = cli.finish(child).exits(143);
    assert!(ran.stdout.contains("saved 1 job in s3://") && !ran.stderr.contains("nothing was written"), "{ran}");
    assert!(ran.stderr.contains("old backups were not all removed: stopped by SIGTERM"), "{ran}");
    let last = std::fs::read_to_string(cli.path("last")).expect("last words");
    assert!(last.starts_with("saved 1 job in s3://"), "{last}");
}

/// A Dkron that has just been started again gives a part of its jobs for a while: none of them is missing in a backup.
#[test]
fn right_after_a_restart_a_backup_is_whole() {
    if std::env::var_os("DKRON_URL").is_some() {
        return skip("right_after_a_restart_a_backup_is_whole", "a Dkron that is not ours is not restarted");
    }
    let mut server = Server::start();
    let cli = cli(&server).env("DKRON_URL", server.node_url(0)).env("DKRON_WAIT_TIMEOUT", "60s");
    many(&cli, 1500);
    let _ = cli.run(&["apply", "--restore", "never"]).ok();
    for _ in 0..3 {
        server.restart();
        let saved = cli.run(&["backup", "--output", "json"]).ok().json();
        assert_eq!(saved["manifest"]["count"], 1500);
    }
    for file in shelf::files(&cli) {
        let names: BTreeSet<_> =
            shelf::jobs(&cli, &format!("{SHELF}/{file}")).iter().map(|job| job["name"].to_string()).collect();
        assert_eq!(names.len(), 1500);
    }
}

#[test]
fn a_packed_backup_is_as_good() {
    let server = Server::start();
    let cli = cli(&server);
    for job in several(30) {
        server.put(&job);
    }
    for (how, ending, magic) in [("gzip", ".ndjson.gz", &[0x1f, 0x8b][..]), ("zstd", ".ndjson.zst", &[0x28, 0xb5])] {
        let file = cli.run(&["backup", "--compress", how, "--output", "json"]).ok().json()["file"].clone();
        let file = file.as_str().expect("a file");
        assert!(file.ends_with(ending), "{file}");
        let bytes = std::fs::read(cli.path(SHELF).join(file)).expect("a backup");
        assert!(bytes.starts_with(magic) && bytes.len() < 5000, "{} bytes", bytes.len());
        let _ = cli.run(&["backup", "verify"]).ok();
        let restored = cli.run(&["restore", "--output", "json"]).ok().json();
        assert_eq!(restored["summary"]["unchanged"], 30);
    }
    assert_eq!(server.writes(), Vec::<String>::new());
    let zstd = cli.env("JOBS_BACKUP_COMPRESS", "zstd");
    let _ = zstd.run(&["backup"]).ok();
    let _ = zstd.run(&["backup", "--compress", "none"]).ok();
    let files = shelf::files(&zstd);
    assert!(files[2].ends_with(".ndjson.zst") && files[3].ends_with("Z.ndjson"), "{files:?}");
}

/// People write what a command of a command takes before or behind its name.
#[test]
fn options_stand_where_they_like() {
    let cli = shelf_of_all_kinds().env("JOBS_BACKUPS", "");
    for args in [["backup", "--backups", SHELF, "list"], ["backup", "list", "--backups", SHELF]] {
        let list = cli.run(&args).ok();
        assert!(list.stdout.ends_with("backups: 6 backups, 3 good\n"), "{list}");
    }
    let last = cli.run(&["backup", "--backups", "nowhere", "list", "--backups", SHELF]).ok();
    assert!(last.stdout.ends_with("6 backups, 3 good\n"), "{last}");
    let strange = cli.run(&["backup", "--keep", "3", "list", "--backups", SHELF]).exits(2);
    assert!(strange.stderr.contains("`backup list` takes no `--keep`"), "{strange}");
}

/// The keys of a store are in no output, whatever it says to them.
#[test]
fn the_keys_of_a_store_stay_unsaid() {
    let server = Server::start();
    for status in [StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE] {
        let bucket = Bucket::saying(status);
        let mut cli = cli(&server)
            .env("JOBS_BACKUPS", format!("s3://{BUCKET}/x"))
            .env("JOBS_LOG_LEVEL", "debug")
            .env("DKRON_WAIT_TIMEOUT", "1s");
        for (name, value) in bucket.environment() {
            cli = cli.env(name, value);
        }
        let cli = cli.env("AWS_SECRET_ACCESS_KEY", "canary-secret").env("AWS_SESSION_TOKEN", "canary-token");
        for args in [&["backup"][..], &["backup", "list"], &["restore", "--output", "json"]] {
            let ran = cli.run(args).exits(1);
            assert!(!ran.to_string().contains("canary"), "{ran}");
            assert!(
                ran.stderr.contains(if status == StatusCode::FORBIDDEN { "AWS_*" } else { "run it again" }),
                "{ran}"
            );
        }
    }
    let told = Cli::new().run(&["backup", "list", "--backups", "s3://user:canary@"]).exits(2);
    assert!(!told.to_string().contains("canary"), "{told}");
}
