//! Whatever jobs are imported, what is written renders to them again.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use dkron_jobs::import::import;
use dkron_jobs::job::{Concurrency, Definition, Job, Stamp, StringMap};
use jiff::Timestamp;
use proptest::bool::weighted;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::import::{given, rendered, shown};
use crate::laws::law;

#[test]
fn what_is_imported_renders_to_the_source() {
    let (folded, cases) = (Cell::new(0_usize), Cell::new(0_usize));
    law(jobs(), |jobs| {
        let given = given();
        let imported = match import(jobs.clone(), &given) {
            Ok(imported) => imported,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        cases.set(cases.get() + 1);
        folded.set(folded.get() + usize::from(imported.files.iter().any(|file| file.path.starts_with("data/"))));
        let rendered = rendered(&imported.files, &given).map_err(TestCaseError::fail)?;
        let source: BTreeMap<_, _> = jobs.into_iter().map(|job| (job.name.to_string(), job)).collect();
        prop_assert_eq!(&rendered, &source, "{}", shown(&imported));
        Ok(())
    });
    assert!(folded.get() * 10 > cases.get(), "only {} of {} cases were folded", folded.get(), cases.get());
}

/// What is random about a set of jobs: jobs of their own, and series of jobs that differ in some of their values.
fn jobs() -> impl Strategy<Value = Vec<Job>> {
    let series =
        (any_job(), vec((stem(), any_job(), vec(text(), 4)), 3..6), vec(weighted(0.25), FIELDS), any::<bool>())
            .prop_map(|(base, rows, varies, with_stem)| one_series(&base, rows, &varies, with_stem));
    let family = prop_oneof![2 => vec(any_job(), 1..3), 3 => series];
    (vec(family, 1..3), any::<prop::sample::Index>()).prop_map(|(families, parent)| {
        let mut jobs: BTreeMap<Arc<str>, Job> = BTreeMap::new();
        for job in families.into_iter().flatten() {
            jobs.insert(job.name.clone(), job);
        }
        let names: Vec<_> = jobs.keys().cloned().collect();
        let parent = parent.get(&names);
        for job in jobs.values_mut() {
            if job.parent_job == CHILD {
                // A circle is not for templates to judge, a job that is its own parent is.
                job.parent_job = if job.name == *parent { "gone".to_owned() } else { parent.to_string() };
            }
        }
        jobs.into_values().collect()
    })
}

/// Stands for the name of another job.
const CHILD: &str = "(a child)";
/// How many fields of a series may vary.
const FIELDS: usize = 16;

fn one_series(base: &Job, rows: Vec<(String, Job, Vec<String>)>, varies: &[bool], with_stem: bool) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (stem, other, texts) in rows {
        let mut job = base.clone();
        let mut varies = varies.iter().copied();
        macro_rules! vary { ($($field:ident),*) => { $(if varies.next().unwrap_or_default() { job.$field.clone_from(&other.$field); })* } }
        vary!(displayname, schedule, disabled, retries, metadata, tags, timezone, owner, concurrency);
        if job.schedule.is_empty() && job.parent_job.is_empty() {
            job.schedule.clone_from(&base.schedule);
        }
        // What another executor is told is nothing to this one.
        if varies.next().unwrap_or_default() && job.executor == other.executor {
            job.executor_config.clone_from(&other.executor_config);
        }
        let mut texts = texts.into_iter();
        let definition = &mut *job;
        let values = definition.metadata.iter_mut().chain(definition.executor_config.iter_mut());
        for (_, text) in values.filter(|(key, _)| !["url", "body", "headers", "timeout"].contains(&key.as_str())) {
            if varies.next().unwrap_or_default() {
                *text = texts.next().unwrap_or_default();
            }
        }
        job.name = format!("{}-{stem}", base.name).into();
        if with_stem {
            let with = |text: &str| text.replace('x', &stem);
            for (_, text) in job.executor_config.iter_mut().filter(|(key, _)| *key != "timeout") {
                *text = with(text);
            }
            job.metadata.iter_mut().for_each(|(_, text)| *text = with(text));
            job.metadata.insert("name".to_owned(), stem.clone());
            job.displayname = format!("Job {stem}");
        }
        jobs.push(job);
    }
    jobs
}

