//! The two scripts that people used before, as they stand in `tests/data`, run as a person would: the places that their comments
//! name are filled in, nothing else is touched.

#![allow(clippy::expect_used, clippy::disallowed_types, clippy::disallowed_methods, reason = "a test starts processes")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const BACKUP: &str = include_str!("../data/old-backup.sh");
const RESTORE: &str = include_str!("../data/old-restore.sh");
/// What they need.
const TOOLS: [&str; 5] = ["bash", "curl", "jq", "base64", "sed"];

/// The first tool that this machine has not.
pub(crate) fn missing_tool() -> Option<&'static str> {
    TOOLS.into_iter().find(|tool| {
        let found = Command::new("sh").args(["-c", "command -v \"$1\" >/dev/null", "sh", tool]).status();
        !found.is_ok_and(|status| status.success())
    })
}

/// Runs the backup script in this folder, and tells its file.
pub(crate) fn backup(url: &str, folder: &Path) -> PathBuf {
    run(&filled(BACKUP, url), folder);
    let mut files = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_backup =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("backup-dkron_"));
    files.find(is_backup).expect("the script's backup")
}

/// Runs the restore script with this file.
pub(crate) fn restore(url: &str, folder: &Path, file: &Path) {
    let name = "BACKUP_FILE=backup-dkron_$DATE";
    assert!(RESTORE.contains(name), "the script names its file");
    run(&filled(RESTORE, url).replace(name, &format!("BACKUP_FILE={}", file.display())), folder);
}

fn filled(script: &str, url: &str) -> String {
    let (host, port) = url.trim_start_matches("http://").rsplit_once(':').expect("host and port");
    assert!(script.contains("DOMAIN=localhost\n") && script.contains("PORT=8080\n"), "the script names its Dkron");
    script.replace("DOMAIN=localhost\n", &format!("DOMAIN={host}\n")).replace("PORT=8080\n", &format!("PORT={port}\n"))
}

fn run(script: &str, folder: &Path) {
    let file = folder.join("script.sh");
    fs::write(&file, script).expect("a script");
    let status = Command::new("bash")
        .arg(&file)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.expect("bash starts").success(), "the script ends with 0, whatever it has lost");
    fs::remove_file(&file).expect("the script");
}
