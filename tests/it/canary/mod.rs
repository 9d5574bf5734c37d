//! No secret in any output: a canary in every place where a secret can be, and each of them looked for in every byte that any
//! command prints, logs, reports or writes, but for where it belongs.

mod places;
mod scenes;
mod servers;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::cli::Cli;
use crate::server::note;

use self::places::{PLACES, Place, belongs};
use self::scenes::Scene;

/// A leak: which canary, and where.
struct Leak {
    place: &'static str,
    scene: String,
    output: String,
    line: String,
}

/// What was looked through.
#[derive(Default)]
struct Searched {
    outputs: usize,
    bytes: usize,
    leaks: Vec<Leak>,
    /// The canaries that were found where they belong: they were really there.
    alive: BTreeSet<&'static str>,
}

impl Searched {
    /// Another search's finds.
    fn add(&mut self, other: Self) {
        self.outputs += other.outputs;
        self.bytes += other.bytes;
        self.leaks.extend(other.leaks);
        self.alive.extend(other.alive);
    }

    /// Looks for every canary in one output.
    fn look(&mut self, scene: &str, output: &str, text: &[u8]) {
        self.outputs += 1;
        self.bytes += text.len();
        let text = String::from_utf8_lossy(text);
        let lower = text.to_lowercase();
        for place in PLACES {
            let Some(form) =
                place.forms().into_iter().find(|form| lower.contains(&*form.text) || text.contains(&*form.text))
            else {
                continue;
            };
            if belongs(place, scene, output) {
                self.alive.insert(place.name);
                continue;
            }
            let line =
                text.lines().find(|line| line.contains(&*form.text) || line.to_lowercase().contains(&*form.text));
            let line = line.unwrap_or_default().chars().take(300).collect();
            let (scene, output) = (scene.to_owned(), format!("{output}, {}", form.what));
            self.leaks.push(Leak { place: place.name, scene, output, line });
        }
    }

    /// Looks through a run's output and every file that is new since.
    fn scene(&mut self, cli: &Cli, scene: &Scene) {
        let before = files(&cli.path(""));
        let ran = cli.run(&scene.args());
        assert!(scene.codes.contains(&ran.code.unwrap_or(-1)), "{}: {ran}", scene.name);
        self.look(scene.name, "stdout", ran.stdout.as_bytes());
        self.look(scene.name, "stderr", ran.stderr.as_bytes());
        for file in files(&cli.path("")) {
            let bytes = fs::read(&file.0).unwrap_or_default();
            if before.contains(&file) {
                continue;
            }
            let name = file.0.strip_prefix(cli.path("")).unwrap_or(&file.0).display().to_string();
            self.look(scene.name, "the name of a file", name.as_bytes());
            self.look(scene.name, &name, &bytes);
        }
    }
}

/// Every file below a folder, and when it was written.
fn files(folder: &Path) -> Vec<(PathBuf, Option<SystemTime>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::metadata(&path).and_then(|data| data.modified()).ok()));
        }
    }
    found
}

#[test]
fn no_secret_is_in_any_output() {
    let search = |format: &'static str| {
        let mut searched = Searched::default();
        scenes::run(format, &mut searched);
        searched
    };
    // Most of the time is waiting.
    let beside = thread::spawn(move || search("json"));
    let mut all = search("plain");
    all.add(beside.join().expect("the other half"));
    let Searched { outputs, bytes, leaks, alive } = all;
    note(
        "TEST_FIGURES",
        &format!(
            "canaries: {} places, looked for in {outputs} outputs ({bytes} bytes), {} leaks",
            PLACES.len(),
            leaks.len()
        ),
    );
    let said: Vec<_> = leaks
        .iter()
        .map(|Leak { place, scene, output, line }| format!("{place} is in {output} of `{scene}`: {line}"))
        .collect();
    assert!(said.is_empty(), "{} leaks:\n{}", said.len(), said.join("\n"));
    // A canary that is seen nowhere may never have been there.
    let asleep: Vec<_> =
        PLACES.iter().filter(|place| place.is_seen && !alive.contains(place.name)).map(|p| p.name).collect();
    assert!(asleep.is_empty(), "never seen where they belong: {asleep:?}");
}

impl Place {
    /// The canary itself: a word that is nobody's else.
    fn canary(&self) -> String {
        let number = PLACES.iter().position(|place| place.name == self.name).expect("a place of the list");
        format!("Kanari{number:02}Zq7w")
    }

    /// As it may stand in an output: in any case, backwards, as base64, as hexadecimal, percent-encoded.
    fn forms(&self) -> Vec<Form> {
        let canary = self.canary();
        let lower = canary.to_lowercase();
        let each = |format: fn(u8) -> String| canary.bytes().map(format).collect::<String>();
        let mut forms = vec![
            Form { what: "as it is", text: lower.clone() },
            Form { what: "backwards", text: lower.chars().rev().collect() },
            Form { what: "in hexadecimal", text: each(|byte| format!("{byte:02x}")) },
            Form { what: "percent-encoded", text: each(|byte| format!("%{byte:02x}")) },
        ];
        for shift in 0..3 {
            let shifted = [&vec![b' '; shift][..], canary.as_bytes()].concat();
            let text = BASE64_STANDARD.encode(&shifted);
            // What the neighbours have a part in is left out.
            let (from, to) = ((shift * 8).div_ceil(6), (shifted.len() * 8) / 6);
            forms.push(Form { what: "in base64", text: text[from..to].to_owned() });
        }
        forms
    }
}

/// One way to write a canary.
struct Form {
    what: &'static str,
    text: String,
}