fn stem() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,4}",
        "[a-z]{1,3}-[0-9]{1,3}",
        "[0-9]{1,4}",
        select(vec!["true".to_owned(), "null".to_owned(), "0".to_owned(), "-1".to_owned(), "é".to_owned()])
    ]
}

/// A text that some layer might take for something else.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "",
        " ",
        "yes",
        "null",
        "~",
        "0123",
        "1e3",
        "0x1F",
        "+1",
        "1_000",
        ".5",
        "-",
        "---",
        "...",
        "- a",
        "a: b",
        "a #b",
        "#",
        "!x",
        "&a",
        "*a",
        "%x",
        "@x",
        "`x`",
        "{",
        "{{",
        "}}",
        "{{ x }}",
        "{%",
        "{% raw %}",
        "{% endraw %}{{",
        "{#",
        "{# x #}",
        "{{{",
        "{%-",
        "'",
        "\"",
        "\\",
        "\\ud83d\\ude00",
        "\\uD83D\\uDE00\n",
        "\\UD",
        "\t",
        "\r\n",
        "\n",
        "a\n",
        "a\n\nb",
        "\n\na",
        " a\nb",
        "a \nb",
        "a\n b\n\n",
        "true",
        "TRUE",
        "http://a.shop.svc.cluster.local:8080",
        "http://a.shop.svc.cluster.local:08080",
        "http://a.shop.svc.cluster.local:80x",
        "{http://a-b.c.shop.svc.cluster.local:1/x",
        "a.shop.svc",
        "x.shop.svc.cluster.localx",
        "x.shopx.svc",
        "https://u:p@a.shop.svc.cluster.local/?u=http%3A%2F%2Fb.shop.svc",
        "http://a.shop:80",
        "{a.shop.svc",
        "{x.shop.svc{{",
        "\u{feff}",
        "\u{fffe}",
        "\u{e000}",
        "\u{2028}",
        "\u{85}",
        "\u{0}",
        "\u{7f}",
        "\u{1f511}",
        "x",
        "x-x",
        "/x/x",
        "300",
        "-1",
        "9223372036854775808",
        "[]",
        "{}",
        "[",
        "<<",
        "=",
        "?",
        "? a",
        "|",
        ">",
        "on",
    ];
    let odd = select(odd.map(str::to_owned).to_vec());
    let any = "[ -~\u{0}-\u{1f}éß\u{2028}\u{1f511}]{0,5}";
    prop_oneof![
        10 => odd.clone(),
        6 => (odd.clone(), odd.clone()).prop_map(|(one, two)| one + &two),
        4 => (odd.clone(), any, odd).prop_map(|(one, any, two)| one + &any + &two),
        2 => "[a-c{}%# \n]{0,12}",
        1 => (300..1500_usize).prop_map(|length| "a long text ".repeat(length / 12)),
    ]
}

/// A text that is JSON more often than not, as compact as we write it more often than not.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => text().prop_map(|text| Value::from(text).to_string()),
        2 => select(vec!["1", "0", "-1", "1.5", "1.10", "1e3", "1E3", "-0", "1e400", "18446744073709551615", "18446744073709551616", "0.1e-7", "null", "true", "false"]).prop_map(str::to_owned),
    ];
    let json = leaf.prop_recursive(4, 24, 4, |inner| {
        let entry = (prop_oneof![text(), select(vec!["a".to_owned(), "b".to_owned()])], inner.clone());
        let entry = entry.prop_map(|(key, value)| format!("{}:{value}", Value::from(key)));
        prop_oneof![
            vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            vec(entry, 0..4).prop_map(|map| format!("{{{}}}", map.join(","))),
        ]
    });
    prop_oneof![6 => json.clone(), 1 => text(), 1 => json.prop_map(|json| format!("{json} "))]
}

fn headers() -> impl Strategy<Value = String> {
    let name = select(vec!["Accept", "X-A", "X-A", "Authorization", "", "{{ x }}", "a b"]);
    let header = (name, select(vec![": ", ":", ":  ", " : ", ""]), text())
        .prop_map(|(name, colon, text)| format!("{name}{colon}{text}"));
    prop_oneof![6 => vec(header, 0..4).prop_map(|list| Value::from(list).to_string()), 1 => text()]
}

