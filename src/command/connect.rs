//! How Dkron, data URLs and stores are reached: credentials and certificates from their files.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::dkron::{Dkron, Tls, TlsError};
use crate::settings::{DkronSettings, NetworkSettings, Settings};

use super::{Error, Kind};

const CA: &str = "--ca-file";
const CERTIFICATE: &str = "--client-cert-file";
const KEY: &str = "--client-key-file";

/// What may be known to nobody: our credentials, in every form in which they are sent. What cannot be read is said by whoever needs it.
pub(super) fn credentials(settings: &Settings) -> Vec<String> {
    let mut secrets = settings.secrets.clone();
    for file in &settings.secret_files {
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
/// A file that cannot be read, or that holds what cannot be sent.
pub(super) fn dkron(settings: &DkronSettings) -> Result<Dkron, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        headers.append(name, value.clone());
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
        tls: tls(&settings.network, settings.client_cert.as_ref())?,
        request_timeout: settings.network.request_timeout,
        wait_timeout: settings.network.wait_timeout,
    })
}

/// The certificates to trust, and our own with its key.
pub(super) fn tls(network: &NetworkSettings, client: Option<&(PathBuf, PathBuf)>) -> Result<Tls, Error> {
    let ca = network.ca_file.as_deref();
    let trusted = ca.map(|file| read(CA, file)).transpose()?;
    let ours = match client {
        Some((cert, key)) => Some((read(CERTIFICATE, cert)?, read(KEY, key)?)),
        None => None,
    };
    let pair = ours.as_ref().map(|(cert, key)| (cert.as_slice(), key.as_slice()));
    Tls::new(trusted.as_deref(), pair).map_err(|error| {
        let (what, file) = match error {
            TlsError::Ca(_) => (CA, ca),
            TlsError::Certificate(_) => (CERTIFICATE, client.map(|(cert, _)| cert.as_path())),
            TlsError::Key(_) => (KEY, client.map(|(_, key)| key.as_path())),
        };
        bad(what, file.unwrap_or(Path::new("")), error.to_string())
    })
}

fn bad(what: &'static str, file: &Path, problem: impl Into<String>) -> Error {
    Error::new(Kind::Usage, format!("{what} {}", file.display())).because(problem)
}

fn read(what: &'static str, file: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(file).map_err(|error| bad(what, file, error.to_string()))
}

fn secret(what: &'static str, file: &Path) -> Result<String, Error> {
    let text = String::from_utf8(read(what, file)?).map_err(|_| bad(what, file, "it is not UTF-8 text"))?;
    let text = text.trim();
    if text.is_empty() { Err(bad(what, file, "it is empty")) } else { Ok(text.to_owned()) }
}

fn authorization(what: &'static str, file: &Path, value: &str) -> Result<HeaderValue, Error> {
    let value = HeaderValue::from_str(value).map(sensitive);
    value.map_err(|_| bad(what, file, "it holds characters that no header may hold"))
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}
