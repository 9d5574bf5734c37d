//! Where JSON is asked for, a run that ends before its plan leaves a report too, with one entry for each thing that is wrong.

use crate::cli::{Cli, Ran};
use crate::rig::{Rig, job};

/// The errors of a report that says nothing else.
#[track_caller]
fn errors(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    assert_eq!((&report["jobs"], &report["warnings"]), (&serde_json::json!([]), &serde_json::json!([])), "{ran}");
    let errors = report["errors"].as_array().expect("a list of errors").iter();
    errors.map(|error| error.as_str().expect("a text").to_owned()).collect()
}

#[test]
fn each_thing_that_is_wrong_is_an_entry_of_its_own() {
    let rig = Rig::new(&["a", "b"]);
    let run = |args: &[&str], code| {
        let args = [&["apply", "--output", "json"], args].concat();
        errors(&rig.cli.run(&args).exits(code))
    };
    let settings = run(&["--drift", "maybe", "--concurrency", "none"], 2);
    assert_eq!(settings.len(), 2, "{settings:?}");
    assert!(settings[0].starts_with("--concurrency: ") && settings[1].starts_with("--drift: "), "{settings:?}");

    let _ = rig.cli.run(&["apply"]).ok();
    rig.change("a");
    rig.change("b");
    let conflicts = run(&["--release", "other"], 5);
    assert_eq!(conflicts.len(), 2, "{conflicts:?}");
    assert!(conflicts[0].starts_with("job `a` ") && conflicts[1].starts_with("job `b` "), "{conflicts:?}");

    rig.cli.write("jobs-templates/a.yaml", "name: a\nparent_job: nobody");
    rig.cli.write("jobs-templates/b.yaml", "name: b\nparent_job: noone");
    let orphans = run(&[], 2);
    assert_eq!(orphans.len(), 2, "{orphans:?}");
    assert!(orphans[0].contains("`nobody`") && orphans[1].contains("`noone`"), "{orphans:?}");

    rig.cli.write("jobs-templates/a.yaml", "name: a\nscedule: '@yearly'");
    rig.cli.write("jobs-templates/b.yaml", job("b", "{{ nothing }}"));
    let problems = run(&[], 2);
    assert_eq!(problems.len(), 3, "{problems:?}");
    for (problem, place) in problems.iter().zip(["a.yaml:1:1: ", "a.yaml:2:1: ", "b.yaml:5:25: "]) {
        assert!(problem.starts_with(&format!("jobs-templates/{place}")), "{problems:?}");
    }
    // What is wrong as a whole is one entry.
    assert_eq!(run(&["--templates", "nowhere"], 2).len(), 1);
}

#[test]
fn arguments_that_nobody_understands_are_reported_too() {
    let cli = Cli::new();
    for args in [
        &["apply", "--output", "json", "--owtput", "x"][..],
        &["plan", "--owtput", "--output=json"],
        &["--output", "json", "apply"],
        &["plan", "--output", "text", "--output", "json", "stray"],
        &["apply", "--namespace", "plan", "--output", "json", "--prune", "false"],
    ] {
        let ran = cli.run(args).exits(2);
        let said = errors(&ran);
        assert_eq!(said.len(), 1, "{ran}");
        assert!(said[0].starts_with("unexpected argument '") && !said[0].contains('\n'), "{ran}");
        assert!(!said[0].contains("Usage") && ran.stderr.contains("Usage: "), "{ran}");
    }
    let ran = cli.run(&["apply", "--namespace", "shop", "--release=main", "--output=json", "--owtput"]).exits(2);
    assert_eq!((&ran.json()["command"], &ran.json()["owner"]), (&"apply".into(), &"shop/main".into()), "{ran}");
    assert_eq!(errors(&ran), ["unexpected argument '--owtput' found; tip: a similar argument exists: '--output'"]);
    // Nobody asked for JSON, or the command has no report, or nothing is wrong.
    for (args, code) in [
        (&["apply", "--owtput"][..], 2),
        (&["render", "--output", "json"], 2),
        (&["render", "--namespace", "apply", "--output=json"], 2),
        (&["--output", "json"], 2),
    ] {
        let ran = cli.run(args).exits(code);
        assert_eq!(ran.stdout, "", "{ran}");
    }
    let help = cli.run(&["apply", "--output", "json", "--help"]).ok();
    assert!(help.stdout.contains("Usage: "), "{help}");
    // The environment asks too, and flags beat it.
    let cli = cli.env("JOBS_OUTPUT", "json").env("JOBS_NAMESPACE", "shop").env("JOBS_TERMINATION_LOG", "last");
    let ran = cli.run(&["plan", "--nonsense"]).exits(2);
    assert_eq!((errors(&ran).len(), &ran.json()["owner"]), (1, &"shop/dkron-jobs".into()), "{ran}");
    assert!(std::fs::read_to_string(cli.path("last")).expect("last words").contains("--nonsense"));
    assert_eq!(cli.run(&["plan", "--nonsense", "--output=text"]).exits(2).stdout, "");
}
