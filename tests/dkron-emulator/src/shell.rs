//! Dkron's shell executor: it really runs, so it has to be asked for.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dkron_jobs::schedule::Schedule;
use tokio::sync::oneshot;

use crate::executor::{MAX_OUTPUT, Outcome};
use crate::job::Job;

/// Runs the job's command. A run that is given up, as when Dkron is killed, takes its processes with it.
pub(crate) async fn execute(job: &Job) -> Outcome {
    let (mut command, name) = match command(job) {
        Ok(command) => command,
        Err(words) => return failed(words),
    };
    let (reader, child) = match start(&mut command) {
        Ok(started) => started,
        Err(error) => return failed(&refusal(&error, &name, job.config("cwd"))),
    };
    let group = Arc::new(Group { id: child.id(), is_over: AtomicBool::new(false) });
    let ended = wait(reader, child, Arc::clone(&group));
    tokio::pin!(ended);
    let mut message = String::new();
    let limit = limit(job).unwrap_or(Duration::MAX);
    let (status, output) = if let Ok(ended) = tokio::time::timeout(limit, &mut ended).await {
        ended
    } else {
        group.kill();
        message = format!(
            "shell: Job '{}' execution time exceeding defined timeout {}. Job was killed",
            job.config("command"),
            job.config("timeout")
        );
        ended.await
    };
    let text = format!("{}{message}", String::from_utf8_lossy(&output));
    match status {
        Some(status) if status.success() => Outcome { success: true, output: text },
        Some(status) => {
            let words = match (status.code(), status.signal()) {
                (Some(code), _) => format!("exit status {code}"),
                (None, Some(9)) => "signal: killed".to_owned(),
                (None, signal) => format!("signal: {}", signal.unwrap_or_default()),
            };
            Outcome { success: false, output: format!("{words}\n{text}") }
        }
        None => failed("wait: no child processes"),
    }
}

fn failed(words: &str) -> Outcome {
    Outcome { success: false, output: format!("{words}\n") }
}

/// The command and its first word; `shell` is a Go bool.
fn command(job: &Job) -> Result<(Command, String), &'static str> {
    let text = job.config("command");
    let mut command = if ["1", "t", "T", "true", "TRUE", "True"].contains(&job.config("shell")) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", text]);
        command
    } else {
        let words = words(text).ok_or("invalid command line string")?;
        let (first, rest) = words.split_first().ok_or("shell: Command missing")?;
        let mut command = Command::new(first);
        command.args(rest);
        command
    };
    let name = command.get_program().to_string_lossy().into_owned();
    let pairs = job.config("env").split(',').filter_map(|pair| pair.split_once('='));
    command.envs(pairs).env("ENV_JOB_NAME", &job.name).stdin(Stdio::null()).process_group(0);
    if !job.config("cwd").is_empty() {
        command.current_dir(job.config("cwd"));
    }
    Ok((command, name))
}

/// Both outputs go where they go in Dkron: into one text, in the order in which they came.
fn start(command: &mut Command) -> io::Result<(io::PipeReader, Child)> {
    let (reader, writer) = io::pipe()?;
    let child = command.stdout(writer.try_clone()?).stderr(writer).spawn();
    // The command holds the other end of the pipe: it would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Ok((reader, child?))
}

fn refusal(error: &io::Error, program: &str, cwd: &str) -> String {
    match error.kind() {
        io::ErrorKind::NotFound if !cwd.is_empty() && !Path::new(cwd).is_dir() => {
            format!("fork/exec {program}: no such file or directory")
        }
        io::ErrorKind::NotFound => format!("exec: \"{program}\": executable file not found in $PATH"),
        _ => format!("fork/exec {program}: {}", error.to_string().to_lowercase()),
    }
}

/// A process and its children, until the process has been waited for.
struct Group {
    id: u32,
    is_over: AtomicBool,
}

impl Group {
    fn kill(&self) {
        if !self.is_over.load(Ordering::SeqCst) {
            // One that has just ended cannot be killed: nothing to do.
            let _gone = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.id)]).status();
        }
    }
}

/// Kills the group when the run is given up.
struct GivenUp(Arc<Group>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Waits on a thread of its own, which nothing has to wait for when the emulator ends.
async fn wait(reader: io::PipeReader, child: Child, group: Arc<Group>) -> (Option<ExitStatus>, Vec<u8>) {
    let _given_up = GivenUp(Arc::clone(&group));
    let (sender, receiver) = oneshot::channel();
    let started = std::thread::Builder::new().name("dkron-emulator-shell".to_owned()).spawn(move || {
        let (mut reader, mut child) = (reader, child);
        let mut output = Vec::new();
        // What could be read is the output, as in Dkron.
        let _read = reader.read_to_end(&mut output);
        let status = child.wait().ok();
        group.is_over.store(true, Ordering::SeqCst);
        output.drain(..output.len().saturating_sub(MAX_OUTPUT));
        // Nobody waits for a run that was given up.
        let _given_up = sender.send((status, output));
    });
    match started {
        Ok(_) => receiver.await.unwrap_or_default(),
        Err(_) => (None, Vec::new()),
    }
}

fn limit(job: &Job) -> Option<Duration> {
    let limit = Schedule::parse(&format!("@every {}", job.config("timeout")), "a", "").ok()?.every()?;
    Duration::try_from(limit).ok().filter(|limit| !limit.is_zero())
}

/// The words of a command line without a shell: quotes and backslashes, and the end at what only a shell knows. `None` for a
/// quote that is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            (_, Some(open)) if char == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (';' | '&' | '|' | '<' | '>', None) => break,
            (' ' | '\t' | '\r' | '\n', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}
