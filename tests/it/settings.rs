//! Settings: each command has its own, from one environment that all of them share.

use dkron_jobs::settings::{Command, Flags, Settings, SettingsError, VERBS, resolve};

fn settings(name: &str, flags: &[(&'static str, &str)], env: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let verb = VERBS.iter().find(|verb| verb.name == name).expect("a command");
    let flags: Flags = flags.iter().map(|(flag, value)| (*flag, vec![(*value).to_owned()])).collect();
    resolve(verb, &flags, env.iter().map(|(name, value)| (name.into(), value.into())))
}

#[test]
fn every_command_has_defaults() {
    for verb in VERBS {
        let settings = settings(verb.name, &[], &[]).unwrap_or_else(|error| panic!("{}: {error:?}", verb.name));
        assert!(settings.secrets.is_empty() && settings.warnings.is_empty(), "{}", verb.name);
    }
}

#[test]
fn what_is_wrong_for_one_command_is_said_once_by_each() {
    let env = [("JOBS_STAMPEDE", "0"), ("JOBS_NAMESPACE", "a/b"), ("JOBS_OUTPUT", "sarif")];
    let common = [
        "JOBS_NAMESPACE: `a/b` has a blank or a `/` in it, which separates the owner's halves",
        "JOBS_STAMPEDE: `0` is no number above zero",
    ];
    for (name, forms) in [
        ("wait", None),
        ("lint", None),
        ("enable", Some("--output (JOBS_OUTPUT): `enable` has the forms `text` and `json`")),
        ("status", Some("--output (JOBS_OUTPUT): `status` has the forms `text`, `json` and `openmetrics`")),
    ] {
        let mut problems = settings(name, &[], &env).expect_err(name).problems;
        problems.sort();
        let mut expected: Vec<_> = common.into_iter().chain(forms).collect();
        expected.sort_unstable();
        assert_eq!(problems, expected, "{name}");
    }
}

#[test]
fn every_command_knows_every_secret() {
    let env = [
        ("DKRON_HEADERS", "Authorization: Bearer swordfish"),
        ("JOBS_BACKUPS", "s3://user:open-sesame@bucket/prefix"),
        ("JOBS_FROM_URL", "https://user:hunter2@dkron"),
        ("JOBS_DATA_CACHE_PARAM", "https://tables/t.csv?token=abracadabra"),
        ("AWS_SECRET_ACCESS_KEY", "shazam"),
    ];
    for verb in VERBS {
        let secrets = settings(verb.name, &[], &env).expect(verb.name).secrets;
        for secret in ["swordfish", "open-sesame", "hunter2", "abracadabra", "shazam"] {
            assert!(secrets.iter().any(|known| known == secret), "{} does not know `{secret}`", verb.name);
        }
    }
}

#[test]
fn a_policy_is_that_of_its_command() {
    let env = [("JOBS_NAMESPACE", "shop"), ("JOBS_RELEASE", "main"), ("JOBS_PRUNE", "false")];
    let owner = |name, flags: &[(&'static str, &str)]| match settings(name, flags, &env).expect(name).command {
        Command::Clone(clone) => (clone.target.policy.owner.to_string(), clone.target.policy.prune),
        Command::Destroy(destroy) => (destroy.target.policy.owner.to_string(), destroy.target.policy.prune),
        Command::Status(status) => (status.policy.owner.to_string(), status.policy.prune),
        command => panic!("{command:?}"),
    };
    assert_eq!(owner("status", &[]), ("shop/main".to_owned(), false));
    assert_eq!(owner("destroy", &[]), ("shop/main".to_owned(), true), "whoever destroys wants nothing kept");
    assert_eq!(owner("clone", &[]), ("shop/main".to_owned(), false));
    assert_eq!(owner("clone", &[("to-namespace", "dev")]), ("dev/main".to_owned(), false));
}
