//! Backup files with something wrong anywhere in them: 10,000 of them are read, or `PROPTEST_CASES`, and some are restored.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use dkron_jobs::snapshot::{Manifest, Reader};
use dkron_jobs::store::read_file;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::Cli;
use crate::laws::law;
use crate::server::Server;

/// Something that happens to a file.
#[derive(Debug, Clone)]
pub(crate) enum Mutation {
    /// These bits of a byte are turned.
    Flip(Index, u8),
    /// What stands between two places is gone.
    Cut(Index, Index),
    /// Something more stands there.
    Insert(Index, Vec<u8>),
    /// What stands between two places stands at a third one too.
    Duplicate(Index, Index, Index),
    /// Two lines change places.
    Swap(Index, Index),
    /// A line break is gone.
    Join(Index),
    /// The end is that of another file, from some place on.
    Splice(Index, Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<Index>;
    let bytes = prop_oneof![
        proptest::sample::select(vec![
            "}{",
            "\n",
            "}\n{",
            "\"",
            "\\",
            ",",
            "{",
            "}",
            "[",
            "]",
            "\u{2028}",
            "{\"name\":\"b\"}\n",
            "\u{feff}"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 1..20),
    ];
    prop_oneof![
        3 => (place(), 1..=255_u8).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        1 => (place(), place()).prop_map(|(a, b)| Mutation::Cut(a, b)),
        2 => (place(), bytes).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        1 => (place(), place(), place()).prop_map(|(a, b, to)| Mutation::Duplicate(a, b, to)),
        1 => (place(), place()).prop_map(|(a, b)| Mutation::Swap(a, b)),
        1 => place().prop_map(Mutation::Join),
        1 => (place(), place(), place()).prop_map(|(other, at, from)| Mutation::Splice(other, at, from)),
    ]
}

/// A file as it was, by its number, and what happens to it.
pub(crate) fn mutated(most: usize) -> impl Strategy<Value = (Index, Vec<Mutation>)> {
    (any::<Index>(), vec(mutation(), 1..=most))
}

fn between(bytes: &[u8], a: Index, b: Index) -> (&[u8], usize, usize) {
    let [a, b] = [a, b].map(|place| place.index(bytes.len() + 1));
    (&bytes[a.min(b)..a.max(b)], a.min(b), a.max(b))
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation, files: &[Vec<u8>]) {
    match mutation {
        Mutation::Flip(at, bits) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        Mutation::Flip(..) => {}
        Mutation::Cut(a, b) => {
            let (_, from, to) = between(bytes, *a, *b);
            bytes.drain(from..to);
        }
        Mutation::Insert(at, more) => {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, more.iter().copied());
        }
        Mutation::Duplicate(a, b, to) => {
            let part = between(bytes, *a, *b).0.to_vec();
            let to = to.index(bytes.len() + 1);
            bytes.splice(to..to, part);
        }
        Mutation::Swap(a, b) => {
            let mut lines: Vec<_> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            if !lines.is_empty() {
                let [a, b] = [a, b].map(|line| line.index(lines.len()));
                lines.swap(a, b);
            }
            *bytes = lines.concat();
        }
        Mutation::Join(line) => {
            let breaks: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at] == b'\n').collect();
            if !breaks.is_empty() {
                bytes.remove(breaks[line.index(breaks.len())]);
            }
        }
        Mutation::Splice(other, at, from) => {
            let other = &files[other.index(files.len())];
            bytes.truncate(at.index(bytes.len() + 1));
            bytes.extend_from_slice(&other[from.index(other.len() + 1)..]);
        }
    }
}

/// The files before anything happens to them: our own, a list of Dkron's, what the script of old makes of it, and packed ones.
fn files() -> Vec<Vec<u8>> {
    let job = |name: &str, parent: &str, body: &str| {
        json!({
            "id": name, "name": name, "schedule": if parent.is_empty() { "0 0 3 * * *" } else { "" }, "parent_job": parent,
            "executor": "http", "executor_config": {"method": "POST", "url": "http://127.0.0.1:9/x", "body": body},
            "tags": null, "metadata": {"scope": "é"}, "retries": 2, "disabled": false, "concurrency": "allow",
            "timezone": "Europe/Paris", "starts_at": "2098-06-01T00:00:00Z", "expires_at": null, "next": "2099-01-01T00:00:00Z",
        })
    };
    let jobs =
        [job("z", "", "}{ \n \\ \u{2028}"), job("m", "z", "{\"in\":\"}{\"}"), job("a", "m", "plain"), job("b", "", "")];
    let lines = jobs.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n") + "\n";
    let list = Value::from(jobs.to_vec()).to_string();
    let script = jobs.iter().map(Value::to_string).collect::<String>().replace("}{", "}\n{") + "\n";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(lines.as_bytes()).expect("memory");
    let zstd = zstd::encode_all(lines.as_bytes(), 0).expect("memory");
    vec![lines.into(), list.into(), script.into(), gzip.finish().expect("memory"), zstd]
}

