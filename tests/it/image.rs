//! What static binaries break, inside the image: names, TLS, time zones.
//!
//! `tests/image/check` runs these in a network namespace, with `IMAGE_ROOT` naming the image's unpacked files, mounted read-only
//! and with what Kubernetes would mount into them: `etc/resolv.conf`, `etc/hosts`, and a volume at `mnt`. A plain `cargo test`
//! has no image, and passes over them.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use dkron_emulator::{Emulator, Options};

use crate::cli::Ran;
use crate::tls::Front;

/// The Service as `etc/resolv.conf` makes it of `dkron`, with its search list.
const SERVICE: &str = "dkron.shop.svc.cluster.local";
/// A name in `etc/hosts` only.
const IN_HOSTS: &str = "dkron-by-hosts";

struct Image {
    root: PathBuf,
    /// Who the image says that it runs as, where this machine lets us be that.
    user: Option<String>,
}

impl Image {
    fn given() -> Option<Self> {
        let root = std::env::var_os("IMAGE_ROOT")?.into();
        Some(Self { root, user: std::env::var("IMAGE_USER").ok().filter(|user| !user.is_empty()) })
    }

    /// Puts a file on the volume; its path inside.
    fn volume(&self, name: &str, text: &str) -> String {
        std::fs::write(self.root.join("mnt").join(name), text).expect("a file on the volume");
        format!("/mnt/{name}")
    }

    /// Runs the image's program, with the image's files for its whole world.
    fn run(&self, args: &[&str]) -> Ran {
        let mut command = Command::new("chroot");
        if let Some(user) = &self.user {
            command.arg("--userspec").arg(user);
        }
        let output = command
            .arg(&self.root)
            .arg("/dkron-jobs")
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("JOBS_NAMESPACE", "shop")
            .env("JOBS_LOG_FORMAT", "plain")
            .stdin(Stdio::null())
            .output()
            .expect("chroot starts");
        let text = |bytes| String::from_utf8(bytes).expect("output is text");
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// A name server that knows one name, in the only address that a `resolv.conf` without ports can mean.
fn name_server() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).expect("port 53 of a network namespace of our own");
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut query) {
            if let Some(answer) = answer(&query[..length]) {
                let _ = socket.send_to(&answer, client);
            }
        }
    });
}

/// RFC 1035, 4.1: a header of 12 bytes, the name as labels, each with its length before it, then type and class.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let question = query.get(12..)?;
    let mut labels = Vec::new();
    let mut rest = question;
    while let Some((&length, after)) = rest.split_first().filter(|(length, _)| **length > 0) {
        labels.push(String::from_utf8(after.get(..length.into())?.to_vec()).ok()?);
        rest = after.get(length.into()..)?;
    }
    // The empty label, then type 1 (A) of class 1 (IN).
    let wants_ipv4 = rest.get(..5)? == [0, 0, 1, 0, 1];
    let question = &question[..question.len() - rest.len() + 5];
    let known = labels.join(".") == SERVICE;
    let mut answer = query[..2].to_vec();
    // A response, recursion desired and available; 3 is "no such name".
    answer.extend([0x81, if known { 0x80 } else { 0x83 }]);
    answer.extend([0, 1, 0, u8::from(known && wants_ipv4), 0, 0, 0, 0]);
    answer.extend(question);
    if known && wants_ipv4 {
        // The name stands at byte 12; A, IN, 5 seconds, 4 bytes.
        answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}

fn emulator() -> (Emulator, u16) {
    let emulator = Emulator::start(Options::new()).expect("an emulator");
    let port = emulator.addresses()[0].port();
    (emulator, port)
}

#[test]
fn names_are_found_and_private_authorities_trusted() {
    let Some(image) = Image::given() else { return };
    name_server();
    let (emulator, port) = emulator();
    for name in ["localhost", IN_HOSTS, "dkron", "dkron.shop", "dkron.shop.svc", SERVICE] {
        let _ = image.run(&["wait", "--dkron-url", &format!("http://{name}:{port}"), "--wait-timeout", "20s"]).ok();
    }
    let ran = image.run(&["wait", "--dkron-url", &format!("http://dkron.elsewhere:{port}"), "--wait-timeout", "1s"]);
    let ran = ran.exits(4);
    assert!(ran.stderr.contains("the name `dkron.elsewhere` does not resolve"), "{ran}");

    let front = Front::start(emulator.addresses()[0], SERVICE);
    let url = format!("https://{SERVICE}:{}", front.port);
    let ran = image.run(&["apply", "--dkron-url", &url, "--wait-timeout", "1s"]).exits(4);
    assert!(ran.stderr.contains("UnknownIssuer"), "{ran}");
    assert_eq!(emulator.job_count(), 0);
    let ca = image.volume("ca.pem", &front.ca);
    let _ = image.run(&["apply", "--dkron-url", &url, "--ca-file", &ca, "--wait-timeout", "20s"]).ok();
    assert!(emulator.job_count() > 1, "the image's own templates, found without being named: {:?}", emulator.jobs());
}

#[test]
fn the_templates_and_their_table_are_where_they_are_looked_for() {
    let Some(image) = Image::given() else { return };
    let ran = image.run(&["render"]).ok();
    assert!(ran.stdout.contains("http://cache-manager.shop.svc.cluster.local:8080/refresh/"), "{ran}");
}

#[test]
fn time_zones_are_known() {
    let Some(image) = Image::given() else { return };
    let job = |zone: &str| {
        format!(
            "name: nightly\nschedule: '0 30 2 * * *'\ntimezone: {zone}\nexecutor: http\nexecutor_config: {{method: GET, url: 'http://127.0.0.1:9/'}}\n"
        )
    };
    for zone in ["America/Sao_Paulo", "Asia/Kathmandu", "Europe/Berlin"] {
        let folder = zone.replace('/', "-");
        std::fs::create_dir_all(image.root.join("mnt").join(&folder)).expect("a folder on the volume");
        image.volume(&format!("{folder}/job.yaml"), &job(zone));
        let ran = image.run(&["render", "--templates", &format!("/mnt/{folder}")]).ok();
        assert!(ran.stdout.contains(&format!(r#""timezone":"{zone}""#)), "{ran}");
    }
    std::fs::create_dir_all(image.root.join("mnt/nowhere")).expect("a folder on the volume");
    image.volume("nowhere/job.yaml", &job("Europe/Atlantis"));
    let ran = image.run(&["render", "--templates", "/mnt/nowhere"]).exits(2);
    assert!(ran.stderr.contains("Europe/Atlantis"), "{ran}");
}
