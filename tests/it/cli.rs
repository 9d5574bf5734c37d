//! The real binary, run as a user would, and nothing of the machine's own environment in it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use dkron_emulator::ENCRYPT_KEY;
use tempfile::TempDir;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_dkron-jobs");
/// A secret that every run knows, and no run may show.
const CANARY: &str = "Kanari-of-every-run-5t";

/// A folder of its own with what one run needs, and the arguments and variables to run with.
pub(crate) struct Cli {
    folder: TempDir,
    env: Vec<(OsString, OsString)>,
}

/// What a run left behind. Displayed, it is everything that a user would see.
#[must_use = "look at the output, or at least at the exit code"]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Cli {
    /// An empty folder with an empty `jobs-templates`.
    pub(crate) fn new() -> Self {
        let cli = Self { folder: TempDir::new().expect("a temporary folder"), env: Vec::new() };
        std::fs::create_dir(cli.path("jobs-templates")).expect("a new folder");
        cli.env("JOBS_LOG_FORMAT", "plain").env("NO_COLOR", "1")
    }

    /// With this variable in each run.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// With this Dkron, and little patience.
    pub(crate) fn dkron(self, url: &str) -> Self {
        self.env("DKRON_URL", url).env("DKRON_WAIT_TIMEOUT", "20s")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        self.write(name, text);
        self
    }

    /// The same, later.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file in a folder")).expect("folders");
        std::fs::write(path, text).expect("a file");
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path(name)).expect("a file to remove");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args);
        self.prepare(command)
    }

    fn prepare(&self, mut command: Command) -> Command {
        command
            .current_dir(self.folder.path())
            .env_clear()
            // What is secret here is in no output of any test: see `canary/` for all places.
            .env("DKRON_HEADERS", format!("X-Net-Token: {CANARY}"))
            .env("SOMEBODYS_PASSWORD", CANARY)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.finish(self.spawn(args))
    }

    /// Runs another program that runs it: its arguments go before `BINARY`'s path and arguments.
    pub(crate) fn run_under(&self, program: &str, before: &[&str], args: &[&str]) -> Ran {
        self.finish(self.spawn_under(program, before, args))
    }

    /// Starts it in that way.
    pub(crate) fn spawn_under(&self, program: &str, before: &[&str], args: &[&str]) -> Child {
        let mut command = Command::new(program);
        command.args(before).arg(BINARY).args(args);
        self.prepare(command).spawn().expect("the wrapper starts")
    }

    /// Runs it on a terminal of its own (util-linux's `script`) on which somebody types `answer`; its output is all on
    /// standard output then.
    pub(crate) fn run_on_a_terminal(&self, args: &[&str], answer: &str) -> Ran {
        let line = [&[BINARY], args].concat().join(" ");
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        let mut child = self.prepare(command).stdin(Stdio::piped()).spawn().expect("script starts");
        // Left open until the end: a closed one hangs the terminal up.
        let mut stdin = child.stdin.take().expect("its standard input");
        stdin.write_all(answer.as_bytes()).expect("an answer");
        let ran = self.finish(child);
        drop(stdin);
        ran
    }

    /// Runs it for some seconds on a terminal of this size, and ends it with SIGINT; its output is all on standard output then.
    pub(crate) fn run_on_a_terminal_of(&self, lines: usize, columns: usize, seconds: usize, args: &[&str]) -> Ran {
        let line = [&[BINARY], args].concat().join(" ");
        let line = format!("stty rows {lines} cols {columns}; timeout --foreground --signal=INT {seconds} {line}");
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        self.finish(self.prepare(command).spawn().expect("script starts"))
    }

    /// Starts it.
    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).spawn().expect("the binary starts")
    }

    /// Starts another build of it.
    pub(crate) fn spawn_build(&self, program: &str, args: &[&str]) -> Child {
        let mut command = Command::new(program);
        command.args(args);
        self.prepare(command).spawn().expect("the program starts")
    }

    /// Waits for its end.
    pub(crate) fn finish(&self, child: Child) -> Ran {
        let output = child.wait_with_output().expect("the binary ends");
        let folder = self.folder.path().display().to_string();
        // The folder's name is another one each time.
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is text").replace(&folder, "[folder]");
        let ran = Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        let shown = |secret: &str| [&ran.stdout, &ran.stderr].iter().any(|text| text.contains(secret));
        assert!(!shown(CANARY) && !shown(ENCRYPT_KEY), "a secret is shown: {ran}");
        ran
    }
}

impl Ran {
    /// The run must have ended well.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    /// The run must have ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Standard output as one JSON value a line.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self}")))
            .collect()
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.map_or_else(|| "none: a signal".to_owned(), |code| code.to_string());
        write!(f, "exit code: {code}\n----- stdout -----\n{}----- stderr -----\n{}", self.stdout, self.stderr)
    }
}

/// The repository's folder.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
