//! Jobs of one namespace made to be another's: what is rewritten, what is left, and what is said of it.

use dkron_jobs::job::{Compared, Definition, Job, Owner, Stamp, StringMap};
use dkron_jobs::plan::{Change, plan};
use dkron_jobs::rewrite::{Leftover, Move, RewriteError, Rewritten, rewrite};
use serde_json::{Value, json};

use crate::model::{default_policy, desired, stored};

fn to_staging() -> Move {
    Move { from: "prod".to_owned(), to: "staging".to_owned(), name_prefix: String::new(), disabled: false }
}

fn map<const N: usize>(pairs: [(&str, &str); N]) -> StringMap {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

#[track_caller]
fn rewritten(jobs: impl IntoIterator<Item = Job>, with: &Move) -> Rewritten {
    rewrite(jobs, with).expect("a move that can be made")
}

#[track_caller]
fn one(job: Job, with: &Move) -> Job {
    rewritten([job], with).jobs.pop().expect("the job")
}

fn with_text(text: &str) -> Job {
    Job {
        definition: Definition { executor_config: map([("body", text)]), ..Definition::default() }.into(),
        ..Job::new("a")
    }
}

/// What a text becomes from `from` to `staging`, and the excerpts that are shown of what is left.
#[track_caller]
fn text(from: &str, text: &str) -> (String, Vec<String>) {
    let moved = Move { from: from.to_owned(), ..to_staging() };
    let rewritten = rewritten([with_text(text)], &moved);
    let excerpts = rewritten.leftovers.into_iter().map(|left| left.excerpt).collect();
    (rewritten.jobs[0].executor_config.get("body").cloned().expect("the text"), excerpts)
}

#[track_caller]
fn becomes(before: &str, after: &str) {
    assert_eq!(text("prod", before), (after.to_owned(), Vec::new()), "{before}");
}

/// The text stays, and this is what is listed of it; nothing for an empty string.
#[track_caller]
fn stays(before: &str, excerpt: &str) {
    let excerpts: Vec<_> = (!excerpt.is_empty()).then(|| excerpt.to_owned()).into_iter().collect();
    assert_eq!(text("prod", before), (before.to_owned(), excerpts), "{before}");
}

#[test]
fn hosts_with_svc_are_rewritten_wherever_they_stand() {
    becomes("http://api.prod.svc.cluster.local:8080/a", "http://api.staging.svc.cluster.local:8080/a");
    becomes("api.prod.svc", "api.staging.svc");
    becomes("api.prod.svc.corp.example and more", "api.staging.svc.corp.example and more");
    becomes("http://api.prod.svc.cluster.local./a", "http://api.staging.svc.cluster.local./a");
    becomes("ping api.prod.svc.", "ping api.staging.svc.");
    becomes("redis-0.redis.prod.svc.cluster.local", "redis-0.redis.staging.svc.cluster.local");
    becomes("_redis._tcp.redis.prod.svc", "_redis._tcp.redis.staging.svc");
    becomes("a.prod.svc:1,b.prod.svc:2", "a.staging.svc:1,b.staging.svc:2");
    becomes("http://u:p@api.prod.svc:80/", "http://u:p@api.staging.svc:80/");
    becomes("HTTP://Api.PROD.Svc.Cluster.Local/X", "HTTP://Api.staging.Svc.Cluster.Local/X");
    becomes("curl \"http://${SERVICE}.prod.svc/\"", "curl \"http://${SERVICE}.staging.svc/\"");
    becomes("no_proxy=*.prod.svc", "no_proxy=*.staging.svc");
    becomes("/proxy/api.prod.svc/x", "/proxy/api.staging.svc/x");
    becomes("^api\\.prod\\.svc\\.", "^api\\.staging\\.svc\\.");
}

#[test]
fn short_hosts_are_rewritten_where_a_host_must_be() {
    for end in [
        "", "/", "/x", "?a=b", "#f", "\"", "' x", " x", "\n", ",", ";", ")", "]", "}", "&x=y", "|cat", "+x", "%2Fx",
        ":",
    ] {
        becomes(&format!("http://api.prod{end}"), &format!("http://api.staging{end}"));
        becomes(&format!("u=http%3A%2F%2Fapi.prod{end}"), &format!("u=http%3A%2F%2Fapi.staging{end}"));
    }
    becomes("//redis-0.redis.prod/0", "//redis-0.redis.staging/0");
    becomes("api.prod:8080", "api.staging:8080");
    becomes("a.prod:1,b.prod:65535", "a.staging:1,b.staging:65535");
    becomes("redis-0.redis.prod:6379", "redis-0.redis.staging:6379");
    becomes("x=api.prod%3A8080%2Fx", "x=api.staging%3A8080%2Fx");
    becomes("x=api.prod%3a8080", "x=api.staging%3a8080");
    becomes("http://api.prod:${PORT}/x", "http://api.staging:${PORT}/x");
    becomes("http://$SERVICE.prod/x", "http://$SERVICE.staging/x");
    becomes("http://user@api.prod/", "http://user@api.staging/");
    becomes("redis://user:p%2Fw%40d@api.prod/0", "redis://user:p%2Fw%40d@api.staging/0");
    becomes("u=redis%3A%2F%2Fuser%3Ap%252Fw@api.prod%2F0", "u=redis%3A%2F%2Fuser%3Ap%252Fw@api.staging%2F0");
    becomes("http://[::1]:80/ http://api.prod/", "http://[::1]:80/ http://api.staging/");
    becomes(
        "http://a.prod/?next=http%3A%2F%2Fb.prod%2F%3Fnext%3Dhttp%253A%252F%252Fc.prod%252Fx&last=http%253a%252f%252fd.prod",
        "http://a.staging/?next=http%3A%2F%2Fb.staging%2F%3Fnext%3Dhttp%253A%252F%252Fc.staging%252Fx&last=http%253a%252f%252fd.staging",
    );
}

#[test]
fn what_only_looks_like_the_namespace_stays() {
    for no_mention in [
        "http://api.production.svc/",
        "http://api.prod-eu.svc:80/",
        "http://api.my-prod/",
        "http://api.prod_2:80/",
        "http://api.prod%2Deu.svc/",
        "http://api.prod\\u002deu.svc/",
        "http://api.preprod.svc/",
        "reproduce products",
        "éprod prodé",
        "PROD",
    ] {
        stays(no_mention, "");
    }
    stays("http://gateway/prod/api", "prod");
    stays("http://gateway/api.prod/x", "api.prod");
    stays("http://shop.prod.example.com/", "shop.prod.example");
    stays("http://a.b.c.prod/", "c.prod");
    stays("http://prod/", "prod");
    stays("prod:8080", "prod");
    stays("no_proxy=.prod.svc", "prod.svc");
    stays("prod.svc.cluster.local", "prod.svc");
    stays("api.prod", "api.prod");
    stays("http://api.prod.", "api.prod");
    stays("build.prod:2024-01-01", "build.prod");
    stays("build.prod:123456", "build.prod");
    stays("build.prod:80é", "build.prod");
    stays("http://api.prod:secret@db/", "api.prod");
    stays("http://api.prod:123@db/", "api.prod");
    stays("http://user:x.prod@db/", "x.prod");
    stays("http://host/@api.prod/", "api.prod");
    stays("u=http%3A%2F%2Fhost%2F%40api.prod%2F", "api.prod");
    stays("http://user%40api.prod/", "api.prod");
    stays("10-0-0-1.prod.pod.cluster.local", "10-0-0-1.prod.pod");
    stays("http://prod.prod.svc2/", "prod.prod");
}

#[test]
fn a_service_may_have_the_name_of_its_namespace() {
    let (after, excerpts) = text("prod", "http://prod.prod.svc/");
    assert_eq!(after, "http://prod.staging.svc/");
    assert_eq!(excerpts, ["prod.staging"]);
}

#[test]
fn a_namespace_may_have_the_name_of_a_part_of_the_clusters_domain() {
    let all = "http://api.N.svc.cluster.local:80 http://api.N:80 http://api.other.svc.cluster.local:80";
    for namespace in ["svc", "cluster", "local"] {
        let (after, excerpts) = text(namespace, &all.replace('N', namespace));
        assert_eq!((after, excerpts), (all.replace('N', "staging"), Vec::new()));
    }
    assert_eq!(text("local", "//db.local/").0, "//db.staging/");
    assert_eq!(text("local", "//host.docker.internal.local/").1, ["internal.local"]);
    assert_eq!(text("svc", "a svc"), ("a svc".to_owned(), vec!["svc".to_owned()]));
}

#[test]
fn json_in_strings_is_rewritten_in_place() {
    becomes(r#"["X-Target: http://api.prod:80", "X: y"]"#, r#"["X-Target: http://api.staging:80", "X: y"]"#);
    becomes(
        r#"{ "b" : 1.50, "a":1e3,  "u": "http:\/\/api.prod\/x\u003f", "n": "\nredis.prod:1" }"#,
        r#"{ "b" : 1.50, "a":1e3,  "u": "http:\/\/api.staging\/x\u003f", "n": "\nredis.staging:1" }"#,
    );
    becomes(r#"{"u":"http:\u002F\u002fapi\u002eprod\u002fx"}"#, r#"{"u":"http:\u002F\u002fapi\u002estaging\u002fx"}"#);
    becomes(r#"{"u":"http://api.\u0070rod"}"#, r#"{"u":"http://api.staging"}"#);
    becomes("curl -d '{\"u\":\"http:\\/\\/api.prod\"}' x", "curl -d '{\"u\":\"http:\\/\\/api.staging\"}' x");
    let (mut before, mut after) = ("http://a.prod/?u=http%3A%2F%2Fb.prod".to_owned(), String::new());
    for _ in 0..6 {
        before = json!({"z": before, "a": [1.0, "prod-eu"]}).to_string();
        after = before.replace(".prod", ".staging");
        becomes(&before, &after);
        let slashes = before.replace('/', "\\/");
        becomes(&slashes, &slashes.replace(".prod", ".staging"));
    }
    assert!(serde_json::from_str::<Value>(&after).is_ok());
    let (_, excerpts) = text("prod", &json!({"a": json!({"b": "x\nprod\n"}).to_string()}).to_string());
    assert_eq!(excerpts, ["prod"]);
}

#[test]
fn odd_escapes_neither_break_nor_hide_anything() {
    for odd in
        ["%", "%%", "%zz", "%2", "\\", "\\u12", "\\ud83d\\ude00", "%ff%fe", "%C3%A9", "\\\\\\\\", "%25%32%66", "%2%35"]
    {
        becomes(&format!("{odd} http://api.prod/ {odd}"), &format!("{odd} http://api.staging/ {odd}"));
        becomes(&format!("{odd}/api.prod.svc/{odd}"), &format!("{odd}/api.staging.svc/{odd}"));
    }
}

#[test]
fn every_field_that_may_hold_a_host_is_rewritten() {
    let job = |namespace: &str| Job {
        definition: Definition {
            displayname: format!("of a.{namespace}.svc"),
            owner: format!("http://a.{namespace}/"),
            owner_email: format!("root@a.{namespace}.svc"),
            metadata: map([("ns", namespace), ("link", &format!("http://a.{namespace}/"))]),
            executor: "shell".to_owned(),
            executor_config: map([
                ("command", &format!("curl a.{namespace}:80")),
                ("env", &format!("H=a.{namespace}.svc,P=1")),
            ]),
            processors: [("syslog".to_owned(), map([("forward", &*format!("a.{namespace}:514"))]))].into(),
            ..Definition::default()
        }
        .into(),
        ..Job::new("a")
    };
    let rewritten = rewritten([job("prod")], &to_staging());
    assert_eq!(rewritten.jobs, [job("staging")]);
    assert_eq!(rewritten.leftovers, []);
    assert_eq!(rewritten.places, 8);
}

#[test]
fn what_is_left_is_listed_by_job_and_field() {
    let job = Job {
        definition: Definition {
            displayname: "Refresh prod".to_owned(),
            owner: "prod.team, prod".to_owned(),
            tags: map([("node", "a.prod.svc:1"), ("prod", "true:1")]),
            metadata: map([("prod", "of prod"), ("note", "prod-eu"), ("dkron-jobs.prune", "false")]),
            executor_config: map([("url", "http://gate/%2Fprod%2Fx?token=abcdef"), ("headers", "[\"X-Ns: prod\"]")]),
            processors: [("log".to_owned(), map([("path", "/var/prod/x")]))].into(),
            parent_job: "prod".to_owned(),
            ..Definition::default()
        }
        .into(),
        ..Job::new("prod")
    };
    let rewritten = rewritten([job.clone()], &to_staging());
    assert_eq!(rewritten.jobs, std::slice::from_ref(&job));
    let left = |field: &str, excerpt: &str, mentions| Leftover {
        job: "prod".to_owned(),
        field: field.to_owned(),
        excerpt: excerpt.to_owned(),
        mentions,
    };
    assert_eq!(
        rewritten.leftovers,
        [
            left("name", "prod", 1),
            left("displayname", "prod", 1),
            left("parent_job", "prod", 1),
            left("executor_config.headers", "prod", 1),
            left("executor_config.url", "prod", 1),
            left("tags.node", "a.prod.svc", 1),
            left("tags.prod", "prod", 1),
            left("metadata.prod", "prod", 2),
            left("processors.log.path", "prod", 1),
            left("owner", "prod.team", 2),
        ]
    );
    // Under other names, `prod` is no word in them any more.
    let renamed = Move { name_prefix: "copy-".to_owned(), ..to_staging() };
    let fields: Vec<_> = rewrite([job], &renamed).expect("it can be made").leftovers;
    assert!(fields.iter().all(|left| left.job == "copy-prod" && left.field != "name" && left.field != "parent_job"));
}

#[test]
fn an_excerpt_shows_no_token() {
    let token = "t".repeat(64);
    assert_eq!(text("prod", &format!("{token}.prod.{token}")).1, ["prod"]);
    assert_eq!(text("prod", "password=hunter2 ns=prod&key=abc").1, ["prod"]);
}

fn job(namespace: &str, name: &str) -> Job {
    Job {
        definition: Definition {
            schedule: "@every 1h".to_owned(),
            executor: "http".to_owned(),
            executor_config: map([("url", &*format!("http://cache.{namespace}.svc.cluster.local:8080/{name}"))]),
            ..Definition::default()
        }
        .into(),
        ..Job::new(name)
    }
}

fn stamped(namespace: &str, job: Job) -> Job {
    let mut job = job;
    let disabled = job.disabled;
    job = job.stamped(&Owner::new(namespace, "prod"), disabled);
    job
}

#[test]
fn a_stamped_job_becomes_what_the_other_namespaces_templates_give() {
    let (parent, mut child) = (job("prod", "a"), job("prod", "b"));
    child.parent_job = "a".to_owned();
    let rewritten = rewritten([stamped("prod", parent), stamped("prod", child)], &to_staging());
    let (parent, mut child) = (job("staging", "a"), job("staging", "b"));
    child.parent_job = "a".to_owned();
    assert_eq!(rewritten.jobs, [stamped("staging", parent.clone()), stamped("staging", child.clone())]);
    assert_eq!(rewritten.leftovers, [], "a release may have its namespace's name");

    let live = rewritten.jobs.iter().map(stored).collect();
    let plan = plan(&desired([parent, child]), &live, &default_policy("staging/prod")).expect("a plan");
    assert!(plan.items.iter().all(|item| !item.change.is_write() && item.reasons.is_empty()), "{plan:#?}");
}

#[test]
fn copies_under_a_prefix_keep_families_and_stamps() {
    let with = Move { name_prefix: "stg-".to_owned(), ..to_staging() };
    let mut child = job("prod", "b");
    child.parent_job = "a".to_owned();
    let copy = one(stamped("prod", child), &with);
    let mut expected = job("staging", "b");
    expected.name = "stg-b".into();
    expected.parent_job = "stg-a".to_owned();
    assert_eq!(copy, stamped("staging", expected));
}

#[test]
fn an_edited_job_is_edited_still() {
    let mut edited = stamped("prod", job("prod", "a"));
    edited.retries = 3;
    let before = edited.stamp.as_ref().expect("a stamp").digest.clone();
    let copy = one(edited, &to_staging());
    let stamp = copy.stamp.as_ref().expect("a stamp");
    assert_eq!((stamp.owner.as_str(), &stamp.digest), ("staging/prod", &before));
    assert_eq!(stamp.compare(&copy.digest()), Compared::Edited);
}

#[test]
fn a_copy_made_by_hand_stays_one() {
    // The prefix alone would make the copy's name the one in its stamp.
    let mut by_hand = stamped("prod", job("prod", "copy-a"));
    by_hand.name = "a".into();
    let copy = one(by_hand, &Move { name_prefix: "copy-".to_owned(), ..to_staging() });
    assert_eq!((&*copy.name, copy.stamp.as_ref().expect("a stamp").job.as_str()), ("copy-a", "copy-copy-a"));
}

#[test]
fn stamps_of_others_and_of_other_schemes_stay() {
    let stamp = |owner: &str| {
        map([
            ("dkron-jobs.owner", owner),
            ("dkron-jobs.job", "a"),
            ("dkron-jobs.digest", "v9:x"),
            ("dkron-jobs.disabled", "no"),
        ])
    };
    for (before, after) in [
        ("prod/main", "staging/main"),
        ("prod/prod", "staging/prod"),
        ("prod", "staging"),
        ("prod-eu/main", "prod-eu/main"),
        ("other/prod", "other/prod"),
    ] {
        let job = |owner: &str| {
            let mut metadata = stamp(owner);
            let stamp = Stamp::take(&mut metadata);
            Job { definition: Definition { metadata, ..Definition::default() }.into(), stamp, ..Job::new("a") }
        };
        let rewritten = rewritten([job(before)], &to_staging());
        assert_eq!(rewritten.jobs, [job(after)]);
        assert_eq!(rewritten.leftovers, [], "{before}");
    }
    let mut named_like_it = job("prod", "prod");
    named_like_it = named_like_it.stamped(&Owner::new("prod", "main"), false);
    assert_eq!(one(named_like_it, &to_staging()).stamp.expect("a stamp").job, "prod");
    let hand_made = Job::new("a");
    assert_eq!(one(hand_made.clone(), &to_staging()), hand_made, "no stamp is added");
}

#[test]
fn copies_start_switched_off_where_told_so_and_stay_off() {
    let with = Move { disabled: true, ..to_staging() };
    let copy = one(stamped("prod", job("prod", "a")), &with);
    assert!(copy.disabled);
    assert_eq!(copy.stamp.as_ref().expect("a stamp").disabled, Some(false), "what the template wants");
    assert_eq!(copy.stamp.as_ref().expect("a stamp").compare(&copy.digest()), Compared::AsWritten);

    let live = [stored(&copy)].into_iter().collect();
    let plan = plan(&desired([job("staging", "a")]), &live, &default_policy("staging/prod")).expect("a plan");
    assert_eq!(plan.items[0].change, Change::KEEP);
    assert!(one(Job { disabled: true, ..job("prod", "a") }, &to_staging()).disabled, "none is switched on");
}

#[test]
fn copies_within_a_namespace_differ_in_their_names_only() {
    let with = Move { to: "prod".to_owned(), name_prefix: "b-".to_owned(), ..to_staging() };
    let mut original = job("prod", "a");
    original.metadata = map([("ns", "prod")]);
    let rewritten = rewritten([stamped("prod", original.clone())], &with);
    original.name = "b-a".into();
    assert_eq!(rewritten, Rewritten { jobs: vec![stamped("prod", original)], places: 0, leftovers: Vec::new() });
}

#[test]
fn what_cannot_be_made_is_an_error_that_names_it() {
    let error = |jobs: Vec<Job>, with: &Move| rewrite(jobs, with).expect_err("an error");
    for (name, problem) in [
        ("", "`` cannot be a namespace: it is empty"),
        ("Prod", "`Prod` cannot be a namespace: it may only have the letters a to z, digits and `-`"),
        ("a.b", "`a.b` cannot be a namespace: it may only have the letters a to z, digits and `-`"),
        ("-a", "`-a` cannot be a namespace: it may not begin or end with `-`"),
        (&"a".repeat(64), &format!("`{}` cannot be a namespace: it is longer than 63 characters", "a".repeat(64))),
    ] {
        assert_eq!(error(vec![], &Move { from: name.to_owned(), ..to_staging() }).to_string(), problem);
        assert_eq!(error(vec![], &Move { to: name.to_owned(), ..to_staging() }).to_string(), problem);
    }
    let with = Move { name_prefix: "Stg ".to_owned(), ..to_staging() };
    assert_eq!(
        error(vec![Job::new("a"), Job::new("b")], &with).to_string(),
        "a job cannot be named `Stg a`: name contains illegal character 'S'\n\
         a job cannot be named `Stg b`: name contains illegal character 'S'"
    );
    let twice = error(vec![Job::new("a"), Job::new("b"), Job::new("a"), Job::new("a")], &to_staging());
    assert_eq!(twice, RewriteError::SameNames(vec!["a".to_owned()]));
    assert_eq!(twice.to_string(), "more than one job would be named `a`");
}
