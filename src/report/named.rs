//! Values that stand beside a name that carries secrets, in any text: commands, environments, forms, XML, and JSON at any depth.
//!
//! | shape | what is masked |
//! |---|---|
//! | `name=value`, `name:value` | the value, to the next blank or separator, or in its quotes |
//! | `name: value` | the value, to the end of the line or of the quotes around both |
//! | `"name": value`, with any number of backslashes | the JSON value |
//! | `--name value`, `-name value` | the next word |
//! | `-u user:pw`, `--user user:pw` | what follows the colon |
//! | `<name>value</name>` | what stands between the tags |

use std::ops::Range;

use super::names::{MASK, secret_name};

/// Where these values stand, in order and apart.
pub(super) fn values(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(word) = next_word(text, at) {
        at = word.end;
        let name = &text[word.clone()];
        let value = if is_user_flag(name) {
            user_and_password(text, word.end)
        } else if secret_name(name) {
            value(text, &word)
        } else {
            None
        };
        // Neither nothing nor what is masked already.
        if let Some(value) = value.filter(|value| !matches!(&text[value.clone()], "" | "null" | MASK)) {
            at = value.end;
            found.push(value);
        }
    }
    found
}

/// The next run of characters that a name may have.
fn next_word(text: &str, from: usize) -> Option<Range<usize>> {
    let start = from + text[from..].find(is_name)?;
    let end = start + text[start..].find(|c| !is_name(c)).unwrap_or(text.len() - start);
    Some(start..end)
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// curl's and wget's flag for user and password.
fn is_user_flag(word: &str) -> bool {
    matches!(word, "-u" | "--user" | "--proxy-user")
}

/// What follows the colon of the next word, or of this one's value.
fn user_and_password(text: &str, after: usize) -> Option<Range<usize>> {
    let rest = text[after..].strip_prefix('=').map_or(&text[after..], |rest| rest);
    let blanks = rest.len() - rest.trim_start_matches(' ').len();
    let start = text.len() - rest.len() + blanks;
    let word = quoted(text, start).unwrap_or_else(|| start..end_of_word(text, start));
    let colon = text[word.clone()].find(':')?;
    Some(word.start + colon + 1..word.end)
}

/// The value that goes by the name at `word`.
fn value(text: &str, word: &Range<usize>) -> Option<Range<usize>> {
    let (before, after) = (&text[..word.start], &text[word.end..]);
    // A host: `http://token-service:8080/`.
    if before.ends_with("//") || before.ends_with('@') {
        return None;
    }
    if after.starts_with('>') && before.trim_end_matches(|c: char| is_name(c) || c == ':').ends_with('<') {
        let start = word.end + 1;
        return Some(start..start + text[start..].find("</")?);
    }
    // The end of the name's own quotes, with as many backslashes as JSON in JSON has.
    let closed = after.trim_start_matches('\\').strip_prefix(['"', '\'']).unwrap_or(after);
    let is_quoted = closed.len() < after.len();
    let unspaced = closed.trim_start_matches(' ');
    if let Some(rest) = unspaced.strip_prefix(['=', ':']) {
        let is_colon = unspaced.starts_with(':');
        let spaced = rest.starts_with([' ', '\t']);
        let rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let start = text.len() - rest.len();
        return match quoted(text, start) {
            Some(value) => Some(value),
            None if is_quoted => Some(start..end_of_json(text, start)),
            None if is_colon && spaced => Some(start..end_of_line(text, word.start, start)),
            // The port of a host: `auth-service:8080`.
            None if is_colon && is_port(rest) && !text[word.clone()].starts_with('-') => None,
            None => Some(start..end_of_word(text, start)),
        };
    }
    // A flag, and its value in the next word.
    if text[word.clone()].starts_with('-') && closed.starts_with(' ') && !unspaced.starts_with('-') {
        let start = text.len() - unspaced.len();
        return Some(quoted(text, start).unwrap_or_else(|| start..end_of_word(text, start)));
    }
    None
}

/// The inside of the quotes that begin here, with any number of backslashes before each; to the end where they are not closed.
fn quoted(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = &text[at..];
    let backslashes = rest.len() - rest.trim_start_matches('\\').len();
    let quote = rest[backslashes..].chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let start = at + backslashes + 1;
    let mut run = 0;
    for (offset, c) in text[start..].char_indices() {
        match c {
            '\\' => run += 1,
            // One more backslash than at the beginning makes it a part of the value.
            _ if c == quote && run <= backslashes => return Some(start..start + offset - run),
            _ => run = 0,
        }
    }
    Some(start..text.len())
}

/// The end of a JSON value without quotes, an object or a list among them.
fn end_of_json(text: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, c) in text[start..].char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' if depth <= 1 => return start + offset + depth,
            '}' | ']' => depth -= 1,
            ',' if depth == 0 => return start + offset,
            _ => {}
        }
    }
    text.len()
}

