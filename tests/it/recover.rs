//! Nothing is ever lost: everything that a Dkron holds is saved, and is the same again in an empty one.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::Cli;
use crate::http;
use crate::job_set::{COUNT, RUNS, definition, jobs};
use crate::old_script;
use crate::rig::many;
use crate::server::{Server, skip};

/// An http server that says yes to everything, and counts by path.
struct Target {
    url: String,
    hits: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Target {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let hits = Arc::new(Mutex::new(BTreeMap::new()));
        let counted = Arc::clone(&hits);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).unwrap_or_default();
                let line = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
                *counted.lock().unwrap_or_else(PoisonError::into_inner).entry(path).or_default() += 1;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        Self { url, hits }
    }

    /// What was counted since the last time.
    fn take(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut *self.hits.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hits(&self) -> usize {
        self.hits.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

/// What the clients own of each job, as the server gives it.
pub(crate) fn definitions(jobs: &[Value]) -> BTreeMap<String, Value> {
    jobs.iter().map(|job| (job["name"].as_str().expect("a name").to_owned(), definition(job.clone()))).collect()
}

/// Each parent lists each of its children once, and nothing else.
#[track_caller]
pub(crate) fn families_are_whole(jobs: &[Value]) {
    for job in jobs {
        let name = job["name"].as_str();
        let mut listed: Vec<_> =
            job["dependent_jobs"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        listed.sort_unstable();
        let mut children: Vec<_> = jobs
            .iter()
            .filter(|job| job["parent_job"].as_str() == name)
            .filter_map(|job| job["name"].as_str())
            .collect();
        children.sort_unstable();
        assert_eq!(listed, children, "the children of {name:?}");
    }
}

/// One way in which the jobs of a Dkron were saved, and the arguments that bring them back.
struct Form {
    name: &'static str,
    args: Vec<String>,
}

fn save_in_every_form(cli: &Cli, server: &Server) -> Vec<Form> {
    let mut forms = Vec::new();
    for (name, packing) in [("plain", "none"), ("gzip", "gzip"), ("zstd", "zstd")] {
        let saved = cli.run(&["backup", "--backups", name, "--compress", packing, "--dkron-url", server.url()]).ok();
        assert!(saved.stdout.starts_with(&format!("saved {COUNT} jobs in {name}, backup-dkron_")), "{saved}");
        forms.push(Form { name, args: vec!["--backups".to_owned(), name.to_owned()] });
    }
    cli.write("list.json", http::get(&server.node_url(0), "/v1/jobs").body);
    forms.push(Form { name: "a JSON array", args: vec!["list.json".to_owned()] });
    for job in server.jobs() {
        cli.write(&format!("one-each/{}.json", job["name"].as_str().expect("a name")), job.to_string());
    }
    forms.push(Form { name: "a file each", args: vec!["one-each".to_owned()] });
    if let Some(tool) = old_script::missing_tool() {
        skip("recover: a file of the old script", &format!("there is no {tool} here"));
    } else {
        fs::create_dir(cli.path("old")).expect("a folder");
        let file = old_script::backup(&server.node_url(0), &cli.path("old"));
        forms.push(Form { name: "the old script", args: vec![file.display().to_string()] });
    }
    forms
}

#[test]
fn what_was_saved_in_any_form_is_the_same_again_in_an_empty_dkron() {
    let target = Target::start();
    let cli = Cli::new().env("DKRON_WAIT_TIMEOUT", "20s");
    let (forms, before) = {
        let server = Server::start();
        for job in jobs(&target.url) {
            server.put(&job);
        }
        let before = server.jobs();
        families_are_whole(&before);
        (save_in_every_form(&cli, &server), definitions(&before))
    };
    assert_eq!(before.len(), COUNT);
    for form in forms {
        let server = Server::start();
        let with = |args: &[&str]| {
            let url = server.url().to_owned();
            let all: Vec<&str> =
                args.iter().copied().chain(form.args.iter().map(String::as_str)).chain(["--dkron-url", &url]).collect();
            cli.run(&all)
        };
        let restored = with(&["restore", "--output", "json"]).ok();
        let summary = &restored.json()["summary"];
        assert_eq!((&summary["created"], &summary["restored"]), (&json!(COUNT), &json!(COUNT)), "{}", form.name);
        assert_eq!(server.writes().len(), COUNT, "{}: one write a job", form.name);
        let after = server.jobs();
        for (name, job) in definitions(&after) {
            assert_eq!(Some(&job), before.get(&name), "{}: {name}", form.name);
        }
        assert_eq!(after.len(), COUNT, "{}", form.name);
        families_are_whole(&after);
        let again = with(&["restore"]).ok();
        assert!(again.stdout.contains("nothing to do"), "{}: {again}", form.name);
        assert_eq!(server.writes(), Vec::<String>::new(), "{}", form.name);
        a_run_runs_each_child_once(&server, &target, form.name);
        let mended = restored.json()["warnings"].to_string().contains("had a line break within a text");
        assert_eq!(mended, form.name == "the old script", "{}: {restored}", form.name);
    }
}

/// Who has only the old script at hand loses nothing either: our lines are its lines.
#[test]
fn the_old_script_restores_what_we_have_saved() {
    if let Some(tool) = old_script::missing_tool() {
        return skip("the_old_script_restores_what_we_have_saved", &format!("there is no {tool} here"));
    }
    let cli = Cli::new().env("DKRON_WAIT_TIMEOUT", "20s").env("JOBS_BACKUPS", "backups");
    let (file, before) = {
        let server = Server::start();
        for job in jobs("http://127.0.0.1:9") {
            server.put(&job);
        }
        let saved = cli.run(&["backup", "--output", "json", "--dkron-url", server.url()]).ok().json();
        (cli.path("backups").join(saved["file"].as_str().expect("a name")), definitions(&server.jobs()))
    };
    let server = Server::start();
    old_script::restore(&server.node_url(0), &cli.path("."), &file);
    let after = server.jobs();
    assert_eq!(definitions(&after), before);
    families_are_whole(&after);
}

fn a_run_runs_each_child_once(server: &Server, target: &Target, form: &str) {
    drop(target.take());
    let run = http::ask(&server.node_url(0), "POST", &format!("/v1/jobs/{}/run", RUNS[0]), "");
    assert_eq!(run.status, 200, "{}", run.text());
    let start = Instant::now();
    while target.hits() < RUNS.len() && start.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(20));
    }
    // A second run of one of them would come now.
    thread::sleep(Duration::from_millis(500));
    let once: BTreeMap<_, _> = RUNS.into_iter().map(|name| (name.to_owned(), 1)).collect();
    assert_eq!(target.take(), once, "{form}: one run of {}", RUNS[0]);
}

#[test]
fn a_backup_right_after_a_restart_holds_every_job() {
    const JOBS: usize = 1500;
    if std::env::var_os("DKRON_URL").is_some() {
        let why = "a Dkron that is not ours is not restarted";
        return skip("a_backup_right_after_a_restart_holds_every_job", why);
    }
    let mut server = Server::start();
    let cli = Cli::new().dkron(&server.node_url(0)).env("DKRON_WAIT_TIMEOUT", "60s").env("JOBS_BACKUPS", "backups");
    many(&cli, JOBS);
    let _ = cli.run(&["apply"]).ok();
    for round in 1..=3 {
        server.restart();
        let saved = cli.run(&["backup", "--output", "json"]).ok().json();
        assert_eq!(saved["manifest"]["count"], JOBS, "{saved}");
        let file: PathBuf = cli.path("backups").join(saved["file"].as_str().expect("a name"));
        let text = fs::read_to_string(file).expect("the backup");
        let jobs: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a job")).collect();
        assert_eq!(definitions(&jobs).len(), JOBS, "round {round}");
    }
    let verified = cli.run(&["backup", "verify", "--output", "json"]).ok().json();
    assert_eq!(verified["backups"].as_array().map(Vec::len), Some(3), "{verified}");
}
