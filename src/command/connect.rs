//! How Dkron, data URLs and stores are reached: credentials and certificates from their files.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::dkron::{Dkron, Tls};
use crate::settings::{DkronSettings, Settings};

use super::Error;

/// What may be known to nobody: our credentials, in every form in which they are sent. What cannot be read is said by whoever needs it.
pub(super) fn credentials(settings: &Settings) -> Vec<String> {
    let mut secrets = settings.secrets();
    let dkron = &settings.dkron;
    for file in [&dkron.basic_auth_file, &dkron.bearer_token_file].into_iter().flatten() {
        let Ok(text) = secret("", file) else { continue };
        secrets.push(BASE64_STANDARD.encode(&text));
        secrets.extend(text.split_once(':').map(|(_, password)| password.to_owned()));
        secrets.push(text);
    }
    secrets
}

/// The Dkron of the settings, with its credentials.
///
/// # Errors
/// A file that cannot be read, or a header that cannot be sent.
pub(super) fn dkron(settings: &DkronSettings) -> Result<Dkron, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let bad = |problem: String| Error::File { what: "--header", file: name.clone(), problem };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| bad(error.to_string()))?;
        let value = HeaderValue::from_str(value).map_err(|error| bad(error.to_string()))?;
        headers.append(name, sensitive(value));
    }
    if let Some(file) = &settings.basic_auth_file {
        let text = secret("--basic-auth-file", file)?;
        let encoded = BASE64_STANDARD.encode(text);
        headers.insert(AUTHORIZATION, authorization("--basic-auth-file", file, &format!("Basic {encoded}"))?);
    }
    if let Some(file) = &settings.bearer_token_file {
        let token = secret("--bearer-token-file", file)?;
        headers.insert(AUTHORIZATION, authorization("--bearer-token-file", file, &format!("Bearer {token}"))?);
    }
    Ok(Dkron {
        url: settings.url.clone(),
        headers,
        tls: tls(settings)?,
        request_timeout: settings.request_timeout,
        wait_timeout: settings.wait_timeout,
    })
}

pub(super) fn tls(settings: &DkronSettings) -> Result<Tls, Error> {
    let ca = settings.ca_file.as_deref().map(|file| read("--ca-file", file)).transpose()?;
    let client = match &settings.client_cert {
        Some((cert, key)) => Some((read("--client-cert-file", cert)?, read("--client-key-file", key)?)),
        None => None,
    };
    let pair = client.as_ref().map(|(cert, key)| (cert.as_slice(), key.as_slice()));
    Tls::new(ca.as_deref(), pair).map_err(|error| {
        let files = [&settings.ca_file, &settings.client_cert.as_ref().map(|(cert, _)| cert.clone())];
        let file = files.into_iter().flatten().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        Error::File { what: "certificates", file, problem: error.to_string() }
    })
}

fn read(what: &'static str, file: &Path) -> Result<Vec<u8>, Error> {
    let problem =
        |error: std::io::Error| Error::File { what, file: file.display().to_string(), problem: error.to_string() };
    std::fs::read(file).map_err(problem)
}

fn secret(what: &'static str, file: &Path) -> Result<String, Error> {
    let problem = |problem: &str| Error::File { what, file: file.display().to_string(), problem: problem.to_owned() };
    let text = String::from_utf8(read(what, file)?).map_err(|_| problem("it is not UTF-8 text"))?;
    let text = text.trim();
    if text.is_empty() { Err(problem("it is empty")) } else { Ok(text.to_owned()) }
}

fn authorization(what: &'static str, file: &Path, value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map(sensitive).map_err(|_| Error::File {
        what,
        file: file.display().to_string(),
        problem: "it holds characters that no header may hold".to_owned(),
    })
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}
