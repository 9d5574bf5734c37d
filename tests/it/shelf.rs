//! A folder of backups beside a run: what lies in it, and backups of any time put into it.

use std::collections::BTreeMap;

use dkron_jobs::snapshot::{Manifest, Packing, file_name, manifest_name};
use jiff::Timestamp;
use serde_json::Value;

use crate::cli::Cli;

/// The folder, as runs name it.
pub(crate) const SHELF: &str = "backups";

/// Puts a good backup of these jobs on the shelf and gives its file's name.
pub(crate) fn put(cli: &Cli, time: Timestamp, namespace: &str, jobs: &[Value]) -> String {
    put_into(cli, SHELF, time, namespace, jobs)
}

/// The same into a folder of this name.
pub(crate) fn put_into(cli: &Cli, folder: &str, time: Timestamp, namespace: &str, jobs: &[Value]) -> String {
    let text: String = jobs.iter().flat_map(|job| [job.to_string(), "\n".to_owned()]).collect();
    let manifest =
        Manifest::new(time, namespace, "main", "http://dkron:8080", None, jobs.len() as u64).of(text.as_bytes());
    let file = file_name(time, Packing::Plain);
    cli.write(&format!("{folder}/{file}"), text);
    cli.write(&format!("{folder}/{}", manifest_name(&file)), manifest.to_text());
    file
}

/// Every file on the shelf with its bytes; none where there is no shelf yet.
pub(crate) fn contents(cli: &Cli) -> BTreeMap<String, Vec<u8>> {
    contents_of(cli, SHELF)
}

/// The same of a folder of this name.
pub(crate) fn contents_of(cli: &Cli, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(cli.path(folder)) else { return BTreeMap::new() };
    let entries = entries.map(|entry| entry.expect("an entry"));
    let file = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().expect("a name");
        (name, std::fs::read(entry.path()).expect("a file"))
    };
    entries.map(file).collect()
}

/// The names of the backups on the shelf, the oldest first; each has its manifest, and there is nothing else.
#[track_caller]
pub(crate) fn files(cli: &Cli) -> Vec<String> {
    let contents = contents(cli);
    let (manifests, files): (Vec<_>, Vec<_>) = contents.into_keys().partition(|name| name.ends_with(".manifest.json"));
    let theirs: Vec<_> = files.iter().map(|file| manifest_name(file)).collect();
    assert_eq!(manifests, theirs);
    files
}

/// The manifest of a backup on the shelf.
pub(crate) fn manifest(cli: &Cli, file: &str) -> Value {
    let text = std::fs::read(cli.path(SHELF).join(manifest_name(file))).expect("a manifest");
    serde_json::from_slice(&text).expect("a manifest is JSON")
}

/// The jobs of an unpacked file, one a line.
pub(crate) fn jobs(cli: &Cli, path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(cli.path(path)).expect("a file of jobs");
    text.lines().map(|line| serde_json::from_str(line).expect("a job is JSON")).collect()
}

/// A job as a hand would make it.
pub(crate) fn hand_made(name: &str) -> Value {
    serde_json::json!({
        "name": name,
        "schedule": "@yearly",
        "executor": "http",
        "executor_config": {"method": "GET", "url": format!("http://127.0.0.1:9/{name}")},
    })
}
