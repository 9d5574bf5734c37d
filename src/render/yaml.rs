//! YAML as a tree in which every node knows its place. The scalars follow the core schema of YAML 1.2: `yes` is a string.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::problem::{Problem, Text};

/// Anchored nodes may be used again; more nodes than this in one file are a bomb, not a template.
const MOST_NODES: usize = 1_000_000;
/// Deeper than any template; the parser of a hostile file must not use up the stack.
const DEEPEST: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// Bytes of the file.
    pub(super) at: Range<usize>,
    /// `!!int` and the like in front of a string: what its text is to be read as once it is rendered.
    pub(super) tag: Option<Scalar>,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    String(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) at: Range<usize>,
}

/// The scalars of the core schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Null,
    Bool,
    Int,
    Float,
    Str,
}

impl Kind {
    /// What it is, for messages.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// All documents of a file; empty ones are left out. Where the file cannot be read on, what stands before is given all the same,
/// so that everything wrong with it is found in one run.
pub(super) fn parse(text: &Text, problems: &mut Vec<Problem>) -> Vec<Node> {
    let bytes = Bytes::new(text.as_str());
    let mut reader = Reader { text, bytes, anchors: HashMap::new(), nodes: 0, problems };
    let mut documents = Vec::new();
    if let Err(problem) = reader.documents(&mut documents) {
        problems.push(problem);
    }
    documents
}

/// The text with JSON's surrogate pairs (`\ud83d\ude00`) as the characters they stand for, which YAML has no such escapes for.
pub(super) fn join_surrogates(text: &str) -> Cow<'_, str> {
    let mut joined = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\\u") {
        let escape = |at: usize| {
            let unit = rest.get(at..at + 6)?.strip_prefix("\\u")?;
            u16::from_str_radix(unit, 16).ok()
        };
        let pair = escape(at).filter(|high| (0xd800..0xdc00).contains(high)).zip(escape(at + 6));
        let char = pair.and_then(|(high, low)| char::decode_utf16([high, low]).next()?.ok());
        // Each second one before it is escaped by the first, and the last one left over escapes this.
        let backslashes = rest[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        let (taken, char) = match char {
            Some(char) if backslashes.is_multiple_of(2) => (at + 12, char),
            _ => (at + 2, 'u'),
        };
        let kept = if taken == at + 12 { at } else { at + 1 };
        joined.push_str(&rest[..kept]);
        joined.push(char);
        rest = &rest[taken..];
    }
    if joined.is_empty() {
        return Cow::Borrowed(text);
    }
    joined.push_str(rest);
    Cow::Owned(joined)
}

/// From the parser's characters to bytes.
enum Bytes {
    Ascii,
    Map(Vec<usize>),
}

impl Bytes {
    fn new(text: &str) -> Self {
        if text.is_ascii() {
            return Self::Ascii;
        }
        let mut map: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
        map.push(text.len());
        Self::Map(map)
    }

    fn at(&self, index: usize) -> usize {
        match self {
            Self::Ascii => index,
            Self::Map(map) => map.get(index).or(map.last()).copied().unwrap_or_default(),
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        let start = self.at(span.start.index());
        start..self.at(span.end.index()).max(start)
    }
}

struct Reader<'t, 'p> {
    text: &'t Text,
    bytes: Bytes,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// What is wrong and does not keep the rest from being read.
    problems: &'p mut Vec<Problem>,
}

type Events<'t> = Parser<'t, saphyr_parser::StrInput<'t>>;

impl<'t> Reader<'t, '_> {
    fn documents(&mut self, documents: &mut Vec<Node>) -> Result<(), Problem> {
        let mut parser = Parser::new_from_str(self.text.as_str());
        while let Some(event) = self.next(&mut parser)? {
            match event {
                (Event::DocumentStart(_), _) => self.anchors.clear(),
                (Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Nothing, _) => {}
                (event, span) => {
                    let node = self.node(&mut parser, event, span, 0)?;
                    if !matches!(node.kind, Kind::Null) {
                        documents.push(node);
                    }
                }
            }
        }
        Ok(())
    }

    fn next(&self, parser: &mut Events<'t>) -> Result<Option<(Event<'t>, Span)>, Problem> {
        parser.next_event().transpose().map_err(|error| {
            let at = self.bytes.at(error.marker().index());
            self.text.problem(
                at..at,
                format!("this is no YAML: {}", error.info()),
                "look at the indentation, and quote values that hold `: `, ` #`, `{` or `[`",
            )
        })
    }

