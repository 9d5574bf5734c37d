//! Values of options, from texts. What an error says goes behind the text that is wrong.

use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use jiff::SignedDuration;
use url::{ParseError, Url};

use crate::job::Owner;
use crate::plan::TakeOwnership;

/// How long after a look `status --watch` looks again where nothing is said.
const WATCH: Duration = Duration::from_secs(5);

/// A header to send; its name is not shown where it may be a part of a secret.
pub(super) fn header(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = text.split_once(':').ok_or("a header without a colon")?;
    let name = HeaderName::from_bytes(name.trim().as_bytes())
        .map_err(|_| "a header's name is empty or has a sign that no name has")?;
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| "a header's value has a sign that no value has")?;
    value.set_sensitive(true);
    Ok((name, value))
}

pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("is neither `true` nor `false`".to_owned()),
    }
}

pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<u32>().ok().map(|seconds| SignedDuration::from_secs(seconds.into()));
    seconds
        .or_else(|| text.parse::<SignedDuration>().ok())
        .filter(SignedDuration::is_positive)
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "is no duration above zero; write `240s`, `4m` or `1m30s`".to_owned())
}

pub(super) fn parse_watch(text: &str) -> Result<Option<Duration>, String> {
    match parse_bool(text) {
        // Seconds, as everywhere.
        _ if text == "1" => parse_duration(text).map(Some),
        Ok(on) => Ok(on.then_some(WATCH)),
        Err(_) => parse_duration(text).map(Some),
    }
}

pub(super) fn parse_concurrency(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| (1..=1024).contains(n)).ok_or_else(|| "is no number from 1 to 1024".to_owned())
}

pub(super) fn parse_stampede(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "is no number above zero".to_owned())
}

pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            Err("is no http or https URL; write `http://dkron:8080`".to_owned())
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            Err("has a `?` or a `#`; only a base URL is wanted".to_owned())
        }
        Ok(url) => Ok(url),
        Err(ParseError::RelativeUrlWithoutBase) => {
            Err("has no `http://` in front; write `http://dkron:8080`".to_owned())
        }
        Err(error) => Err(format!("is no URL ({error}); write `http://dkron:8080`")),
    }
}

pub(super) fn parse_take_ownership(text: &str) -> Result<TakeOwnership, String> {
    match parse_bool(text) {
        Ok(true) => Ok(TakeOwnership::Any),
        Ok(false) => Ok(TakeOwnership::No),
        Err(_) if text.contains('/') => Ok(TakeOwnership::From(Owner::parse(text))),
        Err(_) => Err("is no owner; write `namespace/release`, or nothing for anyone's".to_owned()),
    }
}
