//! `completions`: what each shell is given, and that bash completes with it.

use std::process::Command;

use crate::cli::Cli;

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

/// What bash offers for the last of these words.
fn offered(folder: &Cli, words: &[&str]) -> Vec<String> {
    let script = format!(
        "source {}\n\
         [[ $(complete -p dkron-jobs) =~ -F\\ ([^ ]+) ]] || exit 1\n\
         COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1))\n\
         \"${{BASH_REMATCH[1]}}\" dkron-jobs \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        folder.path("script").display()
    );
    let output = Command::new("bash").args(["--norc", "-c", &script, "bash"]).args(words).output().expect("bash");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("words").lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_with_the_script() {
    let cli = Cli::new();
    cli.write("script", cli.run(&["completions", "bash"]).ok().stdout);
    let read = Command::new("bash").arg("-n").arg(cli.path("script")).output().expect("bash");
    assert!(read.status.success() && read.stderr.is_empty(), "{read:?}");

    assert_eq!(offered(&cli, &["dkron-jobs", "appl"]), ["apply"]);
    assert_eq!(offered(&cli, &["dkron-jobs", "backup", "li"]), ["list"]);
    assert_eq!(offered(&cli, &["dkron-jobs", "apply", "--allow-d"]), ["--allow-deletes"]);
    assert_eq!(offered(&cli, &["dkron-jobs", "backup", "list", "--back"]), ["--backups"]);
    assert_eq!(offered(&cli, &["dkron-jobs", "completions", "z"]), ["zsh"]);
}

#[test]
fn each_shell_has_a_script_whatever_the_environment_says() {
    let cli = Cli::new().env("DKRON_WAIT_TIMEOUT", "soon");
    for shell in SHELLS {
        let ran = cli.run(&["completions", shell]).ok();
        for words in ["dkron-jobs", "restore", "allow-deletes"] {
            assert!(ran.stdout.contains(words), "{shell}: no {words}");
        }
        assert_eq!(ran.stderr, "", "{shell}");
    }
}

#[test]
fn another_shell_is_told_which_there_are() {
    let ran = Cli::new().run(&["completions", "csh"]).exits(2);
    for words in SHELLS.into_iter().chain(["invalid value 'csh' for '<SHELL>'"]) {
        assert!(ran.stderr.contains(words), "no {words}: {ran}");
    }
    assert_eq!(ran.stdout, "", "{ran}");
    let _ = Cli::new().run(&["completions"]).exits(2);
}
