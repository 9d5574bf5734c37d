//! What holds for every text that is rewritten for another namespace: 10,000 cases each, or `PROPTEST_CASES`.

use std::cell::Cell;
use std::fmt::Write;

use dkron_jobs::job::{Compared, Definition, Job, Owner, StringMap};
use dkron_jobs::rewrite::{Move, Rewritten, rewrite};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::laws::law;

fn between(from: &str, to: &str) -> Move {
    Move { from: from.to_owned(), to: to.to_owned(), name_prefix: String::new(), disabled: false }
}

fn job(body: &str) -> Job {
    let executor_config: StringMap = [("body".to_owned(), body.to_owned())].into_iter().collect();
    Job { definition: Definition { executor_config, ..Definition::default() }.into(), ..Job::new("a") }
}

fn rewritten(body: &str, from: &str, to: &str) -> Rewritten {
    rewrite([job(body)], &between(from, to)).expect("two namespaces and one job")
}

fn body(rewritten: &Rewritten) -> &str {
    rewritten.jobs[0].executor_config.get("body").map_or("", String::as_str)
}

fn mentions_left(rewritten: &Rewritten) -> usize {
    rewritten.leftovers.iter().map(|left| left.mentions).sum()
}

/// A piece of a text, with `N` where a host has its namespace and `W` where the word stands by itself.
const PIECES: [&str; 22] = [
    "http://api.N/x",
    "http://api.N",
    "https://api.N:8443/a?b=c#d",
    "redis://user:p%2Fw%40d@redis-0.redis.N/0",
    "api.N.svc",
    "http://api.N.svc.cluster.local.:80/",
    "redis-0.redis.N.svc.corp.example",
    "a.N:1,b.N:2",
    "//api.N?next=http%3A%2F%2Fb.N%3A80%2F",
    "http://gate/W/x",
    "ns=W",
    "(W)",
    "http://shop.W.example.com/",
    "api.W",
    "http://api.W:pw@host/",
    "http://api.prod-eu.svc/",
    "http://production:80/",
    "my-prod",
    "prod_2",
    "größe 1.50 €",
    "a \\ b \" c",
    "80%",
];
const GLUE: [&str; 5] = [" ", "\n", ", ", "\" \"", "\t"];

/// A way to put one text into another.
#[derive(Debug, Clone, Copy)]
enum Layer {
    /// A value of a JSON object.
    Json,
    /// The same, with `/` as `\/`, as PHP writes it.
    JsonSlashes,
    /// The same, with everything but letters, digits and blanks as `\uXXXX`.
    JsonUnits,
    /// A parameter of a URL, as browsers encode it.
    Url,
    /// The same, with everything but letters and digits encoded.
    UrlAll,
}

const LAYERS: [Layer; 5] = [Layer::Json, Layer::JsonSlashes, Layer::JsonUnits, Layer::Url, Layer::UrlAll];

impl Layer {
    fn around(self, text: &str) -> String {
        match self {
            Self::Json => format!("{{ \"z\": 1.50,\n\"a\" : {}, \"n\":1e3 }}", json!(text)),
            Self::JsonSlashes => format!("[{}]", json!(text).to_string().replace('/', "\\/")),
            Self::JsonUnits => {
                let mut escaped = String::new();
                for unit in text.encode_utf16() {
                    match u8::try_from(unit) {
                        Ok(byte) if byte.is_ascii_alphanumeric() || byte == b' ' => escaped.push(char::from(byte)),
                        _ => write!(escaped, "\\u{unit:04X}").expect("a string"),
                    }
                }
                format!("{{\"u\":\"{escaped}\"}}")
            }
            Self::Url => format!("http://gate/?a=b&u={}&c=d", percent(text, b"-_.~")),
            Self::UrlAll => format!("http://gate/?u={}", percent(text, b"")),
        }
    }
}

fn percent(text: &str, plain: &[u8]) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02x}").expect("a string");
        }
        encoded
    })
}

#[derive(Debug, Clone)]
struct Case {
    pieces: Vec<(&'static str, &'static str)>,
    layers: Vec<Layer>,
}

impl Case {
    fn text(&self, namespace: &str) -> String {
        let plain: String = self.pieces.iter().flat_map(|&(piece, glue)| [piece, glue]).collect();
        let plain = plain.replace('N', namespace).replace('W', "prod");
        self.layers.iter().fold(plain, |text, layer| layer.around(&text))
    }

    fn count(&self, mark: char) -> usize {
        self.pieces.iter().map(|(piece, _)| piece.matches(mark).count()).sum()
    }
}

fn case() -> impl Strategy<Value = Case> {
    (vec((select(&PIECES[..]), select(&GLUE[..])), 0..6), vec(select(&LAYERS[..]), 0..5))
        .prop_map(|(pieces, layers)| Case { pieces, layers })
}

#[test]
fn hosts_move_and_nothing_else_at_any_depth_of_encoding() {
    let moved = Cell::new(0_usize);
    law(case(), |case| {
        let before = case.text("prod");
        let rewritten = rewritten(&before, "prod", "staging");
        prop_assert_eq!(body(&rewritten), case.text("staging"));
        prop_assert_eq!(rewritten.places, case.count('N'));
        prop_assert_eq!(mentions_left(&rewritten), case.count('W'), "{:?}", rewritten.leftovers);
        moved.set(moved.get() + rewritten.places);
        for left in &rewritten.leftovers {
            prop_assert!(left.excerpt.contains("prod") && body(&rewritten).contains(&left.excerpt), "{left:?}");
        }
        if let Ok(json) = serde_json::from_str::<Value>(&before) {
            let after = serde_json::from_str(body(&rewritten)).expect("JSON stays JSON");
            prop_assert!(same_shape(&json, &after), "{json} {after}");
        }
        Ok(())
    });
    assert!(moved.get() > 1_000, "only {} hosts were in all cases", moved.get());
}

