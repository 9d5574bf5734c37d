//! Rules of the repository: what is generated is fresh, who may do I/O, how long a file may be.
//!
//! `BLESS=1 cargo test --test it tidy` rewrites what is generated.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use dkron_jobs::exit::ExitCode;
use dkron_jobs::lint::{self, Severity};
use dkron_jobs::settings::{Kind, OPTIONS};

use crate::cli::{Cli, repository};
use crate::server::Server;
use crate::tidy_reference::with_facts;

/// The modules that may touch files, sockets, clocks and the environment; everything else in `src` is pure.
const IMPURE: [&str; 9] = [
    "src/apply/mod.rs",
    "src/command/mod.rs",
    "src/disk.rs",
    "src/dkron/mod.rs",
    "src/fetch.rs",
    "src/main.rs",
    "src/shutdown.rs",
    "src/store/mod.rs",
    "src/telemetry.rs",
];
/// The longest source file, in lines.
const LONGEST: usize = 600;

fn sources(folder: &Path) -> Vec<PathBuf> {
    files(folder, &["rs"])
}

/// The files below a folder whose names end so.
pub(crate) fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| endings.iter().any(|ending| extension == *ending)) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a file of the repository")
}

pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(repository()).expect("a file of the repository").display().to_string()
}

#[test]
fn pure_modules_are_pure() {
    let clippy = read(&repository().join("clippy.toml"));
    for banned in
        ["std::env::var", "std::fs::read", "std::time::Instant::now", "std::net::TcpStream", "reqwest::Client"]
    {
        assert!(clippy.contains(&format!("\"{banned}\"")), "clippy.toml bans `{banned}` no more");
    }
    let excused: Vec<_> = sources(&repository().join("src"))
        .iter()
        .filter(|path| read(path).contains("clippy::disallowed_"))
        .map(|path| relative(path))
        .collect();
    assert_eq!(excused, IMPURE, "the only ones that clippy's ban on I/O, clocks and environment may be lifted in");
}

#[test]
fn no_file_is_too_long() {
    for folder in ["src", "tests", "examples", "benches"] {
        for path in sources(&repository().join(folder)) {
            let lines = read(&path).lines().count();
            assert!(lines <= LONGEST, "{} has {lines} lines, more than {LONGEST}", relative(&path));
        }
    }
}

#[test]
fn no_test_is_forgotten() {
    let top = repository().join("tests/it");
    for path in sources(&top) {
        // `canary/mod.rs` is the module `canary` of what is above the folder.
        let module = if path.ends_with("mod.rs") { path.parent().expect("a folder") } else { &path };
        let name = module.file_stem().and_then(|name| name.to_str()).expect("a name");
        let folder = module.parent().expect("a folder");
        let above = if folder == top { top.join("main.rs") } else { folder.join("mod.rs") };
        let module = format!("mod {name};");
        // The benches read `server.rs` alone, so that it names its own part.
        let is_known =
            [&above, &top.join("server.rs")].iter().any(|file| read(file).contains(&module)) || name == "main";
        assert!(is_known, "{} is no module of {}", relative(&path), relative(&above));
    }
}

#[test]
fn the_changelog_knows_this_version() {
    let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
    let text = read(&repository().join("CHANGELOG.md"));
    assert!(text.lines().any(|line| line == heading), "CHANGELOG.md has no line `{heading}`");
}

#[test]
fn the_readme_is_fresh() {
    let path = repository().join("README.md");
    let old = read(&path);
    let mut new = old.clone();
    for (name, text) in [
        ("options", options()),
        ("exit codes", exit_codes()),
        ("plan", plan()),
        ("error", error()),
        ("lint", lint_notes()),
    ] {
        new = replaced(&new, name, &text);
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &new).expect("README.md");
    } else {
        assert_eq!(old, new, "README.md is stale: run `BLESS=1 cargo test --test it tidy`");
    }
}

#[test]
fn the_page_of_rules_is_fresh() {
    fresh("docs/lint.md", &rules_page());
}

/// Holds a generated file of the repository against what it should be, or writes it.
pub(crate) fn fresh(name: &str, new: &str) {
    let path = repository().join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        fs::write(&path, new).expect("the file");
    } else {
        // What differs is a page long; the first line of it tells enough.
        let old = fs::read_to_string(&path).unwrap_or_default();
        let differs = old.lines().zip(new.lines()).find(|(old, new)| old != new);
        assert!(old == new, "{name} is stale: run `BLESS=1 cargo test --test it tidy`; first: {differs:?}");
    }
}

