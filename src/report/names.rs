//! Which names say that what goes by them is a secret.

/// What stands in a secret's place.
pub const MASK: &str = "***";

/// Parts of names that carry secrets, without `-` and `_`.
const SECRET_NAMES: [&str; 13] = [
    "authoriz",
    "cookie",
    "session",
    "token",
    "bearer",
    "secret",
    "passw",
    "passphrase",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "signature",
];
/// Words that say so where they stand alone in a name: `x-auth`, but not `author`.
const SECRET_WORDS: [&str; 6] = ["auth", "jwt", "pass", "pwd", "sid", "sig"];

/// Whether these two letters begin one of the names or words.
fn begins(first: u8, second: u8) -> bool {
    matches!(
        (first, second),
        (b'a', b'c' | b'p' | b'u')
            | (b'b', b'e')
            | (b'c', b'o' | b'r')
            | (b'j', b'w')
            | (b'p', b'a' | b'r' | b'w')
            | (b's', b'e' | b'i')
            | (b't', b'o')
    )
}

/// Whether what goes by this name is a secret.
pub(crate) fn secret_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    // Asked of every text of every job, and most places of a text begin none of them.
    bytes.array_windows().enumerate().any(|(at, [first, second])| {
        let first = first | 0x20;
        begins(first, second | 0x20)
            && (SECRET_NAMES.iter().any(|part| part.as_bytes()[0] == first && part_begins(&bytes[at..], part))
                || SECRET_WORDS.iter().any(|word| word.as_bytes()[0] == first && word_stands(name, at, word)))
    })
}

fn part_begins(text: &[u8], part: &str) -> bool {
    let mut letters = text.iter().filter(|byte| !matches!(byte, b'-' | b'_')).map(u8::to_ascii_lowercase);
    part.bytes().all(|byte| letters.next() == Some(byte))
}

fn word_stands(text: &str, at: usize, word: &str) -> bool {
    let end = at + word.len();
    let parts = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    text.get(at..end).is_some_and(|there| there.eq_ignore_ascii_case(word))
        && parts(text[..at].chars().next_back())
        && parts(text[end..].chars().next())
}

#[cfg(test)]
mod tests {
    use super::{SECRET_NAMES, SECRET_WORDS, secret_name};

    #[test]
    fn every_name_is_found_in_any_case_and_anywhere() {
        for name in SECRET_NAMES.into_iter().chain(SECRET_WORDS) {
            let (head, tail) = name.split_at(name.len() - 2);
            for text in [name.to_owned(), name.to_uppercase(), format!("x-{name}"), format!("{name}: {head}{tail}")] {
                assert!(secret_name(&text), "{text}");
            }
        }
        assert!(secret_name("my_Api-Key"), "marks are left out");
        assert!(!secret_name("author") && !secret_name("passenger") && !secret_name("x"));
    }
}
