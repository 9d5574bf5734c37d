//! Files of many jobs, as data: cutting them into objects.

use std::convert::Infallible;

use dkron_jobs::snapshot::{Objects, Piece, Reason, Shape};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::laws::law;

/// A piece, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    Object { number: u64, offset: u64, line: u64, text: String, mended: bool },
    Broken { number: u64, offset: u64, line: u64, reason: Reason },
}

const LIMIT: usize = 1 << 20;

fn cut_chunks<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Kept>, Shape) {
    let mut kept = Vec::new();
    let mut found = |piece: Piece<'_>| -> Result<(), Infallible> {
        kept.push(match piece {
            Piece::Object(object) => Kept::Object {
                number: object.number,
                offset: object.offset,
                line: object.line,
                text: String::from_utf8_lossy(object.bytes).into_owned(),
                mended: object.mended,
            },
            Piece::Broken(broken) => {
                Kept::Broken { number: broken.number, offset: broken.offset, line: broken.line, reason: broken.reason }
            }
        });
        Ok(())
    };
    let mut objects = Objects::new(limit);
    for chunk in chunks {
        let Ok(()) = objects.push(chunk, &mut found);
    }
    let Ok(shape) = objects.finish(&mut found);
    (kept, shape)
}

fn cut(text: &str) -> (Vec<Kept>, Shape) {
    cut_chunks(LIMIT, [text.as_bytes()])
}

fn object(number: u64, offset: u64, line: u64, text: &str) -> Kept {
    Kept::Object { number, offset, line, text: text.to_owned(), mended: false }
}

fn broken(number: u64, offset: u64, line: u64, reason: Reason) -> Kept {
    Kept::Broken { number, offset, line, reason }
}

const ARRAY: Shape = Shape::Array { closed: true };

