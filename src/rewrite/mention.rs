//! Where a text speaks of a namespace, and whether as part of a host.
//!
//! A cluster's name of a service is `<service>.<namespace>.svc`, with or without the cluster's domain behind it. Its short form
//! `<service>.<namespace>` could be anything, such as a file's name, so it is one only where a host must be: after `//`, or before
//! a port.

use std::ops::Range;

use super::view::View;

/// A namespace's name as a whole word in a text.
pub(super) struct Mention {
    /// Its place in the view.
    pub(super) at: Range<usize>,
    pub(super) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The namespace in the name of a service.
    Host,
    /// A word of its own, whatever it means.
    Word,
}

/// The most labels in front of the namespace in a short name: a pod of a headless service has two, `redis-0.redis`. With
/// more it is some company's own domain.
const MOST_SHORT_LABELS: usize = 2;
/// How far a host or a URL's user is followed, in bytes. A host has at most 253, and a token in place of a password some hundreds.
const LONGEST_AUTHORITY: usize = 4096;

/// All mentions in order. A host is one in any case of its letters; another word only as it is written.
pub(super) fn mentions(view: &View, namespace: &str) -> Vec<Mention> {
    let name = namespace.as_bytes();
    let mut mentions = Vec::new();
    for (start, word) in view.bytes.windows(name.len().max(1)).enumerate() {
        let at = start..start + name.len();
        if !word.eq_ignore_ascii_case(name) || !is_whole(view, &at) {
            continue;
        }
        if is_long_host(view, &at) {
            mentions.push(Mention { at, role: Role::Host });
        } else if is_cluster_domain(view, &at) {
            // What follows the namespace of another service.
        } else if is_short_host(view, &at) {
            mentions.push(Mention { at, role: Role::Host });
        } else if word == name {
            mentions.push(Mention { at, role: Role::Word });
        }
    }
    mentions
}

/// Whether a byte is part of a word, and so of a host's label.
pub(super) fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn is_word(char: Option<char>) -> bool {
    char.is_some_and(|char| char.is_alphanumeric() || matches!(char, '-' | '_'))
}

fn is_whole(view: &View, at: &Range<usize>) -> bool {
    !is_word(view.char_before(at.start)) && !is_word(view.char_at(at.end))
}

/// `<service>.<namespace>.svc`, whatever follows that label.
fn is_long_host(view: &View, at: &Range<usize>) -> bool {
    let svc = at.end..at.end + b".svc".len();
    is_part(view, &svc, b".svc") && !is_word(view.char_at(svc.end)) && follows_label(view, at.start)
}

fn is_part(view: &View, at: &Range<usize>, wanted: &[u8]) -> bool {
    view.bytes.get(at.clone()).is_some_and(|part| part.eq_ignore_ascii_case(wanted))
}

/// Whether a label and a dot stand before `at`. A placeholder in a script is as good as a label: `${SERVICE}.prod.svc`.
fn follows_label(view: &View, at: usize) -> bool {
    let before = |distance| at.checked_sub(distance).and_then(|at| view.get(at));
    before(1) == Some(b'.')
        && before(2).is_some_and(|byte| is_word_byte(byte) || matches!(byte, b'}' | b')' | b'>' | b'%' | b'*'))
}

/// `svc`, and `cluster.local` after it: in a namespace with such a name, no mention of it.
fn is_cluster_domain(view: &View, at: &Range<usize>) -> bool {
    let follows =
        |text: &[u8]| at.start.checked_sub(text.len()).is_some_and(|start| is_part(view, &(start..at.start), text));
    match view.bytes.get(at.clone()).map(<[u8]>::to_ascii_lowercase).as_deref() {
        Some(b"svc") => labels_before(view, at.start).is_some_and(|labels| labels.count > 1),
        Some(b"cluster") => follows(b".svc.") && is_part(view, &(at.end..at.end + b".local".len()), b".local"),
        Some(b"local") => follows(b".svc.cluster."),
        _ => false,
    }
}

