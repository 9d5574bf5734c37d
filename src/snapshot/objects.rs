//! Cuts a stream of bytes into JSON objects, without ever holding the whole.

use std::borrow::Cow;
use std::fmt;
use std::mem;

use memchr::{memchr, memchr3};
use serde::de::IgnoredAny;

use crate::job::json_words;

/// The deepest nesting of an object's braces: `serde_json` refuses more as well. It also keeps the search for the next good line
/// from looking at each line more than so many times.
const DEEPEST: u32 = 128;
/// What some editors begin a text with.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// A JSON object as it stands in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object<'a> {
    /// Which one of the stream it is, from 1. A broken piece counts too.
    pub number: u64,
    /// Where it begins, in bytes from the start of the stream.
    pub offset: u64,
    /// The line it begins in, from 1.
    pub line: u64,
    /// From `{` to `}`. Whether there is JSON between them is for a decoder to say.
    pub bytes: &'a [u8],
    /// Line breaks were taken out of strings: the backup script of old puts one wherever `}{` stands, in a string as well.
    pub mended: bool,
}

/// What stands in the stream where an object should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which piece of the stream it is, from 1.
    pub number: u64,
    /// Where it begins, in bytes from the start of the stream.
    pub offset: u64,
    /// The line it begins in, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: Reason,
}

/// Why a piece of a stream is no object.
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
    /// The stream ends within the object.
    Unclosed,
    /// The stream ends within the array.
    UnclosedArray,
    /// A line break within a string that is not the one the backup script of old puts there.
    LineBreak,
    /// Another object begins where none can.
    NoSeparator,
    /// It is longer than this many bytes.
    TooLong(usize),
    /// Its braces are nested too deep.
    TooDeep,
    /// It goes over several lines that look like objects themselves, and is no JSON: a decoder's words.
    Syntax(String),
}

/// One after another, what the stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// An object.
    Object(Object<'a>),
    /// None. Whoever takes it decides whether to go on; what follows then is the next line that begins with an object.
    Broken(Broken),
}

/// How the objects stand in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Nothing but white space.
    Empty,
    /// One after another.
    Sequence,
    /// In a JSON array.
    Array {
        /// The array ends before the stream does. Where it does not, a [`Reason::UnclosedArray`] was handed out too.
        closed: bool,
    },
}

/// Where [`Objects`] hands out what it finds.
pub type Found<'f, E> = dyn FnMut(Piece<'_>) -> Result<(), E> + 'f;

/// The parser. It takes objects one a line, one after another with or without white space between, and a JSON array of objects;
/// a UTF-8 byte order mark may come first. How the stream is cut into chunks makes no difference.
#[derive(Debug)]
pub struct Objects {
    limit: usize,
    place: Place,
    open: Option<Open>,
    /// The bytes of the open object from earlier chunks.
    held: Vec<u8>,
    /// After something broken, until a line begins with an object.
    skipping: bool,
    /// While skipping: the next byte is the first of a line.
    fresh: bool,
    /// How many bytes of the byte order mark were there.
    marked: usize,
    /// Where the bytes in hand begin in the stream.
    base: u64,
    /// The line of the next byte outside of objects.
    line: u64,
    number: u64,
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
    Closed,
}

impl Place {
    fn in_array(self) -> bool {
        matches!(self, Self::First | Self::Comma | Self::Element)
    }
}

/// An object whose end was not seen yet.
#[derive(Debug)]
struct Open {
    offset: u64,
    line: u64,
    /// Line breaks seen in it.
    breaks: u64,
    depth: u32,
    at: At,
    /// Where such line breaks are, from the object's start.
    mends: Vec<usize>,
    /// A line within it begins with `{`: it may have swallowed other objects.
    suspicious: bool,
    /// It was found by skipping, and may be no object but the middle of a broken one.
    doubtful: bool,
}

/// Where in an object its next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Outside of strings.
    Outside,
    /// In a string.
    String,
    /// In a string, after a backslash.
    Escape,
    /// In a string, after a line break, which must be the old script's.
    Break,
}

