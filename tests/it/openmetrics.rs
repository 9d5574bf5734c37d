//! The grammar of `OpenMetrics` 1.0 as far as we write it, strictly: what a real parser refuses is refused here. The one well-kept crate
//! that parses it is under the LGPL, which `deny.toml` does not let in.

use std::collections::{BTreeMap, BTreeSet};

/// The samples of a family, by their labels.
pub(crate) type Samples = BTreeMap<BTreeMap<String, String>, f64>;

/// Reads an exposition: samples by family.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, Samples>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("it does not end with `# EOF`")?;
    let mut families: BTreeMap<String, Samples> = BTreeMap::new();
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    let mut said: BTreeSet<(String, String)> = BTreeSet::new();
    let mut current = String::new();
    for line in body.split_terminator('\n') {
        let wrong = |what: &str| format!("{what}: `{line}`");
        if let Some(rest) = line.strip_prefix("# ") {
            let (word, rest) = rest.split_once(' ').ok_or_else(|| wrong("no metadata"))?;
            let (name, value) = rest.split_once(' ').ok_or_else(|| wrong("no value"))?;
            if !is_name(name) {
                return Err(wrong("a family's name"));
            }
            if name != current {
                if word != "TYPE" || families.contains_key(name) {
                    return Err(wrong("a family that does not begin with its type, or begins twice"));
                }
                families.insert(name.to_owned(), Samples::new());
                name.clone_into(&mut current);
            }
            let first_sample = families.get(name).is_some_and(|samples| !samples.is_empty());
            if first_sample || !said.insert((name.to_owned(), word.to_owned())) {
                return Err(wrong("metadata said twice, or after a sample"));
            }
            match word {
                "TYPE" if ["gauge", "counter"].contains(&value) => {
                    kinds.insert(name.to_owned(), value.to_owned());
                }
                "UNIT" if name.ends_with(&format!("_{value}")) => {}
                "HELP" if unescape(value).is_some() => {}
                _ => return Err(wrong("unknown metadata, or a unit that is not the end of the name")),
            }
            continue;
        }
        let end = line.find(['{', ' ']).ok_or_else(|| wrong("no value"))?;
        let (name, rest) = line.split_at(end);
        let family = match kinds.get(&current).map(String::as_str) {
            Some("counter") => name.strip_suffix("_total").ok_or_else(|| wrong("a counter without `_total`"))?,
            _ => name,
        };
        if family != current {
            return Err(wrong("a sample that is not of the family above it"));
        }
        let (labels, value) = labels(rest).ok_or_else(|| wrong("labels"))?;
        let number: f64 =
            value.strip_prefix(' ').and_then(|value| value.parse().ok()).ok_or_else(|| wrong("a value"))?;
        if kinds.get(family).is_some_and(|kind| kind == "counter") && number < 0.0 {
            return Err(wrong("a counter below zero"));
        }
        if families.entry(family.to_owned()).or_default().insert(labels, number).is_some() {
            return Err(wrong("the same sample twice"));
        }
    }
    match families.keys().find(|family| !said.contains(&((*family).clone(), "HELP".to_owned()))) {
        Some(family) => Err(format!("`{family}` has no help")),
        None => Ok(families),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The labels at the start of a text, and what follows them.
fn labels(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    let Some(mut rest) = text.strip_prefix('{') else { return Some((labels, text)) };
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((labels, rest));
    }
    loop {
        let (name, value) = rest.split_once("=\"")?;
        let mut escaped = false;
        let end = value.find(|c| {
            let is_end = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            is_end
        })?;
        let twice = labels.insert(name.to_owned(), unescape(&value[..end])?);
        if !is_name(name) || twice.is_some() {
            return None;
        }
        rest = &value[end + 1..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return rest.strip_prefix('}').map(|rest| (labels, rest)),
        }
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next()? {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            },
            c => c,
        });
    }
    Some(plain)
}

#[test]
fn what_is_no_openmetrics_is_refused() {
    let good = "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds x\na_seconds{b=\"c\\\"\\\\\\n\"} 1.5\n# TYPE d counter\n# HELP d y\nd_total 2\n# EOF\n";
    let read = parse(good).expect("it is good");
    let labels = BTreeMap::from([("b".to_owned(), "c\"\\\n".to_owned())]);
    assert_eq!(read["a_seconds"], Samples::from([(labels, 1.5)]));
    assert_eq!(read["d"], Samples::from([(BTreeMap::new(), 2.0)]));
    for (from, to) in [
        ("# EOF\n", ""),
        ("# UNIT a_seconds seconds", "# UNIT a_seconds bytes"),
        ("# TYPE d counter", "# TYPE d stateset"),
        ("d_total 2", "d 2"),
        ("d_total 2", "d_total -2"),
        ("d_total 2", "d_total 2\nd_total 2"),
        ("d_total 2", "d_total 2\n\n"),
        ("d_total 2", "d_total  2"),
        ("d_total 2", "a_seconds 2"),
        ("# HELP d y\n", ""),
        ("# HELP d y\n", "# HELP d y\n# HELP d y\n"),
        ("# TYPE d counter\n", ""),
        ("d_total 2\n", "d_total 2\n# TYPE a_seconds gauge\n"),
        ("b=\"c", "b=\"\\c"),
        ("b=\"c", "0b=\"c"),
        ("b=\"c", "b=\"x\",b=\"c"),
        ("\"} 1.5", "\" 1.5"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert!(parse(&bad).is_err(), "{bad}");
    }
}
