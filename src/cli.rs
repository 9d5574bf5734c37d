//! The command line, made from the table of options.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use clap_complete::Shell;

use crate::exit::ExitCode;
use crate::settings::{Flags, Kind, OPTIONS, Opt, VERBS, Verb};

/// The program's name, as it is called.
const NAME: &str = "dkron-jobs";
/// The one command that needs no settings: what it prints depends on nothing but its argument.
const COMPLETIONS: &str = "completions";
const SHELL: &str = "SHELL";

/// What was asked for on the command line.
#[derive(Debug, Clone)]
pub enum Asked {
    /// To run a command with these flags.
    Command(&'static Verb, Flags),
    /// The script with which this shell completes our arguments.
    Completions(Shell),
}

/// The whole command line, for parsing, help, completions, man pages and the reference.
pub fn command() -> Command {
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Keeps the jobs of a Dkron scheduler as code")
        .after_help(after_help())
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(120)
        .subcommands(VERBS.iter().filter(|verb| !verb.name.contains(' ')).map(subcommand))
        .subcommand(completions_command())
}

fn subcommand(verb: &Verb) -> Command {
    let name = verb.name.split(' ').next_back().unwrap_or(verb.name);
    let args = OPTIONS.iter().filter(|opt| verb.takes(opt)).map(arg);
    let parts = VERBS.iter().filter(|part| part.name.strip_prefix(verb.name).is_some_and(|rest| rest.starts_with(' ')));
    Command::new(name).about(verb.about).args(args).subcommands(parts.map(subcommand))
}

fn completions_command() -> Command {
    Command::new(COMPLETIONS)
        .about("Print the script with which a shell completes the arguments of dkron-jobs")
        .arg(Arg::new(SHELL).help("The shell to complete in").required(true).value_parser(value_parser!(Shell)))
        .after_help(
            "Where to put it:\n  \
             bash  source <(dkron-jobs completions bash)    in ~/.bashrc\n  \
             zsh   dkron-jobs completions zsh > DIR/_dkron-jobs    with a DIR of $fpath\n  \
             fish  dkron-jobs completions fish > ~/.config/fish/completions/dkron-jobs.fish",
        )
}

/// The script with which a shell completes our arguments.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), NAME, &mut script);
    let script = String::from_utf8_lossy(&script);
    // Behind the first word bash would be offered nothing: clap_complete spells a name with a dash in two ways, and then finds no
    // match (clap-rs/clap#6421). The right spelling changes nothing once that is mended.
    script.replace("dkron__subcmd__jobs", "dkron__jobs")
}

/// What a shell may offer in place of a value.
fn hint(opt: &Opt) -> ValueHint {
    match opt.value {
        "FILE" => ValueHint::FilePath,
        "DIR" => ValueHint::DirPath,
        "FILE|DIR" => ValueHint::AnyPath,
        "URL" => ValueHint::Url,
        _ => ValueHint::Unknown,
    }
}

fn arg(opt: &Opt) -> Arg {
    let many = if opt.kind == Kind::List { "; repeatable" } else { "" };
    let mut help = format!("{}{many} [env: {}]", opt.help, opt.env);
    if !opt.default.is_empty() {
        help = format!("{help} [default: {}]", opt.default);
    }
    let arg = Arg::new(opt.flag).help(StyledStr::from(help)).value_hint(hint(opt)).value_name(opt.value);
    if opt.kind == Kind::Positional {
        return arg;
    }
    let arg = arg.long(opt.flag).help_heading(opt.group.heading());
    match opt.kind {
        Kind::Value | Kind::Positional => arg,
        Kind::List => arg.action(ArgAction::Append),
        Kind::Bool => optional(arg.value_name("true|false")),
        Kind::OptionalValue => optional(arg),
    }
}

/// A flag that may stand alone.
fn optional(arg: Arg) -> Arg {
    arg.num_args(0..=1).require_equals(true).default_missing_value("true")
}

fn after_help() -> String {
    let lines = ExitCode::ALL.iter().map(|code| format!("  {:>3}  {}", code.number(), code.meaning()));
    format!(
        "`render` needs no Dkron, and `plan` changes nothing: begin with them. Each option has a variable: see `COMMAND --help`.\n\n\
         Exit codes:\n{}",
        lines.collect::<Vec<_>>().join("\n")
    )
}

/// Reads the arguments, the program's name first.
///
/// # Errors
/// clap's, which also stands for `--help` and `--version`.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Asked, clap::Error> {
    let matches = command().try_get_matches_from(args)?;
    if let Some((COMPLETIONS, at)) = matches.subcommand()
        && let Some(shell) = at.get_one(SHELL)
    {
        return Ok(Asked::Completions(*shell));
    }
    let mut name = String::new();
    let mut asked: Option<(&Verb, Flags)> = None;
    let mut at = &matches;
    while let Some((word, below)) = at.subcommand() {
        name = if name.is_empty() { word.to_owned() } else { format!("{name} {word}") };
        at = below;
        let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else { continue };
        // What stands before `list` in `backup --backups DIR list` is meant for it too.
        let before = asked.map(|(_, flags)| flags).unwrap_or_default();
        let takes = |flag: &str| OPTIONS.iter().any(|opt| opt.flag == flag && verb.takes(opt));
        if let Some(strange) = before.keys().find(|flag| !takes(flag)) {
            let words = format!("`{name}` takes no `--{strange}`");
            return Err(command().error(ErrorKind::ArgumentConflict, words));
        }
        asked = Some((verb, before.into_iter().chain(flags(verb, at)).collect()));
    }
    match asked {
        Some((verb, flags)) => Ok(Asked::Command(verb, flags)),
        None => Err(command().error(ErrorKind::MissingSubcommand, "a command is needed")),
    }
}

/// What can be made out of arguments that [`parse`] refuses: the command, and the options that take one value. It is
/// enough to say how and where the refusal is to be reported.
pub fn guess(args: &[OsString]) -> (Option<&'static Verb>, Flags) {
    let mut words = args.iter().skip(1).filter_map(|arg| arg.to_str()).peekable();
    let mut command = None;
    let mut flags = Flags::new();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--") else {
            command = command.or_else(|| VERBS.iter().find(|verb| verb.name == word));
            continue;
        };
        let (flag, value) = flag.split_once('=').map_or((flag, None), |(flag, value)| (flag, Some(value)));
        if let Some(opt) = OPTIONS.iter().find(|opt| opt.flag == flag && opt.kind == Kind::Value)
            && let Some(value) = value.or_else(|| words.next_if(|next| !next.starts_with("--")))
        {
            flags.entry(opt.flag).or_default().push(value.to_owned());
        }
    }
    (command, flags)
}

fn flags(verb: &Verb, matches: &ArgMatches) -> Flags {
    OPTIONS
        .iter()
        .filter(|opt| verb.takes(opt))
        .filter_map(|opt| Some((opt.flag, matches.get_many::<String>(opt.flag)?.cloned().collect())))
        .collect()
}
