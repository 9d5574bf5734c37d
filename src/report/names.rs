//! Which names say that what goes by them is a secret.

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

/// Whether what goes by this name is a secret.
pub(crate) fn secret_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.iter().enumerate().any(|(at, byte)| {
        let first = byte.to_ascii_lowercase();
        // Most places of a text begin none of them.
        matches!(first, b'a' | b'b' | b'c' | b'j' | b'p' | b's' | b't')
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
