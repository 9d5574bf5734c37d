//! A string leaf of a template: what stands in it as it is, and what is filled in.

use std::mem;

use crate::render::is_template;

/// What begins something in the template language.
const SYNTAX: [&str; 3] = ["{{", "{%", "{#"];

/// A piece of a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands, whatever template syntax is in it.
    Text(String),
    /// `{{ namespace }}`.
    Namespace,
    /// `{{ cluster_domain }}`.
    ClusterDomain,
    /// What follows, up to [`Piece::ServiceEnd`], is the name in `{{ service(name, port) }}`.
    ServiceStart,
    /// The port.
    ServiceEnd(u16),
    /// An expression over the row: `item.name`.
    Row(String),
}

/// Pieces in a row. Beside each piece that is no text stands a text, perhaps an empty one, so that leaves of one shape can be
/// compared piece by piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf(Vec<Piece>);

impl Leaf {
    /// A text as it stands.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self(vec![Piece::Text(text.into())])
    }

    /// These pieces, with the texts between them put in and put together.
    pub(super) fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut leaf = Self::text("");
        for piece in pieces {
            match (piece, leaf.0.last_mut()) {
                (Piece::Text(text), Some(Piece::Text(last))) => last.push_str(&text),
                (Piece::Text(text), _) => leaf.0.push(Piece::Text(text)),
                (other, _) => leaf.0.extend([other, Piece::Text(String::new())]),
            }
        }
        leaf
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// How much text is in it, in bytes.
    pub(super) fn length(&self) -> usize {
        self.0.iter().map(|piece| if let Piece::Text(text) = piece { text.len() } else { 0 }).sum()
    }

    /// The text, where it is nothing else.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The leaf in the template language.
    pub(super) fn source(&self) -> String {
        match self.as_text() {
            Some(text) if !is_template(text) => return text.to_owned(),
            Some(text) if !text.contains("endraw") => return text.split_inclusive('\n').map(raw).collect(),
            _ => {}
        }
        let mut out = String::new();
        // The parts of the service's name, while in one.
        let mut service: Option<Vec<String>> = None;
        for (index, piece) in self.0.iter().enumerate() {
            match (piece, &mut service) {
                (Piece::Text(text), Some(name)) if !text.is_empty() => name.push(format!("'{text}'")),
                (Piece::Row(row), Some(name)) => name.push(row.clone()),
                (Piece::Text(text), None) => escape(text, index + 1 < self.0.len(), &mut out),
                (Piece::Row(row), None) => out.extend(["{{ ", row, " }}"]),
                (Piece::Namespace, _) => out.push_str("{{ namespace }}"),
                (Piece::ClusterDomain, _) => out.push_str("{{ cluster_domain }}"),
                (Piece::ServiceStart, _) => service = Some(Vec::new()),
                (Piece::ServiceEnd(port), _) => {
                    let mut name = mem::take(&mut service).unwrap_or_default();
                    if name.len() > 1 {
                        // `~` binds tighter than a filter.
                        name.iter_mut().filter(|part| part.contains('|')).for_each(|part| *part = format!("({part})"));
                    }
                    out.extend(["{{ service(", &name.join(" ~ "), ", ", &port.to_string(), ") }}"]);
                }
                (Piece::Text(_), Some(_)) => {}
            }
        }
        out
    }
}

/// A line with what looks like template syntax in it set in `{% raw %}`.
fn raw(line: &str) -> String {
    let Some(start) = (0..line.len())
        .find(|&at| SYNTAX.iter().any(|syntax| line.get(at..).is_some_and(|rest| rest.starts_with(syntax))))
    else {
        return line.to_owned();
    };
    let (before, rest) = line.split_at(start);
    let end = rest.rfind('}').map(|at| at + 1).filter(|&end| !is_template(&rest[end..]));
    let (inner, after) = rest.split_at(end.unwrap_or(rest.trim_end_matches(['\n', '\r']).len()));
    format!("{before}{{% raw %}}{inner}{{% endraw %}}{after}")
}

/// Writes a text so that nothing in it is template syntax, neither by itself nor with the expression that may follow.
fn escape(text: &str, expression_follows: bool, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        let after = from.trim_start_matches('{');
        let braces = &from[..from.len() - after.len()];
        let is_syntax = braces.len() > 1 || after.starts_with(['%', '#']) || (after.is_empty() && expression_follows);
        out.push_str(before);
        if is_syntax {
            out.extend(["{{ '", braces, "' }}"]);
        } else {
            out.push_str(braces);
        }
        rest = after;
    }
    out.push_str(rest);
}
