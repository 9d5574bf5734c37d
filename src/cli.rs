//! The command line, made from the table of options.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use clap_complete::Shell;

use crate::exit::ExitCode;
use crate::settings::{Flags, Group, Kind, OPTIONS, Opt};

/// The program's name, as it is called.
const NAME: &str = "dkron-jobs";
/// The one command that needs no settings: what it prints depends on nothing but its argument.
const COMPLETIONS: &str = "completions";
const SHELL: &str = "SHELL";

/// A command and the groups of options that it takes, beside logging.
struct Verb {
    /// Its name; a command of a command has both names, with a blank between.
    name: &'static str,
    about: &'static str,
    groups: &'static [&'static [Group]],
}

/// What reaching Dkron needs.
const DKRON: [Group; 2] = [Group::Dkron, Group::Network];
/// What rendering needs.
const TEMPLATES: [Group; 3] = [Group::Owner, Group::Names, Group::Templates];

/// What deciding what to write needs.
const DECIDING: [Group; 9] = [
    Group::Policy,
    Group::Force,
    Group::Ownership,
    Group::Store,
    Group::Restore,
    Group::Caches,
    Group::Linting,
    Group::Allow,
    Group::NoLint,
];

const VERBS: &[Verb] = &[
    Verb {
        name: "wait",
        about: "Wait until Dkron can be trusted: reachable, a leader, all its jobs loaded, not paused",
        groups: &[&DKRON],
    },
    Verb {
        name: "render",
        about: "Render the templates to standard output, without Dkron",
        groups: &[&TEMPLATES, &[Group::Network, Group::Render, Group::Allow]],
    },
    Verb {
        name: "lint",
        about: "Say what is wrong with the jobs of the templates, of a backup, file or folder, or of a live Dkron, and which caches nobody keeps fresh",
        groups: &[
            &[Group::Source, Group::Only, Group::Lint, Group::Caches, Group::Linting, Group::Allow],
            &TEMPLATES,
            &DKRON,
            &[Group::Store, Group::Output],
        ],
    },
    Verb {
        name: "plan",
        about: "Show what `apply` would do, field by field, and do nothing",
        groups: &[&DKRON, &TEMPLATES, &DECIDING, &[Group::Output, Group::Plan]],
    },
    Verb {
        name: "apply",
        about: "Wait, render, lint, plan, write what differs, and prove that Dkron holds it",
        groups: &[&DKRON, &TEMPLATES, &DECIDING, &[Group::Output]],
    },
    Verb {
        name: "check",
        about: "Check that Dkron can be trusted, holds what the templates say and runs it; with --run also that jobs succeed",
        groups: &[
            &DKRON,
            &TEMPLATES,
            &[Group::Check, Group::Policy, Group::Force, Group::Ownership, Group::Store, Group::Restore, Group::Output],
            &[Group::Allow],
        ],
    },
    Verb {
        name: "status",
        about: "Say how jobs and the caches that they refresh are doing: stuck, stale, late or fresh, what failed last, what runs next",
        groups: &[&DKRON, &TEMPLATES, &[Group::Only, Group::Caches, Group::Status, Group::Allow, Group::Output]],
    },
    Verb {
        name: "backup",
        about: "Save all jobs of Dkron in --backups, whoever keeps them",
        groups: &[&DKRON, &[Group::Owner, Group::Store, Group::Backup, Group::Force, Group::Output]],
    },
    Verb {
        name: "backup list",
        about: "Show the backups: their time, jobs and size, and which are good",
        groups: &[&[Group::Network, Group::Store, Group::Output]],
    },
    Verb {
        name: "backup verify",
        about: "Read all backups again and check them",
        groups: &[&[Group::Network, Group::Store, Group::Output]],
    },
    Verb {
        name: "restore",
        about: "Bring jobs back from a backup, a file of jobs or a folder of them; by default the newest good backup of the namespace",
        groups: &[
            &[Group::Source, Group::Only],
            &DKRON,
            &[Group::Owner, Group::Mode, Group::Ownership, Group::Store, Group::Output],
        ],
    },
    Verb {
        name: "clone",
        about: "Write the jobs of one namespace for another: those of a file, of a live Dkron, or of the newest good backup of that namespace",
        groups: &[
            &[Group::Source, Group::Only, Group::Clone],
            &DKRON,
            &[Group::Owner, Group::Names, Group::Mode, Group::Ownership, Group::Store, Group::Force, Group::Output],
        ],
    },
    Verb {
        name: "enable",
        about: "Switch the jobs that --only names on, at the cut-over, after they were cloned switched off",
        groups: &[&DKRON, &[Group::Only, Group::Owner, Group::Output]],
    },
    Verb {
        name: "import",
        about: "Make template files of the jobs of a live Dkron, a backup or a file",
        groups: &[
            &[Group::Source, Group::Only, Group::Import],
            &DKRON,
            &[Group::Owner, Group::Names, Group::Force, Group::Output],
        ],
    },
    Verb {
        name: "destroy",
        about: "Delete the jobs of this release, children first, and no others",
        groups: &[&DKRON, &[Group::Owner, Group::Destroy, Group::Output]],
    },
];