/// The file after it.
pub(crate) fn made((file, mutations): &(Index, Vec<Mutation>), files: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = files[file.index(files.len())].clone();
    for mutation in mutations {
        mutate(&mut bytes, mutation, files);
    }
    bytes
}

/// What comes of reading a file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    names: BTreeSet<String>,
    pieces: u64,
    problems: u64,
    /// It could not be unpacked.
    packed: bool,
}

fn read(path: &Path) -> Found {
    let Ok(bytes) = read_file(path) else { return Found { packed: true, ..Found::default() } };
    let mut found = Found::default();
    for record in Reader::default().read(&"mutated".into(), &bytes) {
        found.pieces += 1;
        match record {
            Ok(record) => {
                found.names.insert(record.live.job.name.to_string());
            }
            Err(_) => found.problems += 1,
        }
    }
    found
}

/// How many objects any JSON reader finds, where there are only objects.
fn objects(bytes: &[u8]) -> Option<u64> {
    let values: Vec<Value> = serde_json::Deserializer::from_slice(bytes).into_iter().collect::<Result<_, _>>().ok()?;
    let objects = match &values[..] {
        [Value::Array(elements)] => elements.clone(),
        _ => values,
    };
    objects.iter().all(Value::is_object).then_some(objects.len() as u64)
}

#[test]
fn no_file_is_read_in_part_or_ends_the_program() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("mutated");
    let files = files();
    let (whole, broken, counted) = (Cell::new(0_usize), Cell::new(0_usize), Cell::new(0_usize));
    law(mutated(3), |case| {
        let bytes = made(&case, &files);
        fs::write(&path, &bytes).expect("a file");
        let found = read(&path);
        // Without a problem each piece is a job of its own name.
        if found.problems == 0 {
            prop_assert_eq!(found.names.len() as u64, found.pieces);
        }
        if let Some(objects) = objects(&bytes) {
            counted.set(counted.get() + 1);
            prop_assert_eq!(found.pieces, objects, "each object is a job or a problem");
        }
        let good = found.problems == 0 && !found.packed;
        let count = if good { &whole } else { &broken };
        count.set(count.get() + 1);
        Ok(())
    });
    let all = whole.get() + broken.get();
    assert!(whole.get() > all / 20, "{} of {all} could be read", whole.get());
    assert!(broken.get() > all / 4, "{} of {all} could not be read", broken.get());
    assert!(counted.get() > all / 20, "{} of {all} were JSON", counted.get());
}

#[test]
fn no_file_is_restored_in_part() {
    // Every third one has a manifest that was written for it as it was.
    let count = if std::env::var_os("PROPTEST_CASES").is_some() { 900 } else { 90 };
    let server = Server::start();
    let cli = Cli::new().dkron(server.url());
    let files = files();
    let mut runner = TestRunner::deterministic();
    let (mut restored, mut refused) = (0, 0);
    for number in 0..count {
        let case = mutated(1).new_tree(&mut runner).expect("a case").current();
        let original = &files[case.0.index(files.len())];
        let bytes = made(&case, &files);
        let name = format!("{number}.ndjson");
        cli.write(&name, &bytes);
        let described = number % 3 == 0;
        if described {
            let manifest =
                Manifest::new(Timestamp::UNIX_EPOCH, "default", "main", "http://dkron:8080", None, 4).of(original);
            cli.write(&format!("{name}.manifest.json"), manifest.to_text());
        }
        let ran = cli.run(&["restore", &name]);
        let mut writes = server.writes();
        if ran.code == Some(0) {
            restored += 1;
            assert!(!described || bytes == *original, "it is not what its manifest says: {ran}");
            let read = read(&cli.path(&name));
            assert_eq!((read.problems, read.packed), (0, false), "{ran}");
            let names: BTreeSet<_> = server.names().into_iter().collect();
            assert_eq!(names, read.names, "{ran}");
            writes.sort_unstable();
            let each: Vec<_> = read.names.iter().map(|name| format!("POST /v1/jobs {name}")).collect();
            assert_eq!(writes, each, "{ran}");
            server.clear();
        } else if ran.stdout.contains("is not one that this version of dkron-jobs knows") {
            // Each piece is a job, and the server takes those whose schedule it knows.
            let read = read(&cli.path(&name));
            assert_eq!((ran.code, read.problems, read.packed), (Some(1), 0, false), "{ran}");
            assert!(!described && ran.stdout.contains("Job validation failed: "), "{ran}");
            assert!(server.names().iter().all(|name| read.names.contains(name)), "{ran}");
            server.clear();
        } else {
            refused += 1;
            assert_eq!(writes, Vec::<String>::new(), "{case:?}: {ran}");
            assert!(ran.stderr.contains("error: "), "{ran}");
        }
    }
    assert!(restored >= 10 && refused >= 20, "{restored} restored, {refused} refused");
}
