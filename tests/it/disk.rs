//! Folders of templates as Kubernetes, people and mistakes make them.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::cli::{Cli, Ran};
use crate::rig::{Rig, job, tidy};

/// Makes `jobs-templates/<name>` a link to `target`, which is relative to it.
fn link(cli: &Cli, name: &str, target: &str) {
    symlink(target, cli.path("jobs-templates").join(name)).expect("a link");
}

#[track_caller]
fn names(ran: &Ran) -> Vec<String> {
    ran.lines().iter().map(|job| job["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_config_map_is_read_once_and_without_a_word() {
    // The real files are in a hidden folder, which changes with each new version, and all else are links into it.
    let cli = Cli::new()
        .file("jobs-templates/..2026_11_24/a.yaml", job("a", "1"))
        .file("jobs-templates/..2026_11_24/rows.yaml", format!("for_each: rows\n{}", job("'{{ item.name }}'", "1")))
        .file("jobs-templates/..2026_11_24/data/rows.csv", "name\nrow\n");
    link(&cli, "..data", "..2026_11_24");
    for name in ["a.yaml", "rows.yaml", "data"] {
        link(&cli, name, &format!("..data/{name}"));
    }
    let ran = cli.run(&["render"]).ok();
    assert_eq!((names(&ran), ran.stderr.as_str()), (vec!["a".to_owned(), "row".to_owned()], ""), "{ran}");
    // The folder itself may be a link, and so may one table.
    symlink("jobs-templates", cli.path("linked")).expect("a link");
    assert_eq!(names(&cli.run(&["render", "--templates", "linked"]).ok()), ["a", "row"]);
    std::fs::remove_file(cli.path("jobs-templates/data")).expect("the link");
    cli.write("elsewhere.csv", "name\nother\n");
    std::fs::create_dir(cli.path("jobs-templates/data")).expect("a folder");
    link(&cli, "data/rows.csv", "../../elsewhere.csv");
    assert_eq!(names(&cli.run(&["render"]).ok()), ["a", "other"]);
}

#[test]
fn a_folder_that_is_not_read_is_said() {
    let cli = Cli::new()
        .file("jobs-templates/a.yaml", job("a", "1"))
        .file("jobs-templates/sub/deep/b.yaml", job("b", "1"))
        .file("jobs-templates/.git/c.yaml", job("c", "1"))
        .file("jobs-templates/data/rows.csv", "name\nrow\n")
        .file("jobs-templates/data/old/rows.csv", "name\nold\n")
        .file("jobs-templates/data/notes/README.md", "no table")
        .file("shared/d.yaml", job("d", "1"))
        .file("pictures/dkron.png", "no template");
    // Not read: `shared`. Not worth a word: what holds no template, what is hidden, and what is read under its own name.
    link(&cli, "shared", "../shared");
    link(&cli, "pictures", "../pictures");
    link(&cli, ".hidden", "../shared");
    link(&cli, "again", "sub/deep");
    link(&cli, "sub/round", "..");
    link(&cli, "nowhere", "missing");
    let ran = cli.run(&["render"]).ok();
    assert_eq!(names(&ran), ["a", "b"]);
    insta::assert_snapshot!(tidy(&ran.stderr), @r"
    WARN `jobs-templates/data/old` holds tables that are not read: move them up into `data`, or name each with `--data`
    WARN `jobs-templates/shared` is a link to a folder with templates, and is not followed: name it with `--templates` too, or put the folder itself there
    ");
    // What the warning says helps.
    let ran = cli.run(&["render", "--templates", "jobs-templates", "--templates", "jobs-templates/shared"]).ok();
    assert_eq!(names(&ran), ["a", "b", "d"]);
    // A link to nothing is no template that could be left out.
    link(&cli, "lost.yaml", "missing.yaml");
    let ran = cli.run(&["render"]).exits(2);
    assert!(ran.stderr.contains("jobs-templates/lost.yaml: this cannot be read: "), "{ran}");
}

#[test]
fn an_empty_folder_is_said_where_the_plan_is() {
    let rig = Rig::new(&[]);
    let warning = "`jobs-templates` holds no template (.yaml, .yml, .json): put some there, or name another folder with `--templates`";
    for command in ["plan", "apply"] {
        let ran = rig.cli.run(&[command, "--output", "json"]).ok();
        assert_eq!(ran.json()["warnings"], json!([warning]), "{ran}");
        assert_eq!(ran.stderr.matches(warning).count(), 1, "{ran}");
    }
    assert!(rig.cli.run(&["render"]).ok().stderr.contains(warning));
    // Tables alone make no job; beside the templates of another folder they are of use.
    rig.cli.write("jobs-templates/data/rows.csv", "name\nrow\n");
    rig.cli.write("jobs-templates/README.md", "no template");
    assert!(rig.cli.run(&["plan"]).ok().stdout.contains(&format!("warning: {warning}")));
    rig.cli.write("more/a.yaml", job("a", "1"));
    let both = ["plan", "--output", "json", "--templates", "jobs-templates", "--templates", "more"];
    assert_eq!(rig.cli.run(&both).ok().json()["warnings"], json!([]));
    std::fs::create_dir(rig.cli.path("none")).expect("a folder");
    let ran = rig.cli.run(&[&both[..], &["--templates", "none"]].concat()).ok();
    assert_eq!(ran.json()["warnings"], json!([warning.replace("jobs-templates", "none")]), "{ran}");
}
