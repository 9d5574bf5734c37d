//! What cannot be restored, and where nothing can be saved: every word of the error, and nothing written.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;

use axum::http::StatusCode;
use dkron_jobs::snapshot::{Manifest, manifest_name};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::{Cli, Ran};
use crate::rig::many;
use crate::s3::{BUCKET, Bucket};
use crate::server::{Server, skip};

fn job(name: &str) -> Value {
    let body = format!("}}{{ {name}");
    json!({"name": name, "schedule": "@yearly", "executor": "http", "executor_config": {"url": "http://127.0.0.1:9/x", "body": body}})
}

fn lines() -> String {
    ["a", "b", "c"].map(|name| format!("{}\n", job(name))).concat()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// The manifest of a file with these bytes.
fn manifest(bytes: &[u8]) -> String {
    Manifest::new(Timestamp::UNIX_EPOCH, "default", "main", "http://dkron:8080", None, 3).of(bytes).to_text()
}

/// What a run said and how it ended; it wrote nothing.
fn refusal(text: &mut String, what: &str, ran: &Ran, server: &Server) {
    assert_eq!((ran.stdout.as_str(), server.writes(), server.names()), ("", vec![], vec![]), "{what}: {ran}");
    writeln!(text, "== {what}: exit code {}\n{}", ran.code.unwrap_or_default(), ran.stderr).expect("a string");
}

#[test]
fn a_file_that_is_no_good_is_refused_whole() {
    let server = Server::start();
    let cli = Cli::new().dkron(server.url());
    let whole = lines();
    let packed = gzip(&whole);
    let noise: Vec<u8> = (0..5000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let twice = format!("{whole}{}\n", job("b"));
    let list = Value::from(vec![job("a"), job("b")]).to_string();
    let no_gzip = [&[0x1f, 0x8b][..], &noise].concat();
    let no_job = whole.replacen("\"name\":\"b\"", "\"name\":7", 1);
    let orphan = format!("{}\n", json!({"name": "orphan", "parent_job": "nobody", "executor": "http"}));
    let refused =
        [("schedule", "every day"), ("timezone", "Europe/Nowhere"), ("concurrency", "never"), ("starts_at", "soon")]
            .map(|(field, value)| {
                let mut job = job(field.trim_end_matches("_at"));
                job[field] = json!(value);
                format!("{job}\n")
            });
    let refused = refused.concat();
    let files: [(&str, &str, &[u8]); 13] = [
        ("cut off", "cut.ndjson", &whole.as_bytes()[..whole.len() - 40]),
        ("a JSON array cut off", "cut.json", &list.as_bytes()[..140]),
        ("cut off, gzip", "cut.ndjson.gz", &packed[..packed.len() - 20]),
        ("empty", "empty.ndjson", b""),
        ("only blanks", "blank.ndjson", b"\n \n\r\n"),
        ("binary", "binary.ndjson", &noise),
        ("binary, called gzip by its first bytes", "binary.gz", &no_gzip),
        ("a name twice", "twice.ndjson", twice.as_bytes()),
        ("one line in three is no job", "line.ndjson", no_job.as_bytes()),
        ("a web page", "page.ndjson", b"<!DOCTYPE html>\n<html>\n<body>502</body>\n</html>\n"),
        ("an array of names", "names.json", b"[\"a\",\"b\"]"),
        ("what Dkron would refuse", "refused.ndjson", refused.as_bytes()),
        ("a parent that is nowhere", "orphan.ndjson", orphan.as_bytes()),
    ];
    let mut text = String::new();
    for (what, name, bytes) in files {
        cli.write(name, bytes);
        refusal(&mut text, what, &cli.run(&["restore", name]), &server);
    }
    cli.write("digest.ndjson", whole.replace("@yearly", "@hourly"));
    cli.write(&manifest_name("digest.ndjson"), manifest(whole.as_bytes()));
    refusal(&mut text, "another file than its manifest's", &cli.run(&["restore", "digest.ndjson"]), &server);
    cli.write("later.ndjson", &whole);
    let later = manifest(whole.as_bytes()).replace("\"format_version\": 1", "\"format_version\": 2");
    cli.write(&manifest_name("later.ndjson"), later);
    refusal(&mut text, "a manifest of a later version", &cli.run(&["restore", "later.ndjson"]), &server);
    cli.write("odd.ndjson", &whole);
    cli.write(&manifest_name("odd.ndjson"), "{}");
    refusal(&mut text, "a manifest that is none", &cli.run(&["restore", "odd.ndjson"]), &server);
    refusal(&mut text, "no such file", &cli.run(&["restore", "nothing.ndjson"]), &server);
    fs::create_dir(cli.path("folder")).expect("a folder");
    refusal(&mut text, "a folder without a file", &cli.run(&["restore", "folder"]), &server);
    refusal(&mut text, "a place without a backup", &cli.run(&["restore", "--backups", "folder"]), &server);
    refusal(&mut text, "no place", &cli.run(&["restore", "--backups", "none"]), &server);
    refusal(&mut text, "nothing named", &cli.run(&["restore"]), &server);
    cli.write("good.ndjson", &whole);
    refusal(&mut text, "a name that nobody has", &cli.run(&["restore", "good.ndjson", "--only", "x*"]), &server);
    insta::assert_snapshot!("no_good", text);
}

#[test]
fn only_damaged_backups_are_none() {
    let server = Server::start();
    let cli = Cli::new().dkron(server.url());
    let text = lines();
    for (time, bytes) in
        [("20260101T000000.000Z", text.replace("@yearly", "@hourly")), ("20260102T000000.000Z", text.clone())]
    {
        let name = format!("backups/backup-dkron_{time}.ndjson");
        cli.write(&name, bytes);
        if time.starts_with("20260101") {
            cli.write(&manifest_name(&name), manifest(text.as_bytes()));
        }
    }
    let mut said = String::new();
    refusal(&mut said, "one was interrupted, one changed", &cli.run(&["restore", "--backups", "backups"]), &server);
    let listed = cli.run(&["backup", "verify", "--backups", "backups"]).exits(1);
    writeln!(said, "== verified\n{}", listed.stdout).expect("a string");
    insta::assert_snapshot!("damaged", said);
}

#[test]
fn a_file_of_two_gigabytes_is_refused_fast_and_in_little_memory() {
    let server = Server::start();
    let cli = Cli::new().dkron(server.url());
    cli.write("long.ndjson", format!("{}\n{{\"name\":\"", job("a")));
    let file = File::options().write(true).open(cli.path("long.ndjson")).expect("the file");
    file.set_len(2 << 30).expect("a file with a hole");
    // Kilobytes of address space, which is more than what is really used, and seconds of a processor.
    let ran =
        cli.run_under("sh", &["-c", "ulimit -v 400000; ulimit -t 20; exec \"$@\"", "sh"], &["restore", "long.ndjson"]);
    let mut text = String::new();
    refusal(&mut text, "a file of 2 GB", &ran, &server);
    insta::assert_snapshot!(text, @r"
    == a file of 2 GB: exit code 1
    error: long.ndjson is longer than 268435456 bytes; name another file, or cut it into several
    ");
}

#[test]
fn a_folder_that_may_not_be_read_is_a_clear_error() {
    let server = Server::start();
    let cli = Cli::new().dkron(server.url()).file("closed/jobs.ndjson", lines());
    let closed = cli.path("closed");
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).expect("our own folder");
    // Who may read everything must let go of that first: in a user namespace that knows no user.
    let run = |args: &[&str]| match fs::read_dir(&closed) {
        Ok(_) => cli.run_under("unshare", &["-U"], args),
        Err(_) => cli.run(args),
    };
    let ran =
        [&["restore", "closed"][..], &["restore", "--backups", "closed"], &["backup", "--backups", "closed"]].map(run);
    fs::set_permissions(&closed, Permissions::from_mode(0o700)).expect("our own folder");
    if ran[0].stderr.starts_with("unshare: ") {
        return skip("a_folder_that_may_not_be_read_is_a_clear_error", "this user may read everything");
    }
    let mut text = String::new();
    for (what, ran) in ["a folder to read", "a place of backups", "a place for a backup"].iter().zip(&ran) {
        refusal(&mut text, what, ran, &server);
    }
    insta::assert_snapshot!("closed", text);
}

#[test]
fn a_store_that_says_no_is_a_clear_error() {
    let server = Server::start();
    let mut text = String::new();
    for status in [StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE] {
        let bucket = Bucket::saying(status);
        let place = format!("s3://{BUCKET}/nightly");
        let cli = bucket
            .environment()
            .into_iter()
            .fold(Cli::new().dkron(server.url()), |cli, (name, value)| cli.env(name, value));
        let cli = cli.env("JOBS_BACKUPS", place).env("DKRON_WAIT_TIMEOUT", "3s");
        for command in ["restore", "backup"] {
            let ran = cli.run(&[command]);
            let stderr = without_numbers(&ran.stderr.replace(bucket.url(), "[store]"));
            refusal(&mut text, &format!("{command}, {status}"), &Ran { stderr, ..ran }, &server);
        }
    }
    insta::assert_snapshot!("says_no", text);
}

/// How long and how often a store was asked is another number each time.
fn without_numbers(text: &str) -> String {
    let digits = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let words: Vec<_> = text.split(' ').collect();
    let varies = |at: usize| digits(words[at]) && at > 0 && ["in", "after"].contains(&words[at - 1]);
    (0..words.len()).map(|at| if varies(at) { "[…]" } else { words[at] }).collect::<Vec<_>>().join(" ")
}

/// A backup of these is larger than the disk.
fn a_full_dkron(server: &Server) -> Cli {
    let cli = Cli::new().dkron(server.url());
    many(&cli, 900);
    let _ = cli.run(&["apply"]).ok();
    drop(server.writes());
    cli
}

#[test]
fn a_full_disk_is_a_clear_error_and_leaves_what_was_there() {
    let server = Server::start();
    let cli = a_full_dkron(&server);
    fs::create_dir(cli.path("disk")).expect("a folder");
    // A user namespace of its own, in which anybody may mount.
    let mount = "mount -t tmpfs -o size=256k none disk || exit 77
        mkdir disk/backups && echo old > disk/backups/mine || exit 77
        \"$@\"; code=$?; ls -A disk/backups >&2; exit $code";
    let ran = cli.run_under("unshare", &["-Urm", "sh", "-c", mount, "sh"], &["backup", "--backups", "disk/backups"]);
    if ran.code == Some(77) || ran.stderr.starts_with("unshare: ") {
        return skip("a_full_disk_is_a_clear_error_and_leaves_what_was_there", "no small disk can be mounted here");
    }
    assert_eq!((ran.code, ran.stdout.as_str(), server.writes()), (Some(1), "", vec![]), "{ran}");
    insta::assert_snapshot!(without_time(&ran.stderr), @r"
    error: cannot write disk/backups/backup-dkron_[…].ndjson: No space left on device (os error 28); make room and run it again, nothing was left half-written
    mine
    ");
}

#[test]
fn a_file_that_may_not_grow_is_a_clear_error_and_leaves_what_was_there() {
    let server = Server::start();
    let cli = a_full_dkron(&server).file("backups/mine", "old");
    let limit = "trap '' XFSZ; ulimit -f 64; \"$@\"; code=$?; ls -A backups >&2; exit $code";
    let ran = cli.run_under("sh", &["-c", limit, "sh"], &["backup", "--backups", "backups"]);
    assert_eq!((ran.code, ran.stdout.as_str(), server.writes()), (Some(1), "", vec![]), "{ran}");
    insta::assert_snapshot!(without_time(&ran.stderr), @r"
    error: cannot write backups/backup-dkron_[…].ndjson: File too large (os error 27); make room and run it again, nothing was left half-written
    mine
    ");
}

/// A backup has the time in its name.
fn without_time(text: &str) -> String {
    let (before, rest) = text.split_once("backup-dkron_").expect("the file that was being written");
    let (_, after) = rest.split_once(".ndjson").expect("its ending");
    format!("{before}backup-dkron_[…].ndjson{after}")
}