fn rules_page() -> String {
    let mut page = "# The rules of `dkron-jobs lint`\n\n\
        Made from the rules themselves; the examples are tests. An *error* makes `lint`, `plan` and `apply` end with exit code 6, and nothing is \
        written; a *warning* is only said, unless `--fail-on warning`. `--allow RULE` switches a rule off; in a job's metadata \
        `dkron-jobs.lint-allow: \"rule, rule: why\"` does so for that job alone. FACTS with a number are what a real Dkron 4.0.9 was seen to do: \
        [dkron.md](dkron.md).\n\n\
        | rule | | what is wrong |\n|---|---|---|\n"
        .to_owned();
    for rule in lint::rules() {
        writeln!(page, "| [`{0}`](#{0}) | {1} | {2} |", rule.id, rule.severity.word(), rule.summary)
            .expect("a text takes all");
    }
    for rule in lint::rules() {
        writeln!(
            page,
            "\n## {}\n\n{}: {}.\n\n{}\n\n**What to do:** {}.\n\nWrong:\n\n```yaml\n{}\n```\n\nRight:\n\n```yaml\n{}\n```",
            rule.id,
            if rule.severity == Severity::Error { "Error" } else { "Warning" },
            rule.summary,
            with_facts(rule.reason),
            rule.remedy,
            rule.wrong,
            rule.right
        )
        .expect("a text takes all");
    }
    page
}

/// The text with what stands between the two markers of this name replaced.
fn replaced(text: &str, name: &str, with: &str) -> String {
    let begin = format!("<!-- begin {name}, generated -->\n");
    let end = format!("<!-- end {name} -->");
    let start = text.find(&begin).expect("a marker where it begins") + begin.len();
    let stop = start + text[start..].find(&end).expect("a marker where it ends");
    format!("{}{with}{}", &text[..start], &text[stop..])
}

/// What lint says to a schedule that was fine before the TTL was shortened.
fn lint_notes() -> String {
    let cli = Cli::new().file("jobs-templates/data/cache_param.csv", "name,soft_ttl,hard_ttl\nstock,240,300\n").file(
        "jobs-templates/stock.yaml",
        "name: refresh-stock\nschedule: 0 */5 * * * *\nexecutor_config:\n  method: POST\n  url: \"{{ service('cache-manager', 8080) }}/refresh/stock\"\n  \
         expect_code: 200\nmetadata:\n  cache_param: stock\n",
    );
    let ran = cli.run(&["lint", "--namespace", "shop"]).exits(6);
    format!("```text\n$ dkron-jobs lint\n{}```\n", ran.stdout)
}

pub(crate) fn options() -> String {
    let mut table = "| flag | environment | default | |\n|---|---|---|---|\n".to_owned();
    for opt in OPTIONS {
        let value = match opt.kind {
            Kind::Positional => String::new(),
            Kind::Bool => "[=true\\|false]".to_owned(),
            Kind::OptionalValue => format!("[={}]", opt.value),
            Kind::Value | Kind::List => format!(" {}", opt.value.replace('|', "\\|")),
        };
        let default = if opt.default.is_empty() { String::new() } else { format!("`{}`", opt.default) };
        let many = if opt.kind == Kind::List { "; repeatable, or one a line" } else { "" };
        let help = opt.help.replace('|', "\\|");
        let dashes = if opt.kind == Kind::Positional { "" } else { "--" };
        writeln!(
            table,
            "| `{dashes}{}{value}` | `{}` | {default} | {help}{many} |",
            opt.flag.replace('|', "\\|"),
            opt.env
        )
        .expect("a string");
    }
    table
}

pub(crate) fn exit_codes() -> String {
    let mut table = "| code | meaning |\n|---|---|\n".to_owned();
    for code in ExitCode::ALL {
        writeln!(table, "| {} | {} |", code.number(), code.meaning()).expect("a string");
    }
    table
}

/// A real plan: what it shows after a template changed, a job was switched off by hand, another edited, and one is new.
fn plan() -> String {
    let server = Server::start();
    let job = |name: &str, schedule: &str, path: &str| {
        format!(
            "name: {name}\nschedule: '{schedule}'\nexecutor: http\nexecutor_config:\n  method: POST\n  url: \"{{{{ service('cache-manager', 8080) }}}}/refresh/{path}\"\n"
        )
    };
    let cli = Cli::new().dkron(server.url()).env("JOBS_NAMESPACE", "shop");
    for name in ["accounts", "alarms", "devices", "tickets"] {
        cli.write(&format!("jobs-templates/{name}.yaml"), job(&format!("refresh-{name}"), "0 */5 * * * *", name));
    }
    let _ = cli.run(&["apply"]).ok();
    server.toggle("refresh-alarms");
    server.edit("refresh-devices", |job| job["retries"] = 5.into());
    cli.write("jobs-templates/accounts.yaml", job("refresh-accounts", "0 */2 * * * *", "accounts?full=true"));
    cli.write("jobs-templates/orders.yaml", job("refresh-orders", "0 */10 * * * *", "orders"));
    cli.remove("jobs-templates/tickets.yaml");
    let plan = cli.run(&["plan"]).ok();
    format!("```text\n$ dkron-jobs plan\n{}```\n", plan.stdout)
}

/// A real error.
fn error() -> String {
    let cli = Cli::new()
        .file("jobs-templates/data/cache_param.csv", "name,soft_ttl,hard_ttl\nalarms,60,300\ndevices,600,3600\n")
        .file(
            "jobs-templates/cache-refresh.yaml",
            "for_each: cache_param\nname: \"refresh-{{ item.name }}\"\nschedule: \"{{ refresh_schedule(item.sof_ttl, item.hard_ttl) }}\"\n",
        );
    let ran = cli.run(&["render"]).exits(2);
    format!("```text\n$ dkron-jobs render\n{}```\n", ran.stderr)
}
