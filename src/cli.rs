//! The command line, made from the table of options.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::exit::ExitCode;
use crate::settings::{Flags, Group, Kind, OPTIONS, Opt};

/// A command and the groups of options that it takes.
struct Verb {
    name: &'static str,
    about: &'static str,
    groups: &'static [Group],
}

const VERBS: &[Verb] = &[
    Verb {
        name: "wait",
        about: "Wait until Dkron can be trusted: reachable, a leader, all its jobs loaded, not paused",
        groups: &[Group::Dkron, Group::Network, Group::Logging],
    },
    Verb {
        name: "render",
        about: "Render the templates to standard output, without Dkron",
        groups: &[Group::Network, Group::Templates, Group::Render, Group::Logging],
    },
    Verb {
        name: "plan",
        about: "Show what `apply` would do, field by field, and do nothing",
        groups: &[
            Group::Dkron,
            Group::Network,
            Group::Templates,
            Group::Policy,
            Group::Output,
            Group::Plan,
            Group::Logging,
        ],
    },
    Verb {
        name: "apply",
        about: "Wait, render, plan, write what differs, and prove that Dkron holds it",
        groups: &[Group::Dkron, Group::Network, Group::Templates, Group::Policy, Group::Output, Group::Logging],
    },
];

/// What was asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The command's name.
    pub command: &'static str,
    /// The flags given.
    pub flags: Flags,
}

/// The whole command line, for parsing, help and the README.
pub fn command() -> Command {
    Command::new("dkron-jobs")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Keeps the jobs of a Dkron scheduler as code")
        .after_help(exit_codes())
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(120)
        .subcommands(VERBS.iter().map(|verb| {
            let args = OPTIONS.iter().filter(|opt| verb.groups.contains(&opt.group)).map(arg);
            Command::new(verb.name).about(verb.about).args(args)
        }))
}

fn arg(opt: &Opt) -> Arg {
    let mut help = format!("{} [env: {}]", opt.help, opt.env);
    if !opt.default.is_empty() {
        help = format!("{help} [default: {}]", opt.default);
    }
    let arg = Arg::new(opt.flag).long(opt.flag).help(StyledStr::from(help)).help_heading(opt.group.heading());
    match opt.kind {
        Kind::Value => arg.value_name(opt.value).action(ArgAction::Set),
        Kind::List => arg.value_name(opt.value).action(ArgAction::Append),
        Kind::Bool => arg
            .value_name("true|false")
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        Kind::OptionalValue => arg
            .value_name(opt.value)
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
    }
}

fn exit_codes() -> String {
    let lines = ExitCode::ALL.iter().map(|code| format!("  {:>3}  {}", code.number(), code.meaning()));
    format!("Exit codes:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// Reads the arguments, the program's name first.
///
/// # Errors
/// clap's, which also stands for `--help` and `--version`.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Asked, clap::Error> {
    let matches = command().try_get_matches_from(args)?;
    let found =
        matches.subcommand().and_then(|(name, matches)| Some((VERBS.iter().find(|verb| verb.name == name)?, matches)));
    match found {
        Some((verb, matches)) => Ok(Asked { command: verb.name, flags: flags(verb, matches) }),
        None => Err(command().error(ErrorKind::MissingSubcommand, "a command is needed")),
    }
}

/// What can be made out of arguments that [`parse`] refuses: the command's name, and the options that take one value. It is
/// enough to say how and where the refusal is to be reported.
pub fn guess(args: &[OsString]) -> (Option<&'static str>, Flags) {
    let mut words = args.iter().skip(1).filter_map(|arg| arg.to_str()).peekable();
    let mut command = None;
    let mut flags = Flags::new();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--") else {
            command = command.or_else(|| VERBS.iter().map(|verb| verb.name).find(|name| *name == word));
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
        .filter(|opt| verb.groups.contains(&opt.group))
        .filter_map(|opt| Some((opt.flag, matches.get_many::<String>(opt.flag)?.cloned().collect())))
        .collect()
}
