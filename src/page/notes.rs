//! Notes by severity and rule. What is said in the same words of many jobs of one place is said once.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::lint::{Finding, Note, Severity, rules};

use super::{Page, count};

/// How many jobs are named under notes, over all rules; the whole list is in the JSON report.
const LISTED: usize = 3_000;
/// A rule with more than this to say begins folded.
const UNFOLDED: usize = 30;

/// The notes of one severity.
#[derive(Debug, Serialize)]
pub(super) struct Grade {
    word: &'static str,
    count: String,
    rules: Vec<RuleNotes>,
}

/// The notes of one rule.
#[derive(Debug, Serialize)]
struct RuleNotes {
    id: &'static str,
    summary: Vec<String>,
    reason: Vec<String>,
    remedy: Vec<String>,
    count: String,
    open: bool,
    /// Where all of its jobs are written down; empty where they are in several places.
    place: String,
    messages: Vec<Message>,
    /// How many are not listed, if any.
    more: String,
}

/// What is wrong with one job, or with several in the same words.
#[derive(Debug, Serialize)]
struct Message {
    text: Vec<String>,
    /// Only where it is not the rule's own.
    remedy: Vec<String>,
    place: String,
    jobs: Vec<String>,
}

/// A note that is allowed.
#[derive(Debug, Serialize)]
pub(super) struct AllowedNote {
    rule: &'static str,
    job: String,
    text: Vec<String>,
    reason: String,
}

/// What is said once: the message, the remedy and the place.
type Words<'a> = (String, &'a str, String);

pub(super) fn grades(page: &Page<'_>) -> Vec<Grade> {
    let order: BTreeMap<&str, usize> = rules().map(|rule| rule.id).zip(0..).collect();
    let mut by_rule: BTreeMap<(std::cmp::Reverse<Severity>, usize), Vec<&Finding>> = BTreeMap::new();
    for finding in &page.findings.notes {
        let note = &finding.note;
        let place = order.get(note.rule.id).copied().unwrap_or(usize::MAX);
        by_rule.entry((std::cmp::Reverse(note.severity), place)).or_default().push(finding);
    }
    let share = share(by_rule.values().map(Vec::len).collect());
    let mut grades: Vec<Grade> = Vec::new();
    for ((severity, _), notes) in by_rule {
        let word = severity.0.word();
        if grades.last().is_none_or(|grade| grade.word != word) {
            let count = count(page.findings.count(severity.0));
            grades.push(Grade { word, count, rules: Vec::new() });
        }
        if let Some(grade) = grades.last_mut() {
            grade.rules.extend(of_rule(page, &notes, share));
        }
    }
    grades
}

/// How many each rule may list, so that all together list [`LISTED`]: what the short ones leave is for the long ones.
fn share(mut counts: Vec<usize>) -> usize {
    counts.sort_unstable();
    let mut left = LISTED;
    let mut rules = counts.len();
    for count in counts {
        if count * rules > left {
            return left / rules;
        }
        left -= count;
        rules -= 1;
    }
    LISTED
}

fn of_rule(page: &Page<'_>, notes: &[&Finding], share: usize) -> Option<RuleNotes> {
    let rule = notes.first()?.note.rule;
    let mut index: BTreeMap<Words<'_>, usize> = BTreeMap::new();
    let mut messages: Vec<Message> = Vec::new();
    for finding in notes.iter().take(share) {
        let note = &finding.note;
        let remedy = if note.remedy == rule.remedy { "" } else { note.remedy.as_str() };
        let words = (text(page, note), remedy, finding.place().unwrap_or_default());
        let at = *index.entry(words).or_insert_with_key(|(text, remedy, place)| {
            let (text, remedy) = (quoted(page, text), quoted(page, remedy));
            messages.push(Message { text, remedy, place: place.clone(), jobs: Vec::new() });
            messages.len() - 1
        });
        messages[at].jobs.extend(note.job.iter().map(|job| String::from(&**job)));
    }
    let mut place = String::new();
    if let Some(first) = messages.first().map(|first| first.place.clone())
        && messages.iter().all(|message| message.place == first)
    {
        place = first;
        for message in &mut messages {
            message.place.clear();
        }
    }
    Some(RuleNotes {
        id: rule.id,
        summary: quoted(page, rule.summary),
        reason: quoted(page, rule.reason),
        remedy: quoted(page, rule.remedy),
        count: count(notes.len()),
        open: notes.len() <= UNFOLDED || messages.len() == 1 && notes.len() <= 4 * UNFOLDED,
        place,
        messages,
        more: if notes.len() > share { count(notes.len() - share) } else { String::new() },
    })
}

/// What a note says; only what its rule says where the field holds a secret, as a message may quote it.
fn text(page: &Page<'_>, note: &Note) -> String {
    let subject = note.job.as_ref().and_then(|job| page.subjects.get(job));
    if subject.is_some_and(|subject| subject.is_secret(&note.field)) {
        format!("{} (`{}` holds a secret)", note.rule.summary, note.field)
    } else {
        note.message.clone()
    }
}

/// A text cut at its backquotes: each second part is code. It is masked before it is cut, as a secret may have a backquote in it.
fn quoted(page: &Page<'_>, text: &str) -> Vec<String> {
    let text = page.masker.text(text);
    let parts: Vec<_> = text.split('`').map(str::to_owned).collect();
    match parts.len() {
        0 => Vec::new(),
        1 if text.is_empty() => Vec::new(),
        // One that is not closed is just a backquote.
        parts if parts.is_multiple_of(2) => vec![text],
        _ => parts,
    }
}

pub(super) fn allowed(page: &Page<'_>) -> (Vec<AllowedNote>, String) {
    let all = &page.findings.allowed;
    let most = LISTED / 6;
    let shown = all.iter().take(most).map(|(Finding { note, .. }, reason)| AllowedNote {
        rule: note.rule.id,
        job: note.job.as_deref().unwrap_or_default().to_owned(),
        text: quoted(page, &text(page, note)),
        reason: reason.clone(),
    });
    (shown.collect(), if all.len() > most { count(all.len() - most) } else { String::new() })
}
