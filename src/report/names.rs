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

/// For the first byte of each of those, which bytes may follow, as bits of [`FOLLOWS`]. Nearly all places of a text are seen by this
/// to begin none of them.
const BEGINNINGS: [u32; 256] = {
    let mut beginnings = [0; 256];
    let mut at = 0;
    while at < SECRET_NAMES.len() + SECRET_WORDS.len() {
        let word =
            if at < SECRET_NAMES.len() { SECRET_NAMES[at] } else { SECRET_WORDS[at - SECRET_NAMES.len()] }.as_bytes();
        let follows = FOLLOWS[word[1] as usize] | FOLLOWS[b'-' as usize];
        beginnings[word[0] as usize] |= follows;
        beginnings[word[0].to_ascii_uppercase() as usize] |= follows;
        at += 1;
    }
    beginnings
};

/// Bit n for letter n of the alphabet, and the last for a mark that is left out of names.
const FOLLOWS: [u32; 256] = {
    let mut follows = [0; 256];
    let mut letter = 0;
    while letter < 26 {
        follows[b'a' as usize + letter] = 1 << letter;
        follows[b'A' as usize + letter] = 1 << letter;
        letter += 1;
    }
    follows[b'-' as usize] = 1 << 31;
    follows[b'_' as usize] = 1 << 31;
    follows
};

/// Whether what goes by this name is a secret. Asked for each text of each job, so it looks once and copies nothing.
pub(crate) fn secret_name(name: &str) -> bool {
    let mut awaited = 0;
    for (next, &byte) in name.as_bytes().iter().enumerate() {
        if awaited & FOLLOWS[usize::from(byte)] != 0 && secret_begins(name, next - 1) {
            return true;
        }
        awaited = BEGINNINGS[usize::from(byte)];
    }
    false
}

#[cold]
fn secret_begins(name: &str, at: usize) -> bool {
    let rest = &name.as_bytes()[at..];
    let begins = |part: &&&str| part.as_bytes()[0] == rest[0].to_ascii_lowercase();
    SECRET_NAMES.iter().filter(begins).any(|part| part_begins(rest, part))
        || SECRET_WORDS.iter().filter(begins).any(|word| word_stands(name, at, word))
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
