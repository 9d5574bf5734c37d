//! The guides of `docs/`: each page is its own test. Its files are written and its commands run, in order and in one bash, in an empty
//! folder and against an empty Dkron, and what they print must be what the page shows.
//!
//! A page says what to do with a fence in a comment on the line before it, which no reader sees:
//!
//! - `<!-- file: PATH -->` the fence is this file; it is written at this point of the page;
//! - `<!-- exit: N -->` the last command of the fence ends with N, not 0;
//! - `<!-- skip: WHY -->` its commands are not run; that is said among the skipped tests.
//!
//! In a `console` fence lines after `$ ` are commands (a `\` at the end goes on in the next line), everything else is what they print. A line
//! `...` stands for any lines. `http://127.0.0.1:8080` is the page's Dkron, and `http://127.0.0.1:8081` a second one.
//! `BLESS=1 cargo test --test it guides` writes what is printed into the page where it differs by more than times and digests.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::cli::{BINARY, repository};
use crate::old_script::missing_tool;
use crate::server::{Server, skip};

/// What a page calls its Dkrons.
const DKRONS: [&str; 2] = ["http://127.0.0.1:8080", "http://127.0.0.1:8081"];
/// No page takes longer; one with a cluster is given more than its pods need.
const LIMIT_SECONDS: &str = "600";

/// One fence of a page: where its text stands, and what is to be done with it.
struct Fence {
    /// The lines between the fence's marks.
    lines: std::ops::Range<usize>,
    kind: Fenced,
}

enum Fenced {
    File { path: String },
    Console { exit: i32, skip: Option<String> },
}

/// A command of a page, and what the page shows below it.
struct Shown {
    command: String,
    exit: i32,
    /// The page's lines with its output.
    output: std::ops::Range<usize>,
}

/// What is done, in order.
enum Step {
    File { path: String, text: String },
    Run(Shown),
}

/// The names in the page, and what they are in this run.
type Names = Vec<(String, String)>;

#[test]
fn first_steps() {
    on_servers("first-steps.md");
}

#[test]
fn from_the_scripts() {
    match missing_tool() {
        Some(tool) => skip("guides::from_the_scripts", &format!("there is no {tool}")),
        None => on_servers("from-the-scripts.md"),
    }
}

/// With `GUIDE_CLUSTER`, which `tests/cluster/run` sets, all of it, on the cluster of KUBECONFIG. With `GUIDE_HELM`, which
/// `tests/chart/run` sets, what Helm alone can do: each install and upgrade is rendered. Those two say so where they are skipped.
#[test]
fn with_helm() {
    let (page, steps) = read("with-helm.md");
    let is_install = |step: &Step| matches!(step, Step::Run(shown) if shown.command.starts_with("helm install "));
    assert!(steps.iter().any(is_install), "docs/with-helm.md installs something");
    let has = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    if has("GUIDE_CLUSTER") {
        let port = free_port();
        let names = vec![
            ("port-forward service/shop-dkron 8080".to_owned(), format!("port-forward service/shop-dkron {port}:8080")),
            (DKRONS[0].to_owned(), format!("http://127.0.0.1:{port}")),
        ];
        walk("with-helm.md", &page, &steps, &names);
    } else if has("GUIDE_HELM") {
        let rendered = steps.into_iter().filter_map(rendered).collect::<Vec<_>>();
        let folder = folder();
        for (shown, ran) in run(folder.path(), &rendered, &Names::new()) {
            assert!(ran.code == 0 && ran.output.contains("kind: "), "{}\n{}", shown.command, ran.output);
        }
    }
}

/// An install or upgrade as Helm renders it without a cluster; files stay, and whatever else there is needs a cluster.
fn rendered(step: Step) -> Option<Step> {
    let Step::Run(shown) = step else { return Some(step) };
    let rest = ["helm install ", "helm upgrade "].iter().find_map(|verb| shown.command.strip_prefix(verb))?;
    let command = format!("helm template {rest} --kube-version 1.34.0");
    Some(Step::Run(Shown { command, exit: 0, ..shown }))
}