/// `<service>.<namespace>` after `//`, with or without a user before it, or before a port.
fn is_short_host(view: &View, at: &Range<usize>) -> bool {
    let Some(labels) = labels_before(view, at.start).filter(|labels| labels.count <= MOST_SHORT_LABELS) else {
        return false;
    };
    match view.get(at.end) {
        Some(b':') if is_port(view, at.end + 1) => true,
        // A port that is a placeholder, or none; or the host is no host but a URL's user with a password.
        Some(b':') => follows_slashes(view, labels.start) && !is_user(view, at.end + 1),
        _ => ends_host(view, at.end) && follows_slashes(view, labels.start),
    }
}

/// The labels of a host in front of its namespace.
struct Labels {
    /// Where they begin.
    start: usize,
    /// How many there are; no more are counted than are of interest.
    count: usize,
}

/// The labels that end before `at`, each with its dot; `None` for none, or one that is empty.
fn labels_before(view: &View, at: usize) -> Option<Labels> {
    let mut labels = Labels { start: at, count: 0 };
    let floor = at.saturating_sub(LONGEST_AUTHORITY);
    while labels.count <= MOST_SHORT_LABELS && labels.start.checked_sub(1).and_then(|dot| view.get(dot)) == Some(b'.') {
        let end = labels.start - 1;
        let part = |byte: u8| is_word_byte(byte) || matches!(byte, b'$' | b'{' | b'}' | b'%');
        labels.start = (floor..end).rev().take_while(|&at| view.get(at).is_some_and(part)).last()?;
        labels.count += 1;
    }
    (labels.count > 0).then_some(labels)
}

/// Whether one to five digits and a host's end stand here.
fn is_port(view: &View, at: usize) -> bool {
    let digits = (at..).take_while(|&at| view.get(at).is_some_and(|byte| byte.is_ascii_digit())).take(5).count();
    (1..=5).contains(&digits) && ends_host(view, at + digits)
}

/// Whether what is before `at` can be a whole host. A dot could go on with a domain, a `$` with anything.
fn ends_host(view: &View, at: usize) -> bool {
    match view.char_at(at) {
        None => true,
        Some(char) if char.is_ascii() => is_delimiter(char) || ",;&|)]}+".contains(char),
        Some(char) => !char.is_alphanumeric(),
    }
}

/// Whether a character ends a URL's authority, in the URL or because the URL itself ends.
fn is_delimiter(char: char) -> bool {
    char.is_whitespace() || char.is_control() || "/?#\"'`<>\\".contains(char)
}

fn is_delimiter_at(view: &View, at: usize) -> bool {
    view.get(at).is_some_and(|byte| byte.is_ascii() && is_delimiter(char::from(byte)))
}

/// Whether an `@` stands between here and the end of the authority.
fn is_user(view: &View, at: usize) -> bool {
    (at..at + LONGEST_AUTHORITY)
        .take_while(|&at| view.get(at).is_some() && !is_delimiter_at(view, at))
        .any(|at| view.get(at) == Some(b'@'))
}

/// Whether `//` or `//user:password@` stands before `at`.
fn follows_slashes(view: &View, at: usize) -> bool {
    match at.checked_sub(1) {
        Some(last) if view.get(last) == Some(b'/') => slashes_end(view, last).is_some(),
        Some(last) if view.get(last) == Some(b'@') => is_user_of_url(view, last),
        _ => false,
    }
}

/// How often the two slashes were percent-encoded of which the second stands at `at`.
fn slashes_end(view: &View, at: usize) -> Option<u8> {
    let first = at.checked_sub(1)?;
    (view.get(first) == Some(b'/') && view.get(at) == Some(b'/')).then(|| view.depth(first).max(view.depth(at)))
}

/// Whether the `@` at `at` ends a URL's user. In a password, what is a delimiter elsewhere has been encoded once more than the
/// URL's own slashes.
fn is_user_of_url(view: &View, at: usize) -> bool {
    let mut data = u8::MAX;
    for at_slash in (at.saturating_sub(LONGEST_AUTHORITY)..at).rev() {
        match slashes_end(view, at_slash) {
            Some(depth) if depth < data && view.depth(at) <= depth => return true,
            _ if is_delimiter_at(view, at_slash) => data = data.min(view.depth(at_slash)),
            _ => {}
        }
        if data == 0 {
            return false;
        }
    }
    false
}
