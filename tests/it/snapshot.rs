//! JSON objects cut out of a text.

use std::borrow::Cow;

use dkron_jobs::json::{Cut, Objects, Reason};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::laws::law;

const LIMIT: usize = 1 << 20;

/// What is cut out of a text, and whether that is an array.
fn cut_within(limit: usize, text: &[u8]) -> (Vec<Cut<'_>>, bool) {
    let mut objects = Objects::new(text, limit);
    (objects.by_ref().collect(), objects.is_array())
}

fn cut(text: &str) -> (Vec<Cut<'_>>, bool) {
    cut_within(LIMIT, text.as_bytes())
}

fn object(number: u64, offset: u64, line: u64, text: &str) -> Cut<'_> {
    Cut { number, offset, line, object: Ok(text.as_bytes().into()) }
}

fn broken(number: u64, offset: u64, line: u64, reason: Reason) -> Cut<'static> {
    Cut { number, offset, line, object: Err(reason) }
}

fn is_mended(cut: &Cut<'_>) -> bool {
    matches!(cut.object, Ok(Cow::Owned(_)))
}

#[test]
fn objects_are_cut_out_of_every_shape() {
    let two = |second: u64, line| vec![object(1, 0, 1, r#"{"a":1}"#), object(2, second, line, r#"{"b":{"c":"}{"}}"#)];
    assert_eq!(cut("{\"a\":1}\n{\"b\":{\"c\":\"}{\"}}\n"), (two(8, 2), false));
    assert_eq!(cut("{\"a\":1}{\"b\":{\"c\":\"}{\"}}"), (two(7, 1), false));
    assert_eq!(cut("{\"a\":1}\r\n\r\n \t{\"b\":{\"c\":\"}{\"}}"), (two(13, 3), false));
    let array = cut("\u{feff}[{\"a\":1} ,\n{\"b\":[{},{}]}]\n");
    assert_eq!(array, (vec![object(1, 4, 1, r#"{"a":1}"#), object(2, 14, 2, r#"{"b":[{},{}]}"#)], true));
    assert_eq!(cut(""), (vec![], false));
    assert_eq!(cut("\u{feff} \n"), (vec![], false));
    assert_eq!(cut("[\n]\n"), (vec![], true));
    let pretty = "{\n  \"a\": {\n    \"b\": \"\\\\\"\n  }\n}";
    let twice = format!("{pretty}\n{pretty}");
    assert_eq!(cut(&twice).0, [object(1, 0, 1, pretty), object(2, pretty.len() as u64 + 1, 6, pretty)]);
}

#[test]
fn the_old_scripts_line_breaks_are_taken_out() {
    for (text, want) in [
        ("{\"a\":\"}\n{\"}", r#"{"a":"}{"}"#),
        ("{\"a\":\"}\r\n{\"}", r#"{"a":"}{"}"#),
        ("{\"a\":\"x{}\n{}\n{}\n{ \\\"}\n{\",\"b\":{\"}\n{\":1}}", r#"{"a":"x{}{}{}{ \"}{","b":{"}{":1}}"#),
    ] {
        let breaks = text.matches('\n').count() as u64;
        let twice = format!("{text}\n{text}\n");
        let (found, _) = cut(&twice);
        assert_eq!(found, [object(1, 0, 1, want), object(2, text.len() as u64 + 1, breaks + 2, want)]);
        assert!(found.iter().all(is_mended), "{text}");
    }
}

#[test]
fn what_is_broken_is_told_and_the_next_line_is_read() {
    let good = "{\"name\":\"z\"}";
    for (bad, offset, line, reason) in [
        ("{\"name\":\"a\",\"body\":\"cut o", 0, 1, Reason::LineBreak),
        ("{\"name\":\"a\",\"body\":\"cut o\\", 0, 1, Reason::LineBreak),
        ("{\"name\":\"a\",\"tags\":{\"x\":\"y\"", 0, 1, Reason::NoSeparator),
        ("{\"name\":\"a\",\"tags\":", 0, 1, Reason::Unclosed),
        ("{\"name\":\"a\",", 0, 1, Reason::Unclosed),
        ("{\"name\":\"a\"}}", 12, 1, Reason::NoObject),
        ("\n\0\u{fffd}\u{1}{\"x\":1}", 1, 2, Reason::NoObject),
        ("17", 0, 1, Reason::NoObject),
        ("\"text\"", 0, 1, Reason::NoObject),
    ] {
        let text = format!("{bad}\n{good}\n");
        let (found, is_array) = cut(&text);
        let at = found.iter().position(|cut| cut.object.is_err()).expect("a broken piece");
        assert_eq!(found[at], broken(at as u64 + 1, offset, line, reason), "{bad}");
        let lines = bad.matches('\n').count() as u64 + 2;
        assert_eq!(found[at + 1..], [object(at as u64 + 2, bad.len() as u64 + 1, lines, good)], "{bad}");
        assert!(!is_array);
    }
    // It ends in `}` within a string, so that the next line looks like the old script's doing.
    let text = format!("{{\"body\":\"{{}}\n{good}\n{good}\n");
    let (found, _) = cut(&text);
    assert_eq!(found[0], broken(1, 0, 1, Reason::LineBreak));
    assert_eq!(found[1..], [object(2, 12, 2, good), object(3, 25, 3, good)]);
    // A swallowed line, and braces that match nevertheless.
    let text = format!("{{\"a\":\n{good}\n}}\n");
    let (found, _) = cut(&text);
    assert_eq!(found.len(), 1, "an object over several lines is no error: {found:?}");
    let text = format!("{{\"a\",\n{good}\n}}\n");
    let (found, _) = cut(&text);
    let words = "expected `:`".to_owned();
    assert_eq!(found[0], broken(1, 0, 1, Reason::Syntax(words)), "where it begins");
    assert_eq!(found[1..], [object(2, 6, 2, good), broken(3, 19, 3, Reason::NoObject)]);
    let text = format!("\n{{\"a\":\n{good}\n\"b\"}}\n");
    let (found, _) = cut(&text);
    let words = "expected `,` or `}` in line 4".to_owned();
    assert_eq!(found[0], broken(1, 1, 2, Reason::Syntax(words)), "the line of the file");
    // What a mangled string goes on with is a part of the broken piece, not another one.
    let text = format!("{{\"body\":\"a\n{{\\\"x\\\":1}}\n{good}");
    let (found, _) = cut(&text);
    assert_eq!(found, [broken(1, 0, 1, Reason::LineBreak), object(2, 21, 3, good)]);
}

#[test]
fn an_array_is_an_array() {
    for (text, want, is_array) in [
        ("[{}]\n{}", vec![object(1, 1, 1, "{}"), broken(2, 5, 2, Reason::AfterArray)], true),
        ("[{}]]\n{}", vec![object(1, 1, 1, "{}"), broken(2, 4, 1, Reason::AfterArray)], true),
        (
            "[{}\n{}\n,\n{},\n{}\n]",
            vec![
                object(1, 1, 1, "{}"),
                broken(2, 4, 2, Reason::NoComma),
                object(3, 9, 4, "{}"),
                object(4, 13, 5, "{}"),
            ],
            true,
        ),
        (
            "[{},]",
            vec![object(1, 1, 1, "{}"), broken(2, 4, 1, Reason::NoElement), broken(3, 5, 1, Reason::UnclosedArray)],
            false,
        ),
        ("[{},\n3\n]", vec![object(1, 1, 1, "{}"), broken(2, 5, 2, Reason::NoElement)], true),
        ("[[{}]]", vec![broken(1, 1, 1, Reason::NoObject), broken(2, 6, 1, Reason::UnclosedArray)], false),
        ("[{}", vec![object(1, 1, 1, "{}"), broken(2, 3, 1, Reason::UnclosedArray)], false),
        ("[", vec![broken(1, 1, 1, Reason::UnclosedArray)], false),
        ("{}[{}]", vec![object(1, 0, 1, "{}"), broken(2, 2, 1, Reason::NoObject)], false),
        ("{},\n{}", vec![object(1, 0, 1, "{}"), broken(2, 2, 1, Reason::NoObject), object(3, 4, 2, "{}")], false),
    ] {
        assert_eq!(cut(text), (want, is_array), "{text}");
    }
}

#[test]
fn an_object_that_is_too_long_or_too_deep_is_an_error() {
    let long = format!("{{\"a\":\"{}\"}}\n{{}}\n", "x".repeat(100));
    let want = [broken(1, 0, 1, Reason::TooLong(64)), object(2, 109, 2, "{}")];
    assert_eq!(cut_within(64, long.as_bytes()).0, want);
    assert_eq!(cut_within(108, long.as_bytes()).0[0], object(1, 0, 1, &long[..108]));
    assert_eq!(cut_within(107, long.as_bytes()).0[0], broken(1, 0, 1, Reason::TooLong(107)));
    assert_eq!(cut_within(1000, &[b'{'; 100]).0, [broken(1, 0, 1, Reason::NoSeparator)]);
    let deep = "{\"a\":".repeat(200);
    assert_eq!(cut(&deep).0, [broken(1, 0, 1, Reason::TooDeep)]);
    let good = format!("{deep}1{}", "}".repeat(200));
    assert_eq!(cut(&good).0, [object(1, 0, 1, &good)], "how deep JSON may be is for a decoder to say");
    // A mark of two bytes is none.
    assert_eq!(cut_within(LIMIT, b"\xef\xbb").0, [broken(1, 0, 1, Reason::NoObject)]);
    assert_eq!(cut_within(LIMIT, b"\xef\xbb{}").0, [broken(1, 0, 1, Reason::NoObject)]);
}

#[test]
fn many_broken_lines_are_not_each_read_to_the_end() {
    let lines = "{\"a\":\n".repeat(100_000);
    let (found, _) = cut(&lines);
    assert_eq!(found.len(), 100_000);
    assert!(found.iter().all(|cut| cut.object.is_err()));
}

/// Text out of what means something to the parser.
fn tokens() -> impl Strategy<Value = String> {
    let token = select(vec![
        "{",
        "}",
        "\"",
        "\\",
        "\n",
        "\r\n",
        ",",
        ":",
        "[",
        "]",
        " ",
        "x",
        "{\"a\":1}",
        "\n{\"b\":\"",
        "}\n{",
        "\u{feff}",
        "{}",
        "{\"a\":\"}{\"}\n",
        "{\"n\":{\"m\":[{}]}}",
    ]);
    vec(token, 0..30).prop_map(|tokens| tokens.concat())
}

#[test]
fn what_is_json_is_cut_the_same_behind_something_broken() {
    let object = select(vec![
        "{}",
        "{\"a\":{\"b\":\"}{\"}}",
        "{ \"a\" : [{}, {\n}],\n\"b\":[ ]}",
        "{\"\\\"\":\"\\\\\"}",
        "{\n\"a\":\n{\"b\":1}\n}",
    ]);
    law(vec((object, select(vec!["", "\n", "\r\n", " \t"])), 0..8), |objects| {
        let text: String = objects.iter().flat_map(|(object, after)| [*object, *after]).collect();
        let behind = format!("{{x\n{text}");
        let behind: Vec<_> = cut(&behind).0.into_iter().skip(1).map(|cut| cut.object).collect();
        let alone: Vec<_> = cut(&text).0.into_iter().map(|cut| cut.object).collect();
        prop_assert_eq!(alone.len(), objects.len());
        prop_assert!(alone == behind, "{alone:?}, and behind something broken {behind:?}");
        Ok(())
    });
}

#[test]
fn every_piece_is_where_it_says() {
    law((tokens(), 4..60_usize), |(text, limit)| {
        let (found, _) = cut_within(limit, text.as_bytes());
        let mut last = 0;
        for (index, cut) in found.iter().enumerate() {
            prop_assert_eq!(cut.number, index as u64 + 1);
            let at = usize::try_from(cut.offset).expect("a short text");
            prop_assert!(text.is_char_boundary(at));
            prop_assert_eq!(cut.line, text[..at].matches('\n').count() as u64 + 1);
            prop_assert!(at >= last, "pieces come in order");
            if let Ok(object) = &cut.object {
                prop_assert!(is_mended(cut) || text.as_bytes()[at..].starts_with(object));
                prop_assert!(object.len() <= limit);
                last = at + object.len();
            }
        }
        Ok(())
    });
}

#[test]
fn any_bytes_are_survived() {
    law(vec(any::<u8>(), 0..200), |bytes| {
        let (found, _) = cut_within(64, &bytes);
        prop_assert!(found.len() <= bytes.len() + 1);
        Ok(())
    });
}