impl Verb {
    fn takes(&self, opt: &Opt) -> bool {
        opt.group == Group::Logging || self.groups.iter().any(|groups| groups.contains(&opt.group))
    }

    fn command(&self) -> Command {
        let name = self.name.split(' ').next_back().unwrap_or(self.name);
        let args = OPTIONS.iter().filter(|opt| self.takes(opt)).map(arg);
        let parts =
            VERBS.iter().filter(|part| part.name.strip_prefix(self.name).is_some_and(|rest| rest.starts_with(' ')));
        Command::new(name).about(self.about).args(args).subcommands(parts.map(Self::command))
    }
}

/// What was asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// To run a command.
    Command(Invocation),
    /// The script with which this shell completes our arguments.
    Completions(Shell),
}

/// A command with its flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The command's name.
    pub command: &'static str,
    /// The flags given.
    pub flags: Flags,
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
        .subcommands(VERBS.iter().filter(|verb| !verb.name.contains(' ')).map(Verb::command))
        .subcommand(completions_command())
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
    let arg = Arg::new(opt.flag).help(StyledStr::from(help)).value_hint(hint(opt));
    if opt.kind == Kind::Positional {
        return arg.value_name(opt.value).action(ArgAction::Set);
    }
    let arg = arg.long(opt.flag).help_heading(opt.group.heading());
    match opt.kind {
        Kind::Value | Kind::Positional => arg.value_name(opt.value).action(ArgAction::Set),
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
    let mut asked: Option<Invocation> = None;
    let mut at = &matches;
    while let Some((word, below)) = at.subcommand() {
        name = if name.is_empty() { word.to_owned() } else { format!("{name} {word}") };
        at = below;
        let Some(verb) = VERBS.iter().find(|verb| verb.name == name) else { continue };
        // What stands before `list` in `backup --backups DIR list` is meant for it too.
        let before = asked.map(|asked| asked.flags).unwrap_or_default();
        let takes = |flag: &str| OPTIONS.iter().any(|opt| opt.flag == flag && verb.takes(opt));
        if let Some(strange) = before.keys().find(|flag| !takes(flag)) {
            let words = format!("`{name}` takes no `--{strange}`");
            return Err(command().error(ErrorKind::ArgumentConflict, words));
        }
        asked = Some(Invocation { command: verb.name, flags: before.into_iter().chain(flags(verb, at)).collect() });
    }
    asked.map(Asked::Command).ok_or_else(|| command().error(ErrorKind::MissingSubcommand, "a command is needed"))
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
        .filter(|opt| verb.takes(opt))
        .filter_map(|opt| Some((opt.flag, matches.get_many::<String>(opt.flag)?.cloned().collect())))
        .collect()
}
