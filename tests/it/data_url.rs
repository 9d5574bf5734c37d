//! Data tables from a URL, by a tiny server that answers as it is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::{Cli, Ran};
use crate::rig::{Rig, job, tidy};

const ROWS: &str = r#"[{"name": "a", "hard_ttl": 5}, {"name": "b"}]"#;

/// One answer.
#[derive(Clone)]
enum Answer {
    /// Status line, further header lines, body.
    Whole(&'static str, String, String),
    /// The connection is closed without a word.
    Close,
    /// Half of what is announced.
    Half,
    /// Nothing, for longer than anyone waits here.
    Silence,
    /// JSON without an end.
    Endless,
}

fn ok(body: &str) -> Answer {
    Answer::Whole("200 OK", String::new(), body.to_owned())
}

fn status(line: &'static str) -> Answer {
    Answer::Whole(line, String::new(), "<html>no</html>".to_owned())
}

/// A server that gives these answers, the last one for ever, and keeps the requests.
struct Tables {
    host: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Tables {
    fn serve(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let host = listener.local_addr().expect("its address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&seen);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let answer = answers[number.min(answers.len() - 1)].clone();
                let keep = Arc::clone(&keep);
                thread::spawn(move || {
                    // A client that has had enough hangs up: that is what some of these tests are about.
                    let _hung_up = give(stream, answer, &keep);
                });
            }
        });
        Self { host, seen }
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("the requests").clone()
    }

    /// A folder of templates for the rows at this path.
    fn cli(&self, path: &str) -> Cli {
        let cli = Cli::new()
            .env("JOBS_DATA_CACHES", format!("http://{}{path}", self.host))
            .env("DKRON_WAIT_TIMEOUT", "10s")
            .env("DKRON_REQUEST_TIMEOUT", "1s");
        cli.write("jobs-templates/caches.yaml", template());
        cli
    }
}

fn template() -> String {
    format!("for_each: caches\n{}", job("'{{ item.name }}'", "1"))
}

fn give(mut stream: TcpStream, answer: Answer, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    seen.lock().expect("the requests").push(String::from_utf8_lossy(&head).into_owned());
    match answer {
        Answer::Whole(status, headers, body) => {
            let length = body.len();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}")
        }
        Answer::Close => Ok(()),
        Answer::Half => write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{ROWS}"),
        Answer::Silence => {
            thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[")?;
            let blanks = vec![b' '; 1 << 20];
            loop {
                stream.write_all(&blanks)?;
            }
        }
    }
}

