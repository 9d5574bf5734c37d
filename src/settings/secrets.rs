//! The credentials among the settings, each as it may be said back to us: what goes to a server can come from it again.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{HeaderName, HeaderValue};
use url::{Url, form_urlencoded};

use crate::report::secret_name;

/// What is secret of a header.
pub(super) fn secrets_of_header(name: &HeaderName, value: &HeaderValue) -> Vec<String> {
    let (is_secret, value) = (secret_name(name.as_str()), String::from_utf8_lossy(value.as_bytes()));
    // `Bearer …`, and its like: the word before a secret is none.
    let secret = value.split_once(' ').filter(|_| is_secret).map(|(_, secret)| secret.to_owned());
    // A cookie's parts: an answer that says it back may be cut between two of them.
    let parts = value.split([';', ' ']).filter(|part| is_secret && part.contains('='));
    let mut secrets: Vec<_> = secret.into_iter().chain(parts.map(ToOwned::to_owned)).collect();
    if is_secret || !is_word(&value) {
        secrets.push(value.into_owned());
    }
    secrets
}

/// A value that hides nothing: `production`, `shop.example.com`.
fn is_word(value: &str) -> bool {
    value.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '.'))
}

/// Whether a variable of an object store holds a secret.
pub(super) fn is_secret_env(name: &str) -> bool {
    secret_name(name) || name.ends_with("_KEY") || name.contains("SAS")
}

/// The password of a URL, as it is sent too, and what its parameters name a secret.
pub(super) fn secrets_of(url: &Url) -> Vec<String> {
    let decoded = |text: &str| {
        // As in a form, but that a plus is one.
        let text = text.replace('+', "%2B");
        form_urlencoded::parse(text.as_bytes()).map(|(text, _)| text.into_owned()).collect::<String>()
    };
    let parameters = url.query_pairs().filter(|(name, _)| secret_name(name)).map(|(_, value)| value.into_owned());
    let mut secrets: Vec<_> = parameters.collect();
    let user = decoded(url.username());
    match url.password().map(decoded) {
        Some(password) => {
            secrets.extend([BASE64_STANDARD.encode(format!("{user}:{password}")), password]);
        }
        // A token may stand alone.
        None if !user.is_empty() => secrets.extend([BASE64_STANDARD.encode(format!("{user}:")), user]),
        None => {}
    }
    secrets
}
