//! Dkron behind TLS whose certificate a private authority signed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use dkron_emulator::{Emulator, Options};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::cli::Cli;

const JOB: &str =
    "name: nightly\nschedule: '@daily'\nexecutor: http\nexecutor_config: {method: GET, url: 'http://127.0.0.1:9/'}\n";

/// TLS in front of a server on loopback; it ends with the handle.
pub(crate) struct Front {
    pub(crate) port: u16,
    /// The authority that signed its certificate, as PEM.
    pub(crate) ca: String,
    _stop: oneshot::Sender<()>,
}

impl Front {
    /// With a certificate for this host name.
    pub(crate) fn start(upstream: SocketAddr, name: &str) -> Self {
        let (config, ca) = certified(name);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        listener.set_nonblocking(true).expect("a socket for tokio");
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a socket for tokio");
                tokio::select! {
                    () = serve(&listener, &acceptor, upstream) => (),
                    _ = stopped => (),
                }
            });
        });
        Self { port, ca, _stop: stop }
    }
}

async fn serve(listener: &TcpListener, acceptor: &TlsAcceptor, upstream: SocketAddr) {
    loop {
        let (client, _) = listener.accept().await.expect("a connection");
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not trust us, or has what it wants, hangs up: its own output is what is tested.
            if let Ok(mut client) = acceptor.accept(client).await
                && let Ok(mut server) = TcpStream::connect(upstream).await
            {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

/// A server's certificate and key, and who signed it.
fn certified(name: &str) -> (ServerConfig, String) {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let certificate = certificate.signed_by(&key, &authority).expect("a certificate");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .expect("a key that fits");
    (config, authority.pem())
}

/// An emulator, TLS in front of it for this name, and a run that is pointed at `localhost` there, with one job to apply.
fn rig(name: &str) -> (Emulator, Front, Cli) {
    let emulator = Emulator::start(Options::new()).expect("an emulator");
    let front = Front::start(emulator.addresses()[0], name);
    let cli = Cli::new()
        .dkron(&format!("https://localhost:{}", front.port))
        .file("jobs-templates/job.yaml", JOB)
        .file("ca.pem", &front.ca);
    (emulator, front, cli)
}

#[test]
fn a_private_authority_is_trusted_when_it_is_named() {
    let (emulator, _front, cli) = rig("localhost");
    let _ = cli.run(&["apply", "--ca-file", "ca.pem"]).ok();
    assert_eq!(emulator.job_count(), 1);
}

#[test]
fn a_private_authority_is_not_trusted_unless_it_is_named() {
    let (emulator, _front, cli) = rig("localhost");
    let ran = cli.run(&["apply", "--wait-timeout", "1s"]).exits(4);
    assert!(ran.stderr.contains("UnknownIssuer"), "{ran}");
    assert_eq!(emulator.job_count(), 0);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let (emulator, _front, cli) = rig("elsewhere.example");
    let ran = cli.run(&["apply", "--ca-file", "ca.pem", "--wait-timeout", "1s"]).exits(4);
    assert!(ran.stderr.contains("not valid for name"), "{ran}");
    assert_eq!(emulator.job_count(), 0);
}

/// What is wrong with which file, in words, and nothing of what is in it.
#[test]
fn a_bad_certificate_or_key_is_named() {
    let pair = |name: &str| {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        (certificate.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    };
    let ((cert, key), (_, other)) = (pair("one"), pair("other"));
    let half = |pem: &str| pem[..pem.len() / 2].to_owned();
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let odd = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let cli = Cli::new()
        .file("cert.pem", &cert)
        .file("key.pem", &key)
        .file("other.pem", &other)
        .file("half.pem", half(&cert))
        .file("half-key.pem", half(&key))
        .file("damaged.pem", damaged)
        .file("odd.pem", odd);
    let unusable =
        "a certificate in it is damaged, is not of X.509 version 3, or has a critical extension that is unknown";
    for (ca, cert, key, said) in [
        ("key.pem", "cert.pem", "key.pem", "--ca-file key.pem: no PEM certificate in it"),
        ("half.pem", "cert.pem", "key.pem", "--ca-file half.pem: its PEM is cut or damaged"),
        ("damaged.pem", "cert.pem", "key.pem", &format!("--ca-file damaged.pem: {unusable}")),
        ("cert.pem", "key.pem", "key.pem", "--client-cert-file key.pem: no PEM certificate in it"),
        ("cert.pem", "half.pem", "key.pem", "--client-cert-file half.pem: its PEM is cut or damaged"),
        ("cert.pem", "damaged.pem", "key.pem", &format!("--client-cert-file damaged.pem: {unusable}")),
        ("cert.pem", "cert.pem", "cert.pem", "--client-key-file cert.pem: no PEM private key in it"),
        ("cert.pem", "cert.pem", "half-key.pem", "--client-key-file half-key.pem: its PEM is cut or damaged"),
        (
            "cert.pem",
            "cert.pem",
            "odd.pem",
            "--client-key-file odd.pem: it is no RSA, ECDSA or Ed25519 key that can be used",
        ),
        ("cert.pem", "cert.pem", "other.pem", "--client-key-file other.pem: it is not the key of the certificate"),
    ] {
        let ran = cli.run(&["wait", "--ca-file", ca, "--client-cert-file", cert, "--client-key-file", key]).exits(2);
        assert_eq!(ran.stderr, format!("error: {said}\n"));
    }
}

/// All that is wrong with what is to be sent is said at once, by the name under which it was given.
#[test]
fn what_cannot_be_sent_is_said_with_all_else() {
    let cli = Cli::new()
        .env("DKRON_HEADERS", "bad name: x\nX-A: \u{1}\nplain")
        .env("DKRON_CLIENT_CERT_FILE", "cert.pem")
        .env("DKRON_BASIC_AUTH_FILE", "basic");
    let ran = cli.run(&["wait", "--bearer-token-file", "token", "--concurrency", "0"]).exits(2);
    assert_eq!(
        ran.stderr.lines().collect::<Vec<_>>(),
        [
            "error: DKRON_HEADERS: a header's name is empty or has a sign that no name has; write `Name: value`",
            "error: DKRON_HEADERS: a header's value has a sign that no value has; write `Name: value`",
            "error: DKRON_HEADERS: a header without a colon; write `Name: value`",
            "error: DKRON_CLIENT_CERT_FILE: needs its key, --client-key-file",
            "error: DKRON_BASIC_AUTH_FILE and --bearer-token-file: only one of them can be sent",
            "error: --concurrency: `0` is no number from 1 to 1024",
        ]
    );
}
