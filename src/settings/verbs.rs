//! Every command, once: its settings, its name, the groups of options that it takes, and what it does.
//!
//! The command line, its help and the reference are all made from [`VERBS`].

use super::commands::{
    ApplySettings, BackupSettings, BackupsSettings, CheckSettings, CloneSettings, DestroySettings, EnableSettings,
    ImportSettings, LintSettings, PlanSettings, RenderSettings, RestoreSettings, StatusSettings,
};
use super::given::Given;
use super::groups::DkronSettings;
use super::options::{Group, Opt};

/// A command as it stands on the command line.
#[derive(Debug, Clone)]
pub struct Verb {
    /// Its name; a command of a command has both names, with a blank between.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// The groups of options that it takes, beside logging.
    groups: &'static [Group],
    /// Reads its settings from what is given.
    pub(super) read: fn(&mut Given<'_>) -> Command,
}

impl Verb {
    /// Whether it takes this option.
    pub fn takes(&self, opt: &Opt) -> bool {
        opt.group == Group::Logging || self.groups.contains(&opt.group)
    }
}

macro_rules! commands {
    ($($(#[doc = $about:literal])* $command:ident($settings:ty) = $name:literal: $($group:ident)*;)*) => {
        /// A command that was called, with the settings that it takes.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Command {
            $($(#[doc = $about])* $command($settings),)*
        }

        /// All commands, in the order of help.
        pub const VERBS: &[Verb] = &[$(Verb {
            name: $name,
            about: concat!($($about),*).trim_ascii_start(),
            groups: &[$(Group::$group),*],
            read: |given| Command::$command(<$settings>::read(given)),
        }),*];
    };
}

commands! {
    /// Wait until Dkron can be trusted: reachable, a leader, all its jobs loaded, not paused
    Wait(DkronSettings) = "wait": Dkron Network;
    /// Render the templates to standard output, without Dkron
    Render(RenderSettings) = "render": Owner Names Templates Network Render Allow;
    /// Say what is wrong with the jobs of the templates, of a backup, file or folder, or of a live Dkron, and which
    /// caches nobody keeps fresh
    Lint(LintSettings) = "lint": Source Only Lint Caches Linting Allow Owner Names Templates Dkron Network Store Output;
    /// Show what `apply` would do, field by field, and do nothing
    Plan(PlanSettings) = "plan": Dkron Network Owner Names Templates Policy Force Ownership Store Restore Caches
        Linting Allow NoLint Output Plan;
    /// Wait, render, lint, plan, write what differs, and prove that Dkron holds it
    Apply(ApplySettings) = "apply": Dkron Network Owner Names Templates Policy Force Ownership Store Restore Caches
        Linting Allow NoLint Output;
    /// Check that Dkron can be trusted, holds what the templates say and runs it; with --run also that jobs succeed
    Check(CheckSettings) = "check": Dkron Network Owner Names Templates Check Policy Force Ownership Store Restore
        Output Allow;
    /// Say how jobs and the caches that they refresh are doing: stuck, stale, late or fresh, what failed last, what
    /// runs next
    Status(StatusSettings) = "status": Dkron Network Owner Names Templates Only Caches Status Allow Output;
    /// Save all jobs of Dkron in --backups, whoever keeps them
    Backup(BackupSettings) = "backup": Dkron Network Owner Store Backup Force Output;
    /// Show the backups: their time, jobs and size, and which are good
    BackupList(BackupsSettings) = "backup list": Network Store Output;
    /// Read all backups again and check them
    BackupVerify(BackupsSettings) = "backup verify": Network Store Output;
    /// Bring jobs back from a backup, a file of jobs or a folder of them; by default the newest good backup of the
    /// namespace
    Restore(RestoreSettings) = "restore": Source Only Dkron Network Owner Mode Ownership Store Output;
    /// Write the jobs of one namespace for another: those of a file, of a live Dkron, or of the newest good backup of
    /// that namespace
    Clone(CloneSettings) = "clone": Source Only Clone Dkron Network Owner Names Mode Ownership Store Force Output;
    /// Switch the jobs that --only names on, at the cut-over, after they were cloned switched off
    Enable(EnableSettings) = "enable": Dkron Network Only Owner Output;
    /// Make template files of the jobs of a live Dkron, a backup or a file
    Import(ImportSettings) = "import": Source Only Import Dkron Network Owner Names Force Output;
    /// Delete the jobs of this release, children first, and no others
    Destroy(DestroySettings) = "destroy": Dkron Network Owner Destroy Output;
}
