//! Cuts a text into JSON objects.

use std::borrow::Cow;
use std::fmt;
use std::mem;

use memchr::{memchr, memchr_iter};
use serde::de::IgnoredAny;
use serde_json::Deserializer;

use super::repair::{self, DEEPEST};

/// What some editors begin a text with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An object of a text, or what stands where one should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut<'a> {
    /// Which one of the text it is, from 1.
    pub number: u64,
    /// Where it begins, in bytes from the start of the text.
    pub offset: u64,
    /// The line it begins in, from 1.
    pub line: u64,
    /// The object from `{` to `}`, or why there is none. Owned where line breaks were taken out of its strings: the backup script
    /// of old puts one wherever `}{` stands, in a string as well.
    pub object: Result<Cow<'a, [u8]>, Reason>,
}

/// Why a piece of a text is no object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Something else than an object.
    NoObject,
    /// The next element of an array without a comma before it.
    NoComma,
    /// Something else than an object after a comma.
    NoElement,
    /// Something after the end of the array.
    AfterArray,
    /// The text ends within the object.
    Unclosed,
    /// The text ends within the array.
    UnclosedArray,
    /// A line break within a string that is not the one the backup script of old puts there.
    LineBreak,
    /// Another object begins where none can.
    NoSeparator,
    /// It is longer than this many bytes.
    TooLong(usize),
    /// It is no JSON, and its braces are nested too deep.
    TooDeep,
    /// It goes over several lines that look like objects themselves, and is no JSON: a decoder's words.
    Syntax(String),
}

/// One after another, the objects of a text: one a line, one after another with or without white space between, or the elements
/// of an array; a UTF-8 byte order mark may come first. Behind something broken it goes on at the next line that begins with
/// an object.
///
/// From the first object that is no JSON on, objects are cut by their braces, and what the backup script of old has done to them is
/// undone. Whether there is JSON between the braces is then for a decoder to say.
#[derive(Debug)]
pub struct Objects<'a> {
    text: &'a [u8],
    limit: usize,
    place: Place,
    /// The next byte.
    at: usize,
    /// Its line.
    line: u64,
    number: u64,
    /// Something before was no JSON.
    repairing: bool,
    /// The next object was found behind something broken, and may be the middle of that.
    doubtful: bool,
}

/// What may come next outside of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Sequence,
    /// An array's first element, or its end.
    First,
    /// A comma, or the array's end.
    Comma,
    /// An element.
    Element,
    /// Nothing: the array is over.
    Closed,
}

impl Place {
    fn in_array(self) -> bool {
        matches!(self, Self::First | Self::Comma | Self::Element)
    }
}

impl<'a> Objects<'a> {
    /// The objects of this text. One that is longer than so many bytes is broken.
    pub fn new(text: &'a [u8], limit: usize) -> Self {
        let at = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        Self { text, limit, place: Place::Start, at, line: 1, number: 0, repairing: false, doubtful: false }
    }

    /// Once there are no more: whether the text is a JSON array, and nothing else.
    pub fn is_array(&self) -> bool {
        self.place == Place::Closed
    }

    /// The object that begins here; `None` for the middle of something broken.
    fn object(&mut self) -> Option<Cut<'a>> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let window = rest.get(..self.limit).unwrap_or(rest);
        if mem::take(&mut self.doubtful) && !repair::begins_object(window) {
            self.skip();
            return None;
        }
        let whole = if self.repairing { None } else { json(window) };
        self.repairing |= whole.is_none();
        let object = match whole {
            Some(length) => Ok((length, window.get(..length).unwrap_or_default().into())),
            None => repair::object(window, self.line),
        };
        Some(match object {
            Ok((length, object)) => {
                let cut = self.cut(Ok(object));
                self.line += memchr_iter(b'\n', window.get(..length).unwrap_or_default()).count() as u64;
                self.at += length;
                self.place = if self.place.in_array() { Place::Comma } else { Place::Sequence };
                cut
            }
            Err(Reason::Unclosed) if window.len() < rest.len() => self.broken(Reason::TooLong(self.limit)),
            Err(reason) => self.broken(reason),
        })
    }

    fn cut(&mut self, object: Result<Cow<'a, [u8]>, Reason>) -> Cut<'a> {
        self.number += 1;
        Cut { number: self.number, offset: self.at as u64, line: self.line, object }
    }

    /// What stands here is no object.
    fn broken(&mut self, reason: Reason) -> Cut<'a> {
        let cut = self.cut(Err(reason));
        self.skip();
        cut
    }

    /// Goes on at the next line that begins with an object or ends the array.
    fn skip(&mut self) {
        while let Some(next) = memchr(b'\n', self.text.get(self.at..).unwrap_or_default()) {
            self.at += next + 1;
            self.line += 1;
            match (self.text.get(self.at), self.place) {
                (_, Place::Closed) => {}
                (Some(b'{'), place) => {
                    self.place = if place.in_array() { Place::Element } else { Place::Sequence };
                    self.doubtful = true;
                    return;
                }
                (Some(b']'), place) if place.in_array() => {
                    self.place = Place::Comma;
                    return;
                }
                _ => {}
            }
        }
        self.at = self.text.len();
    }
}

impl<'a> Iterator for Objects<'a> {
    type Item = Cut<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(&byte) = self.text.get(self.at) {
            match (byte, self.place) {
                (b'\n', _) => self.line += 1,
                (b' ' | b'\t' | b'\r', _) => {}
                (b'[', Place::Start) => self.place = Place::First,
                (b',', Place::Comma) => self.place = Place::Element,
                (b']', Place::First | Place::Comma) => self.place = Place::Closed,
                (b'{', Place::Start | Place::Sequence | Place::First | Place::Element) => match self.object() {
                    Some(cut) => return Some(cut),
                    None => continue,
                },
                (_, place) => {
                    let reason = match place {
                        Place::Start | Place::Sequence | Place::First => Reason::NoObject,
                        Place::Comma => Reason::NoComma,
                        Place::Element => Reason::NoElement,
                        Place::Closed => Reason::AfterArray,
                    };
                    return Some(self.broken(reason));
                }
            }
            self.at += 1;
        }
        if self.place.in_array() {
            self.place = Place::Sequence;
            return Some(self.broken(Reason::UnclosedArray));
        }
        None
    }
}

/// How many bytes the JSON object has that this begins with, if there is one.
fn json(text: &[u8]) -> Option<usize> {
    let mut values = Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    matches!(values.next(), Some(Ok(_))).then(|| values.byte_offset())
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoObject => f.write_str("no JSON object begins here"),
            Self::NoComma => f.write_str("a comma or the end of the array is missing here"),
            Self::NoElement => f.write_str("no JSON object follows the comma"),
            Self::AfterArray => f.write_str("the array is over, and something follows"),
            Self::Unclosed => f.write_str("the object that begins here is not closed"),
            Self::UnclosedArray => f.write_str("the array is not closed"),
            Self::LineBreak => {
                f.write_str("a string of the object that begins here is broken off at the end of a line")
            }
            Self::NoSeparator => f.write_str("the object that begins here is broken off, and another one begins"),
            Self::TooLong(limit) => write!(f, "the object that begins here is longer than {limit} bytes"),
            Self::TooDeep => write!(f, "the object that begins here is nested deeper than {DEEPEST} levels"),
            Self::Syntax(words) => write!(f, "the object that begins here is no JSON: {words}"),
        }
    }
}