/// The end of the line, or of the quotes in which name and value stand together: `-H 'Authorization: Bearer abc'`.
fn end_of_line(text: &str, name: usize, start: usize) -> usize {
    let quote = text[..name].chars().next_back().filter(|c| matches!(c, '"' | '\''));
    let end = |c: char| c == '\n' || Some(c) == quote;
    let line = start + text[start..].find(end).unwrap_or(text.len() - start);
    start + text[start..line].trim_end().len()
}

/// The end of a value without quotes. A `,` or `;` belongs to it unless another `name=` or `name:` follows.
fn end_of_word(text: &str, start: usize) -> usize {
    for (offset, c) in text[start..].char_indices() {
        let at = start + offset;
        let ends = match c {
            ',' | ';' => {
                let rest = &text[at + 1..];
                let name = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                rest.is_empty() || rest.starts_with(' ') || name > 0 && rest[name..].starts_with(['=', ':'])
            }
            '&' | '|' | '"' | '\'' | '<' | '>' | ')' | '}' | ']' => true,
            _ => c.is_whitespace(),
        };
        if ends {
            return at;
        }
    }
    text.len()
}

/// Whether one to five digits stand here, and a host's end after them.
fn is_port(text: &str) -> bool {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (1..=5).contains(&digits)
        && text[digits..].chars().next().is_none_or(|c| c.is_whitespace() || "/?#,;\"'".contains(c))
}

#[cfg(test)]
mod tests {
    use super::values;

    #[track_caller]
    fn masked(text: &str) -> String {
        let mut shown = text.to_owned();
        for value in values(text).into_iter().rev() {
            shown.replace_range(value, "***");
        }
        shown
    }

    #[test]
    fn values_beside_secret_names_are_found() {
        for (text, shown) in [
            ("run.sh -job:load -pass:Xk29 >> log", "run.sh -job:load -pass:*** >> log"),
            ("PGPASSWORD=Xk29 psql -h db", "PGPASSWORD=*** psql -h db"),
            ("PGPASSWORD='X k' psql", "PGPASSWORD='***' psql"),
            ("MODE=full,DB_PASSWORD=Xk,29,A=b", "MODE=full,DB_PASSWORD=***,A=b"),
            ("curl -H 'Authorization: Bearer Xk29' http://x/", "curl -H 'Authorization: ***' http://x/"),
            ("user=a&password=Xk29&b=c", "user=a&password=***&b=c"),
            ("db --password Xk29 --verbose", "db --password *** --verbose"),
            ("db --password --verbose", "db --password --verbose"),
            ("curl -u admin:Xk29 http://x/", "curl -u admin:*** http://x/"),
            ("curl --user 'admin:X k' http://x/", "curl --user 'admin:***' http://x/"),
            ("<a><password>Xk29</password></a>", "<a><password>***</password></a>"),
            ("<ns:Password>Xk29</ns:Password>", "<ns:Password>***</ns:Password>"),
            ("<db password=\"Xk29\"/>", "<db password=\"***\"/>"),
            (r#"{"a":"{\"token\":\"Xk29\",\"b\":1}"}"#, r#"{"a":"{\"token\":\"***\",\"b\":1}"}"#),
            (r#"worker1: {"api_key": "Xk\"29", "n": 1}"#, r#"worker1: {"api_key": "***", "n": 1}"#),
            (r#"out {"secret": {"a": [1]}, "n": 1}"#, r#"out {"secret": ***, "n": 1}"#),
            (r#"out {"pin-token": 1234}"#, r#"out {"pin-token": ***}"#),
            ("password: Xk29 and more\nnext", "password: ***\nnext"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn other_texts_stay() {
        for text in [
            "http://token-service:8080/run",
            "nc auth-service:8080",
            "author=me",
            "the token is somewhere else",
            "passwd",
            "",
        ] {
            assert_eq!(masked(text), text);
        }
    }
}