fn same_shape(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|((key, one), (of, other))| key == of && same_shape(one, other))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_shape(one, other))
        }
        (Value::String(_), Value::String(_)) => true,
        (one, other) => one == other,
    }
}

#[test]
fn the_stamp_says_of_the_copy_what_it_said_of_the_original() {
    law((case(), any::<bool>(), any::<bool>(), "[a-z]{0,3}"), |(case, edited, disabled, prefix)| {
        let stamped = |namespace: &str, name: String| {
            Job { name: name.into(), ..job(&case.text(namespace)) }.stamped(&Owner::new(namespace, "main"), false)
        };
        let mut original = stamped("prod", "a".to_owned());
        let mut expected = stamped("staging", format!("{prefix}a"));
        if edited {
            original.retries += 1;
            expected.retries += 1;
        }
        expected.disabled = disabled;
        let with = Move { name_prefix: prefix, disabled, ..between("prod", "staging") };
        let mut copy = rewrite([original.clone()], &with).expect("a legal name").jobs.remove(0);
        let says = |job: &Job| job.stamp.as_ref().expect("a stamp").compare(&job.digest());
        prop_assert_eq!(says(&copy), says(&original));
        prop_assert_eq!(says(&copy), if edited { Compared::Edited } else { Compared::AsWritten });
        if edited {
            // Nobody can know the digest of the template's definition in the other namespace.
            for job in [&mut copy, &mut expected] {
                job.stamp.as_mut().expect("a stamp").digest.clear();
            }
        }
        prop_assert_eq!(copy, expected);
        Ok(())
    });
}

/// What texts are made of in which anything may stand beside anything.
const SHREDS: [&str; 40] = [
    "prod",
    "prod",
    "prod",
    ".prod",
    ".prod.svc",
    "//a.prod",
    "a.prod:8",
    ".",
    ".",
    "/",
    "//",
    ":",
    "80",
    "@",
    "a",
    "svc",
    ".svc",
    "-",
    "_",
    " ",
    "\n",
    "é",
    "€",
    "%",
    "%2F",
    "%2f%2F",
    "%252F",
    "%3A",
    "%2E",
    "%2D",
    "\\",
    "\\/",
    "\\\"",
    "\"",
    "\\u002f",
    "{",
    "}",
    "$",
    "?",
    ",",
];

fn mess() -> impl Strategy<Value = String> {
    vec(select(&SHREDS[..]), 0..14).prop_map(|shreds| shreds.concat())
}

#[test]
fn a_namespace_that_is_not_there_changes_nothing() {
    law(prop_oneof![mess(), any::<String>(), case().prop_map(|case| case.text("prod"))], |text| {
        let rewritten = rewritten(&text, "absent", "staging");
        prop_assert_eq!(rewritten, Rewritten { jobs: vec![job(&text)], places: 0, leftovers: Vec::new() });
        Ok(())
    });
}

#[test]
fn there_and_back_is_where_it_was() {
    let moved = Cell::new(0_usize);
    law(mess(), |text| {
        let there = rewritten(&text, "prod", "staging");
        let back = rewritten(body(&there), "staging", "prod");
        prop_assert_eq!(body(&back), text);
        prop_assert_eq!(back.places, there.places);
        prop_assert!(back.leftovers.is_empty(), "{:?}", back.leftovers);
        moved.set(moved.get() + there.places);
        Ok(())
    });
    assert!(moved.get() > 1_000, "only {} hosts were in all cases", moved.get());
}

#[test]
fn every_mention_is_rewritten_or_listed() {
    let counted = Cell::new(0_usize);
    law(mess(), |text| {
        let rewritten = rewritten(&text, "prod", "staging");
        let mentions = words(&decoded(&text), "prod");
        prop_assert_eq!(rewritten.places + mentions_left(&rewritten), mentions, "{:?}", rewritten);
        prop_assert_eq!(words(&decoded(body(&rewritten)), "prod"), mentions_left(&rewritten));
        counted.set(counted.get() + mentions);
        Ok(())
    });
    assert!(counted.get() > 1_000, "only {} mentions were in all cases", counted.get());
}

/// Undoes one kind of escape after the other until none is left, with no thought of where anything came from.
fn decoded(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let before = text.clone();
        for byte in (0..=u8::MAX).filter(|_| before.contains('%')) {
            // No shred holds a character beyond ASCII that is encoded, so these are parts of none.
            let plain = if byte.is_ascii() { char::from(byte) } else { char::REPLACEMENT_CHARACTER }.to_string();
            text = text.replace(&format!("%{byte:02x}"), &plain).replace(&format!("%{byte:02X}"), &plain);
        }
        text = text.replace("\\u002f", "/");
        for plain in ["\\", "/", "\"", ".", ":", "@", "-", "_", "{", "}", "$", "?", ","] {
            text = text.replace(&format!("\\{plain}"), plain);
        }
        if text == before {
            return text;
        }
    }
}

fn words(text: &str, word: &str) -> usize {
    text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').filter(|&found| found == word).count()
}