/// A job that `render` could give: all its texts are what they like, where Dkron and we let them.
fn any_job() -> impl Strategy<Value = Job> {
    // A key is no template.
    let key = || {
        text().prop_map(|key| {
            if ["{{", "{%", "{#"].iter().any(|part| key.contains(part)) { key.replace('{', "[") } else { key }
        })
    };
    let map = move || btree_map(prop_oneof!["[a-z_]{1,8}", key()], text(), 0..3).prop_map(StringMap::from_iter);
    let url = prop_oneof![
        select(vec![
            "http://cache.shop.svc.cluster.local:8080/refresh/x",
            "http://x.shop.svc.cluster.local:8080",
            "https://a.shop.svc/x?x=1",
            "http://other/{{ x }}"
        ])
        .prop_map(str::to_owned),
        "http://h[a-z]{0,2}(\\.shop){0,1}(\\.svc){0,1}(\\.cluster\\.local){0,1}(:[0-9]{1,4}){0,1}/[a-z{}%#?=&x]{0,8}",
    ];
    let http = (
        url,
        option::of(json_text()),
        option::of(headers()),
        option::of(select(vec!["30", "29", "5", "x", ""])),
        option::of(select(vec!["200", "201", ""])),
        option::of(text()),
    );
    let http = http.prop_map(|(url, body, headers, timeout, expect_code, expect_body)| {
        let mut config = StringMap::new();
        config.insert("url".to_owned(), url);
        let others = [
            ("body", body),
            ("headers", headers),
            ("timeout", timeout.map(str::to_owned)),
            ("expectCode", expect_code.map(str::to_owned)),
            ("expectBody", expect_body),
        ];
        for (key, value) in others {
            if let Some(value) = value {
                config.insert(key.to_owned(), value);
            }
        }
        ("http".to_owned(), config)
    });
    let other = (prop_oneof![Just("shell".to_owned()), text(), Just(String::new())], map(), option::of(json_text()))
        .prop_map(|(executor, mut config, body)| {
            if let Some(body) = body {
                config.insert("body".to_owned(), body);
            }
            (if executor == "http" { String::new() } else { executor }, config)
        });
    let schedule =
        select(vec!["0 */5 * * * *", "@every 30s", "@manually", "~ 0 * * * *", "@every 1h30m", "@every 5s", ""]);
    let tags = prop_oneof![Just(StringMap::from_iter([("server".to_owned(), "true:1".to_owned())])), map()];
    let instant = || {
        option::weighted(
            0.1,
            (-62_135_596_799_i64..253_402_000_000)
                .prop_map(|second| Timestamp::from_second(second).expect("it is in range")),
        )
    };
    let texts = (
        text(),
        text(),
        text(),
        prop_oneof![6 => Just(""), 3 => Just("UTC"), 1 => Just("Asia/Kolkata")],
        schedule,
        option::weighted(0.2, select(vec!["gone", CHILD])),
    );
    let maps = (prop_oneof![3 => http, 1 => other], tags, map(), option::weighted(0.1, (key(), map())));
    let rest = (any::<bool>(), 0..3_u32, any::<bool>(), any::<bool>(), instant(), instant());
    (prop_oneof!["[a-c]{1,2}", "[a-z0-9_-]{1,8}", "[a-zé]{1,3}"], texts, maps, rest).prop_map(
        |(name, texts, maps, rest)| {
            let (displayname, owner, owner_email, timezone, schedule, parent_job) = texts;
            let ((executor, executor_config), tags, metadata, processors) = maps;
            let (disabled, retries, forbid, ephemeral, starts_at, expires_at) = rest;
            let schedule = if schedule.is_empty() && parent_job.is_none() { "@daily" } else { schedule };
            let mut metadata = metadata;
            let stamp = Stamp::take(&mut metadata);
            let definition = Definition {
                displayname,
                timezone: timezone.to_owned(),
                schedule: schedule.to_owned(),
                owner,
                owner_email,
                tags,
                metadata,
                retries,
                parent_job: parent_job.unwrap_or_default().to_owned(),
                processors: processors.into_iter().collect(),
                concurrency: if forbid { Concurrency::Forbid } else { Concurrency::Allow },
                executor,
                executor_config,
                ephemeral,
                starts_at,
                expires_at,
            };
            Job { name: name.into(), definition: definition.into(), disabled, stamp }
        },
    )
}