#[track_caller]
fn names(ran: Ran) -> Vec<String> {
    ran.ok().lines().iter().map(|job| job["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn rows_are_the_whole_answer_or_stand_at_a_pointer() {
    let whole = Tables::serve(vec![ok(ROWS)]);
    assert_eq!(names(whole.cli("/cache_params?all=1").run(&["render"])), ["a", "b"]);
    assert!(whole.requests()[0].starts_with("GET /cache_params?all=1 HTTP/1.1\r\n"), "{:?}", whole.requests());
    let nested = Tables::serve(vec![ok(&format!(r#"{{"data": {{"a/b": {ROWS}}}}}"#))]);
    assert_eq!(names(nested.cli("/#/data/a~1b").run(&["render"])), ["a", "b"]);
}

#[test]
fn what_may_get_better_is_tried_again() {
    let answers = [
        Answer::Close,
        status("503 Service Unavailable"),
        status("502 Bad Gateway"),
        status("500 Internal Server Error"),
        status("429 Too Many Requests"),
        status("408 Request Timeout"),
        status("425 Too Early"),
        status("404 Not Found"),
        Answer::Half,
        Answer::Silence,
        ok("<html>welcome</html>"),
        ok(""),
        ok("\u{0}"),
        ok("[{\"name\": \"a"),
        ok("{\"error\": \"starting\"}"),
        ok("[]"),
        ok(ROWS),
    ];
    let tables = Tables::serve(answers.to_vec());
    let ran = tables.cli("/").run(&["render"]);
    let said = tidy(&ran.stderr);
    assert_eq!(names(ran), ["a", "b"]);
    assert_eq!(tables.requests().len(), answers.len());
    insta::assert_snapshot!(said, @r#"
     INFO waiting for a data table url="http://[dkron]/" cause=GET: connection closed before message completed
     INFO waiting for a data table url="http://[dkron]/" cause=GET answered 200, but this is no JSON: expected value; it begins with `<html>welcome</html>`; correct it; `jq .` names the place too
    "#);
}

#[test]
fn the_limit_is_kept_and_credentials_are_not_shown() {
    for answer in [status("503 Service Unavailable"), Answer::Silence] {
        let tables = Tables::serve(vec![answer]);
        let url = format!("http://me:sesame@{}/t?token=sesame", tables.host);
        let cli = tables.cli("/").env("JOBS_DATA_CACHES", url).env("DKRON_WAIT_TIMEOUT", "1500ms");
        let start = Instant::now();
        let ran = cli.run(&["render", "--termination-log", "last"]).exits(4);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(1500) && took < Duration::from_secs(3), "{took:?}");
        let words = std::fs::read_to_string(cli.path("last")).expect("last words");
        assert!(!ran.to_string().contains("sesame") && !words.contains("sesame"), "{ran}");
        assert!(ran.stderr.contains("gave up on the table at http://***@127.0.0.1"), "{ran}");
        assert!(ran.stderr.contains("after 1.5s: GET"), "{ran}");
        // They are sent all the same.
        assert!(tables.requests()[0].to_lowercase().contains("authorization: basic bwu6c2vzyw1l\r\n"));
    }
}

#[test]
fn what_will_not_get_better_ends_it_at_once() {
    let target = TcpListener::bind("127.0.0.1:0").expect("a free port");
    target.set_nonblocking(true).expect("a listener that does not wait");
    let elsewhere = format!("Location: http://{}/\r\n", target.local_addr().expect("its address"));
    let cases = [
        status("400 Bad Request"),
        status("401 Unauthorized"),
        status("403 Forbidden"),
        status("405 Method Not Allowed"),
        status("410 Gone"),
        Answer::Whole("302 Found", elsewhere, String::new()),
        Answer::Endless,
    ];
    let mut said = String::new();
    for answer in cases {
        let tables = Tables::serve(vec![answer]);
        let cli = tables.cli("/t").env("DKRON_REQUEST_TIMEOUT", "8s");
        let start = Instant::now();
        let ran = cli.run(&["render"]).exits(1);
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}: {ran}", start.elapsed());
        assert_eq!((tables.requests().len(), ran.stdout.as_str()), (1, ""), "{ran}");
        said += &tidy(&ran.stderr);
    }
    assert!(target.accept().is_err(), "the redirect was followed");
    insta::assert_snapshot!(said, @r"
    error: the table at http://[dkron]/t is not to be had: GET answered 400: <html>no</html>
    error: the table at http://[dkron]/t is not to be had: GET answered 401: <html>no</html>
    error: the table at http://[dkron]/t is not to be had: GET answered 403: <html>no</html>
    error: the table at http://[dkron]/t is not to be had: GET answered 405: <html>no</html>
    error: the table at http://[dkron]/t is not to be had: GET answered 410: <html>no</html>
    error: the table at http://[dkron]/t is not to be had: GET answered 302
    error: the table at http://[dkron]/t is not to be had: GET: the answer is longer than 67108864 bytes
    ");
}

/// Certificates are for URLs: where there is none, nobody asks for them.
#[test]
fn certificates_are_read_for_a_table_at_a_url_only() {
    let tables = Tables::serve(vec![ok(ROWS)]);
    let cli = tables.cli("/").env("DKRON_CA_FILE", "nowhere.pem");
    let ran = cli.run(&["render"]).exits(2);
    assert!(ran.stderr.contains("--ca-file nowhere.pem: "), "{ran}");
    assert_eq!(tables.requests(), Vec::<String>::new());
    cli.write("caches.csv", "name\nfile\n");
    assert_eq!(names(cli.run(&["render", "--data", "caches=caches.csv"])), ["file"]);
}

#[test]
fn render_takes_the_flags_that_a_url_needs_and_no_flag_of_dkrons() {
    let tables = Tables::serve(vec![status("404 Not Found"), Answer::Silence]);
    let cli = tables.cli("/").env("DKRON_WAIT_TIMEOUT", "1h").env("DKRON_REQUEST_TIMEOUT", "1h");
    let ran = cli.run(&["render", "--wait-timeout", "1500ms", "--request-timeout", "200ms"]).exits(4);
    assert!(ran.stderr.contains("after 1.5s: GET: no whole answer within 200ms"), "{ran}");
    let ran = cli.run(&["render", "--ca-file", "nowhere.pem"]).exits(2);
    assert!(ran.stderr.contains("--ca-file nowhere.pem: "), "{ran}");
    for flag in ["--dkron-url=http://x", "--concurrency=1", "--client-key-file=x", "--header=a:b"] {
        let ran = cli.run(&["render", flag]).exits(2);
        assert!(ran.stderr.contains("unexpected argument"), "{ran}");
    }
}

/// A gateway answers for a service that is not up yet, and a service before its table is filled.
#[test]
fn an_answer_without_a_table_is_the_cause_that_is_named_in_the_end() {
    let cases = [
        ("/t", status("404 Not Found")),
        ("/t", ok("<html>welcome</html>")),
        ("/t", ok("[{\"name\": \"sesame\"")),
        ("/t", ok("[]")),
        ("/t", ok("{\"items\": []}")),
        ("/t#/items", ok("{\"items\": []}")),
        ("/t#/rows", ok("{\"items\": [{\"name\": \"a\"}]}")),
        ("/t#/items", ok("{\"items\": 5}")),
        ("/t", ok("[1, 2]")),
    ];
    let mut said = String::new();
    for (path, answer) in cases {
        let tables = Tables::serve(vec![answer]);
        let ran = tables.cli(path).env("DKRON_WAIT_TIMEOUT", "700ms").run(&["render"]).exits(4);
        assert_eq!(ran.stdout, "", "{ran}");
        assert!(tables.requests().len() > 1, "{:?}", tables.requests());
        assert!(!ran.stderr.contains("sesame"), "{ran}");
        said += &tidy(&ran.stderr).lines().filter(|line| line.starts_with("error")).collect::<Vec<_>>().join("\n");
        said += "\n";
    }
    insta::assert_snapshot!(said, @r#"
    error: gave up on the table at http://[dkron]/t after 700ms: GET answered 404: <html>no</html>
    error: gave up on the table at http://[dkron]/t after 700ms: GET answered 200, but this is no JSON: expected value; it begins with `<html>welcome</html>`; correct it; `jq .` names the place too
    error: gave up on the table at http://[dkron]/t after 700ms: GET answered 200, but this is no JSON: EOF while parsing an object; correct it; `jq .` names the place too
    error: gave up on the table at http://[dkron]/t after 700ms: GET answered 200, but this table has no rows; an empty table would take every job of it away; fill it, or take its template away
    error: gave up on the table at http://[dkron]/t after 700ms: GET answered 200, but this is no list of rows; there is a list at `#/items`; put that behind the path or URL
    error: gave up on the table at http://[dkron]/t after 700ms: GET answered 200, but this table has no rows; an empty table would take every job of it away; fill it, or take its template away
    error: gave up on the table at http://[dkron]/t after 700ms: GET answered 200, but nothing stands at `/rows`; there is a list at `#/items`; put that behind the path or URL
    error: gave up on the table at http://[dkron]/t after 700ms: GET answered 200, but `/items` is no list of rows; give a JSON list of objects, or its place behind a `#`: `…#/path/to/rows`
    error: gave up on the table at http://[dkron]/t after 700ms: GET answered 200, but row 1 is no object with named columns; write each row as `{"name": …, "soft_ttl": …}`
    "#);
}

#[test]
fn a_table_is_fetched_while_dkron_is_waited_for() {
    let tables = Tables::serve(vec![Answer::Silence, Answer::Silence, ok(ROWS)]);
    let rig = Rig::new(&["other"]);
    rig.cli.write("jobs-templates/caches.yaml", template());
    rig.cli.write("token", "sesame-for-dkron");
    let url = format!("caches=http://{}/", tables.host);
    let args =
        ["apply", "--data", &url, "--bearer-token-file", "token", "--header", "X-Api-Key: sesame", "--output", "json"];
    rig.emulator.lose_leader();
    let with = |more: &[&str]| {
        let mut all = args.to_vec();
        all.extend(more);
        let start = Instant::now();
        (rig.cli.run(&all), start.elapsed())
    };
    // Both are waited for at once, not one after the other.
    let (ran, took) = with(&["--wait-timeout", "1500ms", "--request-timeout", "1s"]);
    assert!(took < Duration::from_millis(2700), "{took:?}");
    let ran = ran.exits(4);
    assert_eq!(ran.json()["summary"]["created"], 0, "{ran}");
    rig.emulator.set_leader(0);
    let ran = with(&["--request-timeout", "1s"]).0.ok();
    assert_eq!(
        (&ran.json()["summary"]["created"], rig.names()),
        (&3.into(), vec!["a".into(), "b".into(), "other".into()])
    );
    // What is for Dkron is not for the table's host.
    let requests = tables.requests().join("");
    assert!(!requests.contains("sesame"), "{requests}");
    let journal = rig.emulator.journal();
    assert!(journal.iter().all(|request| request.header("authorization") == Some("Bearer sesame-for-dkron")));
}

#[test]
fn a_table_that_is_not_to_be_had_writes_nothing() {
    let rig = Rig::new(&["other"]);
    rig.cli.write("jobs-templates/caches.yaml", template());
    for (answer, code) in [(status("410 Gone"), 1), (ok("[]"), 4), (status("503 Service Unavailable"), 4)] {
        let tables = Tables::serve(vec![answer]);
        let data = format!("caches=http://{}/", tables.host);
        let args = ["apply", "--data", &data, "--wait-timeout", "1s", "--output", "json"];
        let ran = rig.cli.run(&args).exits(code);
        assert_eq!(ran.json()["errors"].as_array().map(Vec::len), Some(1), "{ran}");
        assert_eq!(rig.names(), Vec::<String>::new());
    }
}
