//! Hosts of this namespace become what names them in any namespace.

use super::Given;
use super::leaf::{Leaf, Piece};

/// A text with `http://<service>.<namespace>.svc.<domain>:<port>` as `{{ service(…) }}`, and with `{{ namespace }}` and
/// `{{ cluster_domain }}` in other hosts of this namespace: `<service>.<namespace>.svc`, with or without the domain behind it,
/// and `<service>.<namespace>` where it is the whole host of a URL. Only whole labels count.
pub(super) fn leaf(text: &str, given: &Given) -> Leaf {
    if given.namespace.is_empty() {
        return Leaf::text(text);
    }
    let needle = format!(".{}", given.namespace);
    let mut pieces = Vec::new();
    let (mut copied, mut from) = (0, 0);
    while let Some(dot) = text[from..].find(&needle).map(|at| from + at) {
        from = dot + 1;
        let before = &text[copied..dot];
        let start = dot - (before.len() - before.trim_end_matches(is_host).len());
        let Some(host) = Host::at(text, start, dot, dot + needle.len(), given) else { continue };
        if let Some((port, end)) = host.port {
            pieces.extend([
                Piece::Text(text[copied..start - HTTP.len()].to_owned()),
                Piece::ServiceStart,
                Piece::Text(text[start..dot].to_owned()),
                Piece::ServiceEnd(port),
            ]);
            copied = end;
        } else {
            pieces.extend([Piece::Text(text[copied..=dot].to_owned()), Piece::Namespace]);
            copied = dot + needle.len();
            if host.has_domain {
                pieces.extend([Piece::Text(format!("{SVC}.")), Piece::ClusterDomain]);
                copied += SVC.len() + 1 + given.cluster_domain.len();
            }
        }
        from = copied;
    }
    pieces.push(Piece::Text(text[copied..].to_owned()));
    Leaf::new(pieces)
}

const HTTP: &str = "http://";
const SVC: &str = ".svc";

/// A host of this namespace.
struct Host {
    /// It ends with the cluster's domain.
    has_domain: bool,
    /// Where it is exactly what `service()` prints: the port, and where that ends.
    port: Option<(u16, usize)>,
}

impl Host {
    /// The host that starts at `start`, with the namespace between `dot` and `end`, if it is one of this namespace.
    fn at(text: &str, start: usize, dot: usize, end: usize, given: &Given) -> Option<Self> {
        let (before, name, rest) = (&text[..start], &text[start..dot], &text[end..]);
        if !name.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-') {
            return None;
        }
        let Some(rest) = rest.strip_prefix(SVC) else {
            let is_whole = before.ends_with("://") && !name.contains('.') && is_end(rest);
            return is_whole.then_some(Self { has_domain: false, port: None });
        };
        let domain = Some(given.cluster_domain.as_str()).filter(|domain| !domain.is_empty());
        let behind = domain.and_then(|domain| rest.strip_prefix('.')?.strip_prefix(domain)).filter(|rest| is_end(rest));
        match behind {
            Some(rest) => Some(Self {
                has_domain: true,
                port: port(before, name, rest).map(|(port, length)| (port, text.len() - rest.len() + length)),
            }),
            None => is_end(rest).then_some(Self { has_domain: false, port: None }),
        }
    }
}

/// The port and its length with the colon, where `service(name, port)` prints just what stands there.
fn port(before: &str, name: &str, rest: &str) -> Option<(u16, usize)> {
    let scheme = before.strip_suffix(HTTP)?;
    let is_service = name.split('.').all(|label| !label.is_empty())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'));
    if scheme.ends_with(is_word) || !is_service {
        return None;
    }
    let rest = rest.strip_prefix(':')?;
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &rest[..rest.len() - after.len()];
    let port: u16 = digits.parse().ok()?;
    // A leading zero would be lost.
    (port.to_string() == digits && !after.starts_with(is_word)).then_some((port, digits.len() + 1))
}

fn is_host(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.')
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// Whether a host ends where this begins: no further letter of its last label, and no further label.
fn is_end(rest: &str) -> bool {
    !rest.strip_prefix('.').unwrap_or(rest).starts_with(is_word)
}