#[test]
fn a_page_that_shows_something_else_is_found() {
    let page = "```console\n$ echo one; echo 2026-01-02T03:04:05Z\none\n2025-11-12T13:14:15Z\n$ printf 'a\\nb\\nc\\n'\na\n...\n$ echo two\nthree\n```\n";
    let steps = steps(page);
    let ran = run(folder().path(), &steps, &Names::new());
    let lines: Vec<_> = page.lines().collect();
    let same: Vec<_> = ran.iter().map(|(shown, ran)| is_as_shown(&lines[shown.output.clone()], &ran.output)).collect();
    assert_eq!(same, [true, true, false]);
    assert!(
        is_as_shown(&["NEXT   A", "in 1m 9s  a"], "NEXT  A\nin 30s a\n") && !is_as_shown(&["every 5m"], "every 6m\n")
    );
    assert!(
        !is_as_shown(&["a", "...", "d"], "a\nb\nc\n")
            && !is_as_shown(&["a"], "a\nb\n")
            && !is_as_shown(&["a", "b"], "a\n")
    );
}

/// Walks a page that needs one Dkron, or two.
fn on_servers(name: &str) {
    let (page, steps) = read(name);
    let wanted = DKRONS.iter().filter(|url| page.contains(**url)).count();
    if wanted > 1 && !Server::can_be_ours(&format!("guides, {name}")) {
        return;
    }
    let servers: Vec<_> = (0..wanted).map(|_| Server::start()).collect();
    let names: Names =
        DKRONS.iter().zip(&servers).map(|(url, server)| ((*url).to_owned(), server.url().to_owned())).collect();
    walk(name, &page, &steps, &names);
}

/// Runs what a page says, and holds what is printed against what it shows, or writes it there.
fn walk(name: &str, page: &str, steps: &[Step], names: &Names) {
    let folder = folder();
    let ran = run(folder.path(), steps, names);
    let mut lines: Vec<_> = page.lines().map(str::to_owned).collect();
    let mut wrong = String::new();
    // From the end, so that lines before keep their numbers.
    for (shown, ran) in ran.iter().rev() {
        let old: Vec<_> = lines[shown.output.clone()].iter().map(String::as_str).collect();
        let (is_same, is_code) = (is_as_shown(&old, &ran.output), ran.code == shown.exit);
        if is_same && is_code {
            continue;
        }
        let problem = format!(
            "$ {}\nexit code {}, and {} is expected; the page shows:\n{}\nand it printed:\n{}\n",
            shown.command,
            ran.code,
            shown.exit,
            old.join("\n"),
            ran.output
        );
        // A wrong exit code is never blessed.
        assert!(is_code || std::env::var_os("BLESS").is_none(), "docs/{name}: {problem}");
        wrong.insert_str(0, &problem);
        lines.splice(shown.output.clone(), ran.output.lines().map(str::to_owned));
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(repository().join("docs").join(name), lines.join("\n") + "\n").expect("the page");
    } else {
        assert!(
            wrong.is_empty(),
            "docs/{name} shows something else; `BLESS=1 cargo test --test it guides` rewrites it.\n{wrong}"
        );
    }
}

/// A page and what it says to do; what it says not to run is told.
fn read(name: &str) -> (String, Vec<Step>) {
    let page = fs::read_to_string(repository().join("docs").join(name)).expect("a page of docs/");
    for fence in fences(&page) {
        if let Fenced::Console { skip: Some(why), .. } = fence.kind {
            let lines: Vec<_> = page.lines().collect();
            for (command, _) in commands(&lines, fence.lines) {
                skip(&format!("guides, docs/{name}, `{command}`"), &why);
            }
        }
    }
    let steps = steps(&page);
    (page, steps)
}