    fn node(&mut self, parser: &mut Events<'t>, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Problem> {
        let start = self.bytes.range(span);
        self.count(1, &start)?;
        self.deep(depth, &start)?;
        match event {
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return Err(self.text.problem(
                        start,
                        "this alias names an anchor that it stands in itself",
                        "set the anchor (`&name`) on a value that ends before the alias",
                    ));
                };
                let (nodes, levels) = size(&node);
                self.count(nodes, &start)?;
                self.deep(depth + levels, &start)?;
                Ok(node)
            }
            Event::Scalar(value, style, anchor, tag) => {
                let tag = tag.map(|tag| self.tag(&tag, &start)).transpose()?;
                let at = trimmed(self.text.as_str(), start, style);
                let node = self.scalar(value.into_owned(), style, tag, at)?;
                self.anchor(anchor, &node);
                Ok(node)
            }
            Event::SequenceStart(anchor, tag) => {
                self.no_tag(tag.as_deref(), &start)?;
                let mut list = Vec::new();
                let end = loop {
                    match self.some(parser)? {
                        (Event::SequenceEnd, span) => break self.bytes.range(span).end,
                        (event, span) => list.push(self.node(parser, event, span, depth + 1)?),
                    }
                };
                let node = Node { kind: Kind::List(list), at: start.start..end, tag: None };
                self.anchor(anchor, &node);
                Ok(node)
            }
            Event::MappingStart(anchor, tag) => {
                self.no_tag(tag.as_deref(), &start)?;
                let (map, end) = self.map(parser, depth)?;
                let node = Node { kind: Kind::Map(map), at: start.start..end, tag: None };
                self.anchor(anchor, &node);
                Ok(node)
            }
            // The parser gives these between nodes only.
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Err(self.text.problem(start, "a value is missing here", "write one, or `null`")),
        }
    }

    fn map(&mut self, parser: &mut Events<'t>, depth: usize) -> Result<(Vec<(Key, Node)>, usize), Problem> {
        let mut map: Vec<(Key, Node)> = Vec::new();
        let mut merged: Vec<(Key, Node)> = Vec::new();
        let end = loop {
            let (event, span) = match self.some(parser)? {
                (Event::MappingEnd, span) => break self.bytes.range(span).end,
                other => other,
            };
            let at = self.bytes.range(span);
            let Event::Scalar(text, style, ..) = event else {
                return Err(self.text.problem(at, "a key that is no plain text", "write a name before the colon"));
            };
            let key = Key { text: text.into_owned(), at: trimmed(self.text.as_str(), at, style) };
            let (event, span) = self.some(parser)?;
            let value = self.node(parser, event, span, depth + 1)?;
            if key.text == "<<" && style == ScalarStyle::Plain {
                merged.extend(self.merge(value)?);
            } else if let Some((first, _)) = map.iter().find(|(other, _)| other.text == key.text) {
                let (line, _) = self.text.line_column(first.at.start);
                self.problems.push(self.text.problem(
                    key.at,
                    format!("the key `{}` stands here twice, first on line {line}", key.text),
                    "take one of them away",
                ));
            } else {
                map.push((key, value));
            }
        };
        // What stands in the map itself beats what is merged in.
        for (key, value) in merged {
            if !map.iter().any(|(other, _)| other.text == key.text) {
                map.push((key, value));
            }
        }
        Ok((map, end))
    }

    /// `<<: *base` and `<<: [*one, *two]`, which YAML 1.1 had and people use.
    fn merge(&self, value: Node) -> Result<Vec<(Key, Node)>, Problem> {
        match value.kind {
            Kind::Map(map) => Ok(map),
            Kind::List(list) => Ok(list
                .into_iter()
                .map(|node| self.merge(node))
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .flatten()
                .collect()),
            _ => Err(self.text.problem(value.at, "`<<` merges maps, and this is none", "write `<<: *name`")),
        }
    }

    fn some(&self, parser: &mut Events<'t>) -> Result<(Event<'t>, Span), Problem> {
        let end = self.text.as_str().len();
        self.next(parser)?
            .ok_or_else(|| self.text.problem(end..end, "the file ends in the middle of a value", "write the rest"))
    }

    fn count(&mut self, nodes: usize, at: &Range<usize>) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes <= MOST_NODES {
            return Ok(());
        }
        Err(self.text.problem(
            at.clone(),
            format!("more than {MOST_NODES} values in one file"),
            "use a data table and `for_each` instead of aliases",
        ))
    }

    fn deep(&self, depth: usize, at: &Range<usize>) -> Result<(), Problem> {
        if depth <= DEEPEST {
            return Ok(());
        }
        Err(self.text.problem(
            at.clone(),
            format!("more than {DEEPEST} levels of lists and maps"),
            "no job needs so many; make it flatter",
        ))
    }

    fn anchor(&mut self, id: usize, node: &Node) {
        if id > 0 {
            self.anchors.insert(id, node.clone());
        }
    }

    fn tag(&self, tag: &Tag, at: &Range<usize>) -> Result<Scalar, Problem> {
        let known = tag.is_yaml_core_schema().then_some(tag.suffix.as_str());
        match known {
            Some("null") => Ok(Scalar::Null),
            Some("bool") => Ok(Scalar::Bool),
            Some("int") => Ok(Scalar::Int),
            Some("float") => Ok(Scalar::Float),
            Some("str") => Ok(Scalar::Str),
            _ => Err(self.text.problem(
                at.clone(),
                format!("the tag `{tag}` is not known"),
                "take it away, or write one of `!!str`, `!!int`, `!!float`, `!!bool`, `!!null`",
            )),
        }
    }

    fn no_tag(&self, tag: Option<&Tag>, at: &Range<usize>) -> Result<(), Problem> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "map" | "seq")) => {
                Err(self.text.problem(at.clone(), format!("the tag `{tag}` is not known"), "take it away"))
            }
            _ => Ok(()),
        }
    }

    fn scalar(
        &self,
        value: String,
        style: ScalarStyle,
        tag: Option<Scalar>,
        at: Range<usize>,
    ) -> Result<Node, Problem> {
        let kind = match tag {
            // A template is read once it is rendered.
            Some(_) if is_template(&value) => Kind::String(value),
            Some(tag) => tagged(tag, value).map_err(|problem| self.text.problem(at.clone(), problem, TAG_REMEDY))?,
            None if style == ScalarStyle::Plain => plain(value),
            None => Kind::String(value),
        };
        Ok(Node { kind, at, tag })
    }
}