/// What a look at an open object's next bytes came to.
enum Step {
    More,
    /// It ends before this byte of those in hand.
    End(usize),
    /// It is broken at this byte of those in hand.
    Broken(usize, Reason),
    /// It is none, but a part of the broken piece before it, as this byte shows.
    Nothing(usize),
}

impl Objects {
    /// A parser that takes no object longer than so many bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            place: Place::Start,
            open: None,
            held: Vec::new(),
            skipping: false,
            fresh: false,
            marked: 0,
            base: 0,
            line: 1,
            number: 0,
        }
    }

    /// Takes the next bytes of the stream, and hands out each object that ends in them.
    ///
    /// # Errors
    /// What `found` returned. The parser is of no use after it.
    pub fn push<E>(&mut self, chunk: &[u8], found: &mut Found<'_, E>) -> Result<(), E> {
        match self.scan(chunk, 0, found)? {
            None => Ok(()),
            Some(again) => self.scan(&again, 1, found).map(drop),
        }
    }

    /// The end of the stream.
    ///
    /// # Errors
    /// What `found` returned.
    pub fn finish<E>(mut self, found: &mut Found<'_, E>) -> Result<Shape, E> {
        while let Some(open) = self.open.take() {
            let again = mem::take(&mut self.held);
            self.base = open.offset;
            self.give_up(&open, (!open.doubtful).then_some(Reason::Unclosed), found)?;
            self.scan(&again, 1, found)?;
        }
        if self.place == Place::Start && !self.marked.is_multiple_of(BYTE_ORDER_MARK.len()) {
            self.broken(0, Reason::NoObject, found)?;
        }
        if self.place.in_array() {
            self.broken(self.base, Reason::UnclosedArray, found)?;
        }
        Ok(match self.place {
            Place::Start => Shape::Empty,
            Place::Sequence => Shape::Sequence,
            Place::First | Place::Comma | Place::Element => Shape::Array { closed: false },
            Place::Closed => Shape::Array { closed: true },
        })
    }

    /// Looks at all bytes from the given one. When an object that began in an earlier chunk is broken, it returns what must be
    /// looked at again, from its second byte: all bytes since that object's start.
    fn scan<E>(&mut self, bytes: &[u8], from: usize, found: &mut Found<'_, E>) -> Result<Option<Vec<u8>>, E> {
        let mut at = from;
        // Where the open object, or what of it is in hand, begins.
        let mut start = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Some(mut open) = self.open.take() {
                let piece = bytes.get(start..).unwrap_or_default();
                let step = match open.step(&self.held, piece, at - start) {
                    Step::More if self.too_long(piece.len()) => Step::Broken(piece.len(), Reason::TooLong(self.limit)),
                    Step::End(end) if self.too_long(end) => Step::Broken(end, Reason::TooLong(self.limit)),
                    Step::Broken(end, _) | Step::Nothing(end) if self.too_long(end) => {
                        Step::Broken(end, Reason::TooLong(self.limit))
                    }
                    Step::End(end) => match self.complete(&open, piece.get(..end).unwrap_or_default(), found)? {
                        Ok(()) => Step::End(end),
                        Err(reason) => Step::Broken(end, reason),
                    },
                    step => step,
                };
                let reason = match step {
                    Step::More => {
                        self.held.extend_from_slice(piece);
                        self.open = Some(open);
                        break;
                    }
                    Step::End(end) => {
                        at = start + end;
                        continue;
                    }
                    Step::Broken(_, reason) => Some(reason),
                    Step::Nothing(_) => None,
                };
                self.give_up(&open, reason, found)?;
                if !self.held.is_empty() {
                    let mut again = mem::take(&mut self.held);
                    again.extend_from_slice(bytes);
                    self.base = open.offset;
                    return Ok(Some(again));
                }
                at = start + 1;
            } else if self.skipping {
                at = self.skip(bytes, at);
            } else {
                start = at;
                self.between(byte, at, found)?;
                at += 1;
                if self.open.is_some() && at == bytes.len() {
                    self.held.push(byte);
                }
            }
        }
        self.base += bytes.len() as u64;
        Ok(None)
    }

    fn too_long(&self, in_hand: usize) -> bool {
        self.held.len() + in_hand > self.limit
    }

    /// One byte outside of objects.
    fn between<E>(&mut self, byte: u8, at: usize, found: &mut Found<'_, E>) -> Result<(), E> {
        let offset = self.base + at as u64;
        let begun = self.place == Place::Start && self.marked > 0 && self.marked < BYTE_ORDER_MARK.len();
        match (byte, self.place) {
            (_, Place::Start) if self.marked as u64 == offset && BYTE_ORDER_MARK.get(self.marked) == Some(&byte) => {
                self.marked += 1;
            }
            _ if begun => return self.stray(offset, found),
            (b'\n', _) => self.line += 1,
            (b' ' | b'\t' | b'\r', _) => {}
            (b'{', Place::Start | Place::Sequence | Place::First | Place::Element) => {
                self.open = Some(Open::new(offset, self.line, mem::take(&mut self.fresh)));
                if self.place == Place::Start {
                    self.place = Place::Sequence;
                }
            }
            (b'[', Place::Start) => self.place = Place::First,
            (b',', Place::Comma) => self.place = Place::Element,
            (b']', Place::First | Place::Comma) => self.place = Place::Closed,
            _ => return self.stray(offset, found),
        }
        Ok(())
    }

    /// A byte outside of objects that cannot be there.
    fn stray<E>(&mut self, offset: u64, found: &mut Found<'_, E>) -> Result<(), E> {
        let reason = match self.place {
            Place::Start | Place::Sequence | Place::First => Reason::NoObject,
            Place::Comma => Reason::NoComma,
            Place::Element => Reason::NoElement,
            Place::Closed => Reason::AfterArray,
        };
        if self.place == Place::Start {
            self.place = Place::Sequence;
        }
        self.skipping = true;
        self.fresh = false;
        self.broken(offset, reason, found)
    }

    /// Where to go on: at the first byte of a line that begins with an object, or at the end.
    fn skip(&mut self, bytes: &[u8], at: usize) -> usize {
        if self.fresh && self.place != Place::Closed {
            match bytes.get(at) {
                Some(b'{') => {
                    // `fresh` stays: it tells `between` that this object is doubtful.
                    self.skipping = false;
                    if self.place.in_array() {
                        self.place = Place::Element;
                    }
                    return at;
                }
                Some(b']') if self.place.in_array() => {
                    self.skipping = false;
                    self.fresh = false;
                    self.place = Place::Comma;
                    return at;
                }
                _ => {}
            }
        }
        let next = memchr(b'\n', bytes.get(at..).unwrap_or_default());
        self.fresh = next.is_some();
        self.line += u64::from(self.fresh);
        next.map_or(bytes.len(), |next| at + next + 1)
    }

    /// Hands out an object, unless it is one that swallowed others.
    fn complete<E>(&mut self, open: &Open, bytes: &[u8], found: &mut Found<'_, E>) -> Result<Result<(), Reason>, E> {
        let mut held = mem::take(&mut self.held);
        let earlier = held.len();
        let whole = if earlier == 0 {
            bytes
        } else {
            held.extend_from_slice(bytes);
            &held
        };
        let whole = if open.mends.is_empty() { Cow::Borrowed(whole) } else { Cow::Owned(without(whole, &open.mends)) };
        if open.suspicious
            && let Err(error) = serde_json::from_slice::<IgnoredAny>(&whole)
        {
            held.truncate(earlier);
            self.held = held;
            // serde counts from the object's beginning, and where that is is said already.
            let further = u64::try_from(error.line()).unwrap_or_default().saturating_sub(1);
            let place = if further > 0 { format!(" in line {}", open.line + further) } else { String::new() };
            return Ok(Err(Reason::Syntax(json_words(&error) + &place)));
        }
        self.number += 1;
        self.line = open.line + open.breaks;
        self.place = if self.place.in_array() { Place::Comma } else { Place::Sequence };
        found(Piece::Object(Object {
            number: self.number,
            offset: open.offset,
            line: open.line,
            bytes: &whole,
            mended: !open.mends.is_empty(),
        }))?;
        held.clear();
        self.held = held;
        Ok(Ok(()))
    }

    /// Goes back to the first byte of a broken object, to skip from there.
    fn give_up<E>(&mut self, open: &Open, reason: Option<Reason>, found: &mut Found<'_, E>) -> Result<(), E> {
        self.line = open.line;
        self.skipping = true;
        self.fresh = false;
        match reason {
            Some(reason) => self.broken(open.offset, reason, found),
            None => Ok(()),
        }
    }

    fn broken<E>(&mut self, offset: u64, reason: Reason, found: &mut Found<'_, E>) -> Result<(), E> {
        self.number += 1;
        found(Piece::Broken(Broken { number: self.number, offset, line: self.line, reason }))
    }
}