fn steps(page: &str) -> Vec<Step> {
    let lines: Vec<_> = page.lines().collect();
    let mut steps = Vec::new();
    for fence in fences(page) {
        match fence.kind {
            Fenced::File { path } => steps.push(Step::File { path, text: lines[fence.lines].join("\n") + "\n" }),
            Fenced::Console { skip: Some(_), .. } => {}
            Fenced::Console { exit, skip: None } => {
                let found = commands(&lines, fence.lines);
                let last = found.len().checked_sub(1).expect("a console with a command");
                for (index, (command, output)) in found.into_iter().enumerate() {
                    steps.push(Step::Run(Shown { command, exit: if index == last { exit } else { 0 }, output }));
                }
            }
        }
    }
    steps
}

/// The fences of a page, each with its comment.
fn fences(page: &str) -> Vec<Fence> {
    let lines: Vec<_> = page.lines().collect();
    let mut fences = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some(language) = lines[at].strip_prefix("```") else {
            at += 1;
            continue;
        };
        let end = (at + 1..lines.len()).find(|line| lines[*line] == "```").expect("a fence that ends");
        let comment = at.checked_sub(1).and_then(|before| lines[before].strip_prefix("<!-- ")?.strip_suffix(" -->"));
        let (word, value) = comment.and_then(|comment| comment.split_once(": ")).unwrap_or_default();
        let kind = match (language, word) {
            (_, "file") => Fenced::File { path: value.to_owned() },
            ("console", "") => Fenced::Console { exit: 0, skip: None },
            ("console", "exit") => Fenced::Console { exit: value.parse().expect("an exit code"), skip: None },
            ("console", "skip") => Fenced::Console { exit: 0, skip: Some(value.to_owned()) },
            // A fence that is nobody's would be shown, and true of nothing.
            _ => panic!("line {}: `{word}` with a fence of `{language}` is neither a file nor commands", at + 1),
        };
        fences.push(Fence { lines: at + 1..end, kind });
        at = end + 1;
    }
    fences
}

/// The commands of a console, each with the lines of its output.
fn commands(lines: &[&str], fence: std::ops::Range<usize>) -> Vec<(String, std::ops::Range<usize>)> {
    let mut commands = Vec::new();
    let mut at = fence.start;
    while at < fence.end {
        let mut command = lines[at].strip_prefix("$ ").expect("a console begins with a command").to_owned();
        at += 1;
        while command.ends_with('\\') && at < fence.end {
            write!(command, "\n{}", lines[at]).expect("a text takes all");
            at += 1;
        }
        let begin = at;
        while at < fence.end && !lines[at].starts_with("$ ") {
            at += 1;
        }
        commands.push((command, begin..at));
    }
    commands
}

struct Ran {
    code: i32,
    output: String,
}

/// An empty folder, but for the repository's chart and scripts, which pages name.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    fs::create_dir_all(folder.path().join("work/tests")).expect("a folder");
    for name in ["charts", "tests/data"] {
        symlink(repository().join(name), folder.path().join("work").join(name)).expect("a link");
    }
    folder
}