#[test]
fn objects_are_cut_out_of_every_shape() {
    let two = |second: u64, line| vec![object(1, 0, 1, r#"{"a":1}"#), object(2, second, line, r#"{"b":{"c":"}{"}}"#)];
    assert_eq!(cut("{\"a\":1}\n{\"b\":{\"c\":\"}{\"}}\n"), (two(8, 2), Shape::Sequence));
    assert_eq!(cut("{\"a\":1}{\"b\":{\"c\":\"}{\"}}"), (two(7, 1), Shape::Sequence));
    assert_eq!(cut("{\"a\":1}\r\n\r\n \t{\"b\":{\"c\":\"}{\"}}"), (two(13, 3), Shape::Sequence));
    let array = cut("\u{feff}[{\"a\":1} ,\n{\"b\":[{},{}]}]\n");
    assert_eq!(array, (vec![object(1, 4, 1, r#"{"a":1}"#), object(2, 14, 2, r#"{"b":[{},{}]}"#)], ARRAY));
    assert_eq!(cut(""), (vec![], Shape::Empty));
    assert_eq!(cut("\u{feff} \n"), (vec![], Shape::Empty));
    assert_eq!(cut("[\n]\n"), (vec![], ARRAY));
    let pretty = "{\n  \"a\": {\n    \"b\": \"\\\\\"\n  }\n}";
    assert_eq!(
        cut(&format!("{pretty}\n{pretty}")).0,
        vec![object(1, 0, 1, pretty), object(2, pretty.len() as u64 + 1, 6, pretty)]
    );
}

#[test]
fn the_old_scripts_line_breaks_are_taken_out() {
    for (text, want) in [
        ("{\"a\":\"}\n{\"}", r#"{"a":"}{"}"#),
        ("{\"a\":\"}\r\n{\"}", r#"{"a":"}{"}"#),
        ("{\"a\":\"x{}\n{}\n{}\n{ \\\"}\n{\",\"b\":{\"}\n{\":1}}", r#"{"a":"x{}{}{}{ \"}{","b":{"}{":1}}"#),
    ] {
        let mended = |number, offset, line| Kept::Object { number, offset, line, text: want.to_owned(), mended: true };
        let breaks = text.matches('\n').count() as u64;
        let want = vec![mended(1, 0, 1), mended(2, text.len() as u64 + 1, breaks + 2)];
        assert_eq!(cut(&format!("{text}\n{text}\n")), (want, Shape::Sequence));
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
        let (found, shape) = cut(&format!("{bad}\n{good}\n"));
        let at = found.iter().position(|piece| matches!(piece, Kept::Broken { .. })).expect("a broken piece");
        assert_eq!(found[at], broken(at as u64 + 1, offset, line, reason), "{bad}");
        let lines = bad.matches('\n').count() as u64 + 2;
        assert_eq!(found[at + 1..], [object(at as u64 + 2, bad.len() as u64 + 1, lines, good)], "{bad}");
        assert_eq!(shape, Shape::Sequence);
    }
    // It ends in `}` within a string, so that the next line looks like the old script's doing.
    let (found, _) = cut(&format!("{{\"body\":\"{{}}\n{good}\n{good}\n"));
    assert_eq!(found[0], broken(1, 0, 1, Reason::LineBreak));
    assert_eq!(found[1..], [object(2, 12, 2, good), object(3, 25, 3, good)]);
    // A swallowed line, and braces that match nevertheless.
    let (found, _) = cut(&format!("{{\"a\":\n{good}\n}}\n"));
    assert_eq!(found.len(), 1, "an object over several lines is no error: {found:?}");
    let (found, _) = cut(&format!("{{\"a\",\n{good}\n}}\n"));
    let words = "expected `:`".to_owned();
    assert_eq!(found[0], broken(1, 0, 1, Reason::Syntax(words)), "where it begins");
    assert_eq!(found[1..], [object(2, 6, 2, good), broken(3, 19, 3, Reason::NoObject)]);
    let (found, _) = cut(&format!("\n{{\"a\":\n{good}\n\"b\"}}\n"));
    let words = "expected `,` or `}` in line 4".to_owned();
    assert_eq!(found[0], broken(1, 1, 2, Reason::Syntax(words)), "the line of the file");
    // What a mangled string goes on with is a part of the broken piece, not another one.
    let (found, _) = cut(&format!("{{\"body\":\"a\n{{\\\"x\\\":1}}\n{good}"));
    assert_eq!(found, [broken(1, 0, 1, Reason::LineBreak), object(2, 21, 3, good)]);
}

#[test]
fn an_array_is_an_array() {
    let open = Shape::Array { closed: false };
    for (text, want, shape) in [
        ("[{}]\n{}", vec![object(1, 1, 1, "{}"), broken(2, 5, 2, Reason::AfterArray)], ARRAY),
        ("[{}]]\n{}", vec![object(1, 1, 1, "{}"), broken(2, 4, 1, Reason::AfterArray)], ARRAY),
        (
            "[{}\n{}\n,\n{},\n{}\n]",
            vec![
                object(1, 1, 1, "{}"),
                broken(2, 4, 2, Reason::NoComma),
                object(3, 9, 4, "{}"),
                object(4, 13, 5, "{}"),
            ],
            ARRAY,
        ),
        (
            "[{},]",
            vec![object(1, 1, 1, "{}"), broken(2, 4, 1, Reason::NoElement), broken(3, 5, 1, Reason::UnclosedArray)],
            open,
        ),
        ("[{},\n3\n]", vec![object(1, 1, 1, "{}"), broken(2, 5, 2, Reason::NoElement)], ARRAY),
        ("[[{}]]", vec![broken(1, 1, 1, Reason::NoObject), broken(2, 6, 1, Reason::UnclosedArray)], open),
        ("[{}", vec![object(1, 1, 1, "{}"), broken(2, 3, 1, Reason::UnclosedArray)], open),
        ("[", vec![broken(1, 1, 1, Reason::UnclosedArray)], open),
        ("{}[{}]", vec![object(1, 0, 1, "{}"), broken(2, 2, 1, Reason::NoObject)], Shape::Sequence),
        (
            "{},\n{}",
            vec![object(1, 0, 1, "{}"), broken(2, 2, 1, Reason::NoObject), object(3, 4, 2, "{}")],
            Shape::Sequence,
        ),
    ] {
        assert_eq!(cut(text), (want, shape), "{text}");
    }
}

#[test]
fn an_object_that_is_too_long_is_an_error_at_once_and_fills_no_memory() {
    let long = format!("{{\"a\":\"{}\"}}\n{{}}\n", "x".repeat(100));
    let want = vec![broken(1, 0, 1, Reason::TooLong(64)), object(2, 109, 2, "{}")];
    assert_eq!(cut_chunks(64, [long.as_bytes()]).0, want);
    assert_eq!(cut_chunks(64, long.as_bytes().chunks(7)).0, want);
    assert_eq!(cut_chunks(108, long.as_bytes().chunks(7)).0[0], object(1, 0, 1, &long[..108]));
    let mut pushed = 0;
    let mut objects = Objects::new(1000);
    let chunk = [b'{'; 100];
    let ended = (0..1000).try_for_each(|_| {
        pushed += chunk.len();
        objects.push(&chunk, &mut |piece| match piece {
            Piece::Object(_) => Ok(()),
            Piece::Broken(broken) => Err(broken.reason),
        })
    });
    assert_eq!((ended, pushed), (Err(Reason::NoSeparator), 100));
    let deep = format!("{}{}", "{\"a\":".repeat(200), "}".repeat(200));
    assert_eq!(cut(&deep).0, [broken(1, 0, 1, Reason::TooDeep)]);
    // A mark of two bytes is none.
    assert_eq!(cut_chunks(LIMIT, [&b"\xef\xbb"[..]]).0, [broken(1, 0, 1, Reason::NoObject)]);
    assert_eq!(cut_chunks(LIMIT, [&b"\xef\xbb"[..], &b"{}"[..]]).0, [broken(1, 2, 1, Reason::NoObject)]);
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
fn how_the_stream_is_cut_into_chunks_makes_no_difference() {
    law((tokens(), vec(0..100_usize, 0..6), 4..60_usize), |(text, mut cuts, limit)| {
        let whole = cut_chunks(limit, [text.as_bytes()]);
        prop_assert_eq!(&cut_chunks(limit, text.as_bytes().chunks(1)), &whole);
        cuts.sort_unstable();
        let mut rest = text.as_bytes();
        let mut chunks = Vec::new();
        let mut from = 0;
        for at in cuts {
            let (chunk, after) = rest.split_at((at - from).min(rest.len()));
            (rest, from) = (after, at);
            chunks.push(chunk);
        }
        chunks.push(rest);
        prop_assert_eq!(&cut_chunks(limit, chunks), &whole);
        Ok(())
    });
}

#[test]
fn every_piece_is_where_it_says() {
    law((tokens(), 4..60_usize), |(text, limit)| {
        let (found, _) = cut_chunks(limit, [text.as_bytes()]);
        let mut last = 0;
        for (index, piece) in found.iter().enumerate() {
            let (Kept::Object { number, offset, line, .. } | Kept::Broken { number, offset, line, .. }) = piece;
            prop_assert_eq!(*number, index as u64 + 1);
            let at = usize::try_from(*offset).expect("a short text");
            prop_assert!(text.is_char_boundary(at));
            prop_assert_eq!(*line, text[..at].matches('\n').count() as u64 + 1);
            prop_assert!(at >= last, "pieces come in order");
            if let Kept::Object { text: object, mended, .. } = piece {
                prop_assert!(*mended || text[at..].starts_with(object.as_str()));
                prop_assert!(object.len() <= limit);
                last = at + object.len();
            }
        }
        Ok(())
    });
}

#[test]
fn any_bytes_are_survived() {
    law((vec(any::<u8>(), 0..200), 1..50_usize), |(bytes, size)| {
        let whole = cut_chunks(64, [&bytes[..]]);
        prop_assert_eq!(cut_chunks(64, bytes.chunks(size)), whole);
        Ok(())
    });
}
