//! JSON as Go's `encoding/json` writes and reads it: HTML-escaped strings, names in any case, errors in its words.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::ser::PrettyFormatter;

/// The value as Dkron writes it, `?pretty` with four blanks.
///
/// `<`, `>` and `&` stand only inside strings, so they are escaped in the finished text (FACTS 17).
pub(crate) fn encode<T: Serialize>(value: &T, pretty: bool) -> Vec<u8> {
    let mut plain = Vec::with_capacity(1024);
    let written = if pretty {
        let mut serializer = serde_json::Serializer::with_formatter(&mut plain, PrettyFormatter::with_indent(b"    "));
        value.serialize(&mut serializer)
    } else {
        serde_json::to_writer(&mut plain, value)
    };
    debug_assert!(written.is_ok(), "our own types have string keys and are written to memory");
    escape_html(&plain)
}

fn escape_html(plain: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(plain.len() + plain.len() / 16);
    let mut rest = plain;
    while let Some((&first, after)) = rest.split_first() {
        match first {
            b'<' => escaped.extend_from_slice(b"\\u003c"),
            b'>' => escaped.extend_from_slice(b"\\u003e"),
            b'&' => escaped.extend_from_slice(b"\\u0026"),
            // U+2028 and U+2029, which JavaScript reads as line ends.
            0xE2 if after.starts_with(&[0x80, 0xA8]) || after.starts_with(&[0x80, 0xA9]) => {
                escaped.extend_from_slice(if after[1] == 0xA8 { b"\\u2028" } else { b"\\u2029" });
                rest = &after[2..];
                continue;
            }
            other => escaped.push(other),
        }
        rest = after;
    }
    escaped
}

/// The first JSON value of a body; what follows is dropped, as Go's decoder does (FACTS 13).
pub(crate) enum First {
    /// An object: its fields in their order, which decides whose type error is reported.
    Object(Vec<(String, Value)>),
    /// `null`, which changes nothing.
    Null,
    /// Anything else, by the name that Go gives it.
    Other(&'static str),
}

impl First {
    /// Reads it.
    ///
    /// # Errors
    /// Go's words for a body that is empty, cut or no JSON.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err("EOF".to_owned());
        }
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        Self::deserialize(&mut deserializer).map_err(|error| {
            if error.is_eof() {
                return "unexpected EOF".to_owned();
            }
            let culprit = String::from_utf8_lossy(body)
                .lines()
                .nth(error.line().saturating_sub(1))
                .and_then(|line| line.chars().nth(error.column().saturating_sub(1)))
                .unwrap_or(' ');
            format!("invalid character '{culprit}' looking for beginning of value")
        })
    }

    /// The text of a field, its name in any case; the last where there are several.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        match self {
            Self::Object(fields) => fields
                .iter()
                .rev()
                .find(|(name, _)| name.eq_ignore_ascii_case(field))
                .and_then(|(_, value)| value.as_str()),
            Self::Null | Self::Other(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;
        impl<'de> Visitor<'de> for AnyValue {
            type Value = First;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<First, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(First::Object(fields))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<First, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First::Other("array"))
            }

            fn visit_unit<E>(self) -> Result<First, E> {
                Ok(First::Null)
            }

            fn visit_bool<E>(self, _: bool) -> Result<First, E> {
                Ok(First::Other("bool"))
            }

            fn visit_str<E>(self, _: &str) -> Result<First, E> {
                Ok(First::Other("string"))
            }

            fn visit_u64<E>(self, _: u64) -> Result<First, E> {
                Ok(First::Other("number"))
            }

            fn visit_i64<E>(self, _: i64) -> Result<First, E> {
                Ok(First::Other("number"))
            }

            fn visit_f64<E>(self, _: f64) -> Result<First, E> {
                Ok(First::Other("number"))
            }
        }
        deserializer.deserialize_any(AnyValue)
    }
}

/// Fills Go fields from JSON values. Go goes on after a type error and reports the first.
#[derive(Default)]
pub(crate) struct Decoder {
    pub(crate) problem: Option<String>,
}

/// A Go `map[string]string`.
pub(crate) type Strings = BTreeMap<String, String>;

impl Decoder {
    pub(crate) fn string(&mut self, field: &str, value: &Value, into: &mut String) {
        match value {
            Value::Null => {}
            Value::String(text) => into.clone_from(text),
            other => self.refuse(kind(other), field, "string"),
        }
    }

    pub(crate) fn bool(&mut self, field: &str, value: &Value, into: &mut bool) {
        match value {
            Value::Null => {}
            Value::Bool(bool) => *into = *bool,
            other => self.refuse(kind(other), field, "bool"),
        }
    }

    pub(crate) fn unsigned(&mut self, field: &str, value: &Value, into: &mut u64) {
        match (value, value.as_u64()) {
            (Value::Null, _) => {}
            (_, Some(number)) => *into = number,
            (Value::Number(number), None) => self.refuse(&format!("number {number}"), field, "uint"),
            (other, None) => self.refuse(kind(other), field, "uint"),
        }
    }

    pub(crate) fn signed(&mut self, field: &str, value: &Value, into: &mut i64) {
        match (value, value.as_i64()) {
            (Value::Null, _) => {}
            (_, Some(number)) => *into = number,
            (Value::Number(number), None) => self.refuse(&format!("number {number}"), field, "int"),
            (other, None) => self.refuse(kind(other), field, "int"),
        }
    }

    pub(crate) fn strings(&mut self, field: &str, go_type: &str, value: &Value, into: &mut Option<Strings>) {
        match value {
            Value::Null => {}
            Value::Object(pairs) => {
                let map = into.get_or_insert_default();
                for (key, value) in pairs {
                    let mut text = String::new();
                    self.string(field, value, &mut text);
                    map.insert(key.clone(), text);
                }
            }
            other => self.refuse(kind(other), field, go_type),
        }
    }

    pub(crate) fn list(&mut self, field: &str, value: &Value, into: &mut Option<Vec<String>>) {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let mut text = String::new();
                    self.string(field, item, &mut text);
                    list.push(text);
                }
                *into = Some(list);
            }
            other => self.refuse(kind(other), field, "[]string"),
        }
    }

    /// Keeps a problem unless there is one already.
    pub(crate) fn keep(&mut self, problem: impl FnOnce() -> String) {
        if self.problem.is_none() {
            self.problem = Some(problem());
        }
    }

    fn refuse(&mut self, found: &str, field: &str, go_type: &str) {
        self.keep(|| format!("json: cannot unmarshal {found} into Go struct field Job.{field} of type {go_type}"));
    }

    /// For a value that is not even a map.
    pub(crate) fn refuse_kind(&mut self, value: &Value, field: &str, go_type: &str) {
        self.refuse(kind(value), field, go_type);
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