/// Runs the steps in one bash: what a command exports or leaves running is there for the next one.
fn run<'a>(folder: &Path, steps: &'a [Step], names: &Names) -> Vec<(&'a Shown, Ran)> {
    let renamed = |text: &str| names.iter().fold(text.to_owned(), |text, (page, here)| text.replace(page, here));
    let mut script = "trap 'kill $(jobs -p) 2>/dev/null' EXIT\n".to_owned();
    for (index, step) in steps.iter().enumerate() {
        match step {
            Step::File { path, text } => {
                fs::write(folder.join(format!("{index}.file")), renamed(text)).expect("a file");
                // The last exit code is for the next command to ask for.
                let from = folder.join(format!("{index}.file"));
                writeln!(script, "mkdir -p \"$(dirname '{path}')\"; cp '{}' '{path}'", from.display())
                    .expect("a text takes all");
            }
            Step::Run(shown) => {
                let command = renamed(&shown.command).replace('\'', r"'\''");
                let at = folder.join(index.to_string());
                let at = at.display();
                writeln!(script, "eval '{command}' >{at}.out 2>&1; code=$?; echo $code >{at}.code; (exit $code)")
                    .expect("a text takes all");
            }
        }
    }
    let file = folder.join("script");
    fs::write(&file, script).expect("a script");
    let path = std::env::var("PATH").unwrap_or_default();
    let binary = Path::new(BINARY).parent().expect("the binary's folder").display();
    let mut bash = Command::new("timeout");
    bash.args([LIMIT_SECONDS, "bash"]).arg(&file).current_dir(folder.join("work")).env_clear();
    for name in ["KUBECONFIG", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        bash.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    bash.env("PATH", format!("{binary}:{path}"))
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8")
        // As on a terminal, but for colour.
        .env("JOBS_LOG_FORMAT", "plain")
        .env("NO_COLOR", "1")
        .env("DKRON_WAIT_TIMEOUT", "20s")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    bash.status().expect("bash starts");
    let shown = |text: &str| names.iter().rev().fold(text.to_owned(), |text, (page, here)| text.replace(here, page));
    let result = |index: usize, shown_step: &'a Shown| {
        let read = |ending: &str| fs::read(folder.join(format!("{index}.{ending}"))).unwrap_or_default();
        let code = String::from_utf8_lossy(&read("code")).trim().parse();
        let code =
            code.unwrap_or_else(|_| panic!("bash did not come to `{}` within {LIMIT_SECONDS} s", shown_step.command));
        (shown_step, Ran { code, output: shown(&String::from_utf8_lossy(&read("out"))) })
    };
    steps
        .iter()
        .enumerate()
        .filter_map(|(index, step)| match step {
            Step::Run(shown) => Some(result(index, shown)),
            Step::File { .. } => None,
        })
        .collect()
}

/// Whether this was printed: `...` stands for any lines, and times and digests may be others.
fn is_as_shown(page: &[&str], printed: &str) -> bool {
    let printed: Vec<_> = printed.lines().map(timeless).collect();
    let page: Vec<_> = page.iter().map(|line| timeless(line)).collect();
    matches(&page, &printed)
}

fn matches(page: &[String], printed: &[String]) -> bool {
    match (page.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((line, rest)), _) if line == "..." => (0..=printed.len()).any(|gone| matches(rest, &printed[gone..])),
        (Some((line, page)), Some((other, printed))) => line == other && matches(page, printed),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// The line without what is another one each time: instants, digests, sizes in bytes, how long until or since, Dkron's version, and the width
/// of a table's columns.
fn timeless(line: &str) -> String {
    let is_duration = |word: &str| {
        let digits = word.trim_start_matches(|c: char| c.is_ascii_digit());
        digits.len() < word.len() && matches!(digits, "ms" | "s" | "m" | "h" | "d")
    };
    let mut words: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        let part = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let digits = part.chars().filter(char::is_ascii_digit).count();
        let is_time = digits >= 12 && part.contains("20") && part.contains('T');
        // Of a file: Dkron's own fields are as long as its version and its runs make them.
        let is_size = digits >= 5 && digits == part.len();
        let is_digest = part.len() >= 12 && digits > 0 && part.chars().all(|c| c.is_ascii_hexdigit());
        let is_version = part.contains('.') && part.starts_with(|c: char| c.is_ascii_digit());
        match words.last().copied() {
            Some("Dkron") if is_version => words.push("*"),
            Some("in" | "in *") if is_duration(part) => {
                words.pop();
                words.push("in *");
            }
            _ => words.push(if is_time || is_digest || is_size { "*" } else { word }),
        }
    }
    words.join(" ")
}

fn free_port() -> u16 {
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    held.local_addr().expect("its address").port()
}