pub(super) const TAG_REMEDY: &str = "correct the value, or take the tag away";

/// Whether a string has template syntax in it.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// A text read as the tag says.
pub(super) fn tagged(tag: Scalar, text: String) -> Result<Kind, String> {
    let kind = plain(text.trim().to_owned());
    match (tag, kind) {
        (Scalar::Str, _) => Ok(Kind::String(text)),
        (Scalar::Null, Kind::Null) => Ok(Kind::Null),
        (Scalar::Bool, kind @ Kind::Bool(_)) | (Scalar::Float, kind @ Kind::Number(_)) => Ok(kind),
        (Scalar::Int, Kind::Number(number)) if number.parse::<f64>().is_err() || is_decimal_int(&number) => {
            Ok(Kind::Number(number))
        }
        (tag, _) => {
            let wanted = match tag {
                Scalar::Null => "null",
                Scalar::Bool => "a bool",
                Scalar::Int => "an integer",
                Scalar::Float => "a number",
                Scalar::Str => "a string",
            };
            Err(format!("`{text}` is not {wanted}, as its tag says"))
        }
    }
}

fn plain(text: String) -> Kind {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ if is_number(&text) => Kind::Number(text),
        _ => Kind::String(text),
    }
}

fn is_decimal_int(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    if let Some(digits) = text.strip_prefix("0x") {
        return !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return !digits.is_empty() && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    }
    // `inf`, `nan` and the like are numbers to Rust and words to YAML.
    let begins = text.strip_prefix(['-', '+']).unwrap_or(text).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    begins && !text.contains(|c: char| c.is_ascii_alphabetic() && c != 'e' && c != 'E') && text.parse::<f64>().is_ok()
}

/// How many nodes are in it, and how many levels are below it.
fn size(node: &Node) -> (usize, usize) {
    let all = |sum: (usize, usize), below: &Node| {
        let (nodes, levels) = size(below);
        (sum.0 + nodes, sum.1.max(levels + 1))
    };
    match &node.kind {
        Kind::List(list) => list.iter().fold((1, 0), all),
        Kind::Map(map) => map.iter().map(|(_, node)| node).fold((1, 0), all),
        _ => (1, 0),
    }
}

/// A scalar's bytes without the blanks that the parser counts in at the end.
fn trimmed(text: &str, at: Range<usize>, style: ScalarStyle) -> Range<usize> {
    match style {
        ScalarStyle::Literal | ScalarStyle::Folded => at,
        _ => at.start..at.start + text.get(at.clone()).map_or(0, |raw| raw.trim_end().len()),
    }
}