impl Open {
    fn new(offset: u64, line: u64, doubtful: bool) -> Self {
        Self { offset, line, breaks: 0, depth: 1, at: At::Outside, mends: Vec::new(), suspicious: false, doubtful }
    }

    /// Looks at the bytes in hand from `at`; `held` are those before them.
    fn step(&mut self, held: &[u8], bytes: &[u8], mut at: usize) -> Step {
        let before = |at: usize, back: usize| -> Option<u8> {
            let index = (held.len() + at).checked_sub(back)?;
            held.get(index).or_else(|| bytes.get(index - held.len())).copied()
        };
        let last = |at: usize| (1..).map_while(|back| before(at, back)).find(|byte| !byte.is_ascii_whitespace());
        while let Some(&byte) = bytes.get(at) {
            if self.at == At::Break {
                if byte != b'{' {
                    return Step::Broken(at, Reason::LineBreak);
                }
                self.suspicious = true;
                self.at = At::String;
            } else if self.at == At::Escape && byte != b'\n' {
                // A backslash hides whatever follows, but for a line break, which is illegal behind one as well.
                self.at = At::String;
            } else if self.at != At::Outside {
                let Some(next) = memchr3(b'"', b'\\', b'\n', bytes.get(at..).unwrap_or_default()) else {
                    return Step::More;
                };
                at += next;
                match bytes.get(at) {
                    Some(b'"') => self.at = At::Outside,
                    Some(b'\\') => self.at = At::Escape,
                    _ => {
                        let last = if before(at, 1) == Some(b'\r') { before(at, 2) } else { before(at, 1) };
                        if last != Some(b'}') {
                            return Step::Broken(at, Reason::LineBreak);
                        }
                        self.breaks += 1;
                        self.at = At::Break;
                        self.mends.push(held.len() + at);
                    }
                }
            } else {
                match byte {
                    b'"' | b'{' | b'}' if mem::take(&mut self.doubtful) => {
                        let blank = (1..held.len() + at)
                            .filter_map(|back| before(at, back))
                            .all(|byte| byte.is_ascii_whitespace());
                        if byte == b'{' || !blank {
                            return Step::Nothing(at);
                        }
                        continue;
                    }
                    b'"' => {
                        // A string that was broken off behind a `}` only looks like the old script's doing: what is a string and
                        // what is not has changed places since.
                        if !self.mends.is_empty() && !matches!(last(at), Some(b'{' | b':' | b',' | b'[')) {
                            return Step::Broken(at, Reason::LineBreak);
                        }
                        self.at = At::String;
                    }
                    b'{' => {
                        if !matches!(last(at), Some(b':' | b',' | b'[')) {
                            return Step::Broken(at, Reason::NoSeparator);
                        }
                        self.depth += 1;
                        if self.depth > DEEPEST {
                            return Step::Broken(at, Reason::TooDeep);
                        }
                        self.suspicious |= before(at, 1) == Some(b'\n');
                    }
                    b'}' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            return Step::End(at + 1);
                        }
                    }
                    b'\n' => self.breaks += 1,
                    _ => {}
                }
            }
            at += 1;
        }
        Step::More
    }
}

/// The bytes without the line breaks at these places, nor a carriage return before one.
fn without(bytes: &[u8], breaks: &[usize]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for &at in breaks {
        let line = bytes.get(from..at).unwrap_or_default();
        rest.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        from = at + 1;
    }
    rest.extend_from_slice(bytes.get(from..).unwrap_or_default());
    rest
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
