//! The emulator's switches: each trap does what it says, as often as it says.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "talks to a server, waits, and fails where a test fails"
)]

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use dkron_emulator::{Emulator, Fault, Options, RestartOptions, Rule};
use serde_json::{Value, json};

use crate::http::{self, Answer};

pub(crate) fn start() -> Emulator {
    Emulator::start(Options::new()).unwrap()
}

/// A job that does not run by itself.
pub(crate) fn job(name: &str) -> Value {
    json!({
        "name": name,
        "schedule": "@manually",
        "executor": "http",
        "executor_config": { "method": "GET", "url": "http://127.0.0.1:9/" },
    })
}

pub(crate) fn with(mut job: Value, field: &str, value: impl Into<Value>) -> Value {
    job[field] = value.into();
    job
}

/// A job whose parent is not there.
fn barrier() -> Value {
    with(job("barrier"), "parent_job", "nobody")
}

fn list(emulator: &Emulator) -> Answer {
    http::get(&emulator.url(), "/v1/jobs")
}

/// Waits for something that happens by itself.
pub(crate) fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn journal_counts_writes_but_not_the_barrier() {
    let emulator = start();
    let url = emulator.url();
    assert_eq!(http::get(&url, "/v1/leader").json()["Name"], "d1");
    let refused = http::post(&url, &barrier());
    assert_eq!((refused.status, refused.text().as_str()), (404, "specified parent job not found"));
    assert_eq!(emulator.writes(), 0);

    http::post(&url, &job("a"));
    http::ask(&url, "PATCH", "/v1/jobs", &job("b").to_string());
    http::ask(&url, "PUT", "/v1/jobs/whatever", &job("c").to_string());
    http::ask(&url, "POST", "/v1/jobs/a/toggle", "");
    http::ask(&url, "DELETE", "/v1/jobs/b", "");
    assert_eq!(emulator.writes(), 5);
    let journal = emulator.journal();
    assert_eq!(journal.len(), 7);
    let post = &journal[2];
    assert_eq!((post.method.as_str(), post.path.as_str(), post.status), ("POST", "/v1/jobs", Some(201)));
    assert_eq!(post.header("content-type"), Some("application/json"));
    assert_eq!((post.body.len(), post.job.as_deref(), post.node), (job("a").to_string().len(), Some("a"), 0));
    assert_eq!(list(&emulator).names(), ["a", "c"]);
    assert_eq!(emulator.job("a").unwrap()["disabled"], true);

    emulator.clear_journal();
    assert_eq!((emulator.writes(), emulator.journal().len()), (0, 0));
}

#[test]
fn a_hand_writes_by_the_same_rules_and_past_the_journal() {
    let emulator = start();
    emulator.put(&with(job("p"), "displayname", "a<b>&c")).unwrap();
    emulator.put(&with(job("c"), "parent_job", "p")).unwrap();
    assert_eq!(emulator.job("p").unwrap()["dependent_jobs"], json!(["c"]));
    let refused = emulator.put(&with(job("x"), "schedule", "nonsense")).unwrap_err();
    assert_eq!(refused.status, 400);
    assert_eq!(emulator.put(&barrier()).unwrap_err().status, 404);
    assert!(emulator.toggle("p") && !emulator.toggle("x"));
    assert!(!emulator.delete("p"), "it has a dependent");
    assert!(emulator.delete("c") && emulator.delete("p"));
    assert_eq!((emulator.job_count(), emulator.journal().len()), (0, 0));

    emulator.load(25);
    let answer = list(&emulator);
    assert_eq!(answer.header("x-total-count").as_deref(), Some("25"));
    assert_eq!(answer.names().first().unwrap(), "job-00000");
}

#[test]
fn strings_come_back_escaped() {
    let emulator = start();
    emulator.put(&with(job("p"), "displayname", "a<b>&c\u{2028}")).unwrap();
    let text = http::get(&emulator.url(), "/v1/jobs/p").text();
    assert!(text.contains("a\\u003cb\\u003e\\u0026c\\u2028"), "{text}");
}

#[test]
fn no_leader() {
    let emulator = start();
    let url = emulator.url();
    emulator.put(&job("a")).unwrap();
    let looks_leaderless = || {
        let leader = http::get(&url, "/v1/leader");
        assert_eq!((leader.status, leader.text().as_str()), (500, "null"));
        let list = list(&emulator);
        assert_eq!((list.status, list.text().as_str()), (200, "[]"));
        let refused = http::post(&url, &barrier());
        assert_eq!(refused.status, 500);
        assert_ne!(refused.text(), "specified parent job not found");
        assert_eq!(http::ask(&url, "DELETE", "/v1/jobs/a", "").status, 404);
        assert_eq!(http::ask(&url, "POST", "/v1/jobs/a/run", "").status, 404);
        assert_eq!(http::get(&url, "/v1/isleader").status, 404);
    };
    emulator.lose_leader();
    assert_eq!(emulator.leader(), None);
    looks_leaderless();
    assert_eq!(http::get(&url, "/health").status, 200);
    emulator.set_leader(0);
    assert_eq!(list(&emulator).names(), ["a"]);

    emulator.inject(Rule::new(Fault::NoLeader).times(6));
    looks_leaderless();
    assert_eq!(emulator.pending_faults(), [""; 0]);
    assert_eq!(list(&emulator).names(), ["a"]);
}

#[test]
fn pause() {
    let emulator = start();
    let url = emulator.url();
    let is_refused = || {
        let answer = http::post(&url, &job("a"));
        assert_eq!((answer.status, answer.text().as_str()), (503, "New job submissions are currently paused"));
    };
    emulator.set_paused(true);
    is_refused();
    assert_eq!(http::get(&url, "/v1/pause").json(), json!({ "paused": true }));
    emulator.set_paused(false);
    emulator.inject(Fault::Paused);
    is_refused();
    assert_eq!(http::post(&url, &job("a")).status, 201);
}

#[test]
fn acknowledged_and_lost() {
    let emulator = start();
    let url = emulator.url();
    emulator.inject(Rule::new(Fault::Swallow).job("b").times(2));
    emulator.inject(Fault::Swallow);
    assert_eq!(http::post(&url, &barrier()).status, 404, "a missing parent is not swallowed");
    for name in ["a", "b", "b"] {
        let answer = http::post(&url, &job(name));
        assert_eq!((answer.status, &answer.json()["name"]), (201, &json!(name)));
    }
    assert_eq!(list(&emulator).names(), [""; 0]);
    assert_eq!(emulator.pending_faults(), [""; 0]);
    http::post(&url, &job("b"));
    assert_eq!(list(&emulator).names(), ["b"]);
}

#[test]
fn a_run_in_flight_undoes_an_update_and_a_delete() {
    let emulator = start();
    let url = emulator.url();
    emulator.put(&job("a")).unwrap();
    emulator.inject(Fault::RunInFlight { after: Duration::from_millis(400) });
    assert_eq!(http::post(&url, &job("new")).status, 201);
    assert_eq!(emulator.pending_faults().len(), 1, "a creation has nothing to go back to");

    http::post(&url, &with(job("a"), "retries", 3));
    assert_eq!(emulator.job("a").unwrap()["retries"], 3);
    eventually("the update is undone", || emulator.job("a").unwrap()["retries"] == 0);

    emulator.inject(Fault::RunInFlight { after: Duration::from_millis(400) });
    assert_eq!(http::ask(&url, "DELETE", "/v1/jobs/a", "").status, 200);
    assert_eq!(emulator.job("a"), None);
    eventually("the delete is undone", || emulator.job("a").is_some());
    assert!(!emulator.is_scheduled("a"), "a job that came back is not scheduled");
    assert_eq!(http::ask(&url, "POST", "/v1/jobs/a/run", "").status, 404);
}

#[test]
fn a_doubtful_500() {
    let emulator = start();
    let url = emulator.url();
    emulator.inject(Fault::AppliedBut500);
    // It strikes before Dkron judges, so the refused job is one of the two that it spares.
    emulator.inject(Rule::new(Fault::NotAppliedBut500).after(2));
    assert_eq!(http::post(&url, &barrier()).status, 404, "the barrier is no write");
    assert_eq!(http::post(&url, &job("refused.")).status, 400, "what is refused is not applied");
    assert_eq!(http::post(&url, &job("applied")).status, 500);
    assert_eq!(http::post(&url, &job("not-applied")).status, 500);
    assert_eq!(http::post(&url, &job("good")).status, 201);
    let answered: Vec<_> = emulator.journal().iter().filter_map(|request| request.status).collect();
    assert_eq!(answered, [404, 400, 500, 500, 201], "the journal has what was sent");
    assert_eq!(list(&emulator).names(), ["applied", "good"]);
    assert_eq!(emulator.pending_faults(), [""; 0]);
}

#[test]
fn answers_of_others_come_in_turn() {
    let emulator = start();
    let url = emulator.url();
    emulator.inject(Rule::new(Fault::bad_gateway()).times(2).path("/v1/jobs/*"));
    emulator.inject(Fault::unavailable(7));
    emulator.inject(Rule::new(Fault::too_many_requests(1)).method("POST").but_barrier());
    assert_eq!(emulator.pending_faults().len(), 3);
    let unavailable = list(&emulator);
    assert_eq!((unavailable.status, unavailable.header("retry-after").as_deref()), (503, Some("7")));
    assert_eq!(unavailable.header("x-whom"), None);
    assert_eq!(list(&emulator).status, 200);
    for _ in 0..2 {
        let gateway = http::get(&url, "/v1/jobs/a");
        assert_eq!((gateway.status, gateway.header("content-type").as_deref()), (502, Some("text/html")));
    }
    assert_eq!(http::get(&url, "/v1/jobs/a").status, 404);
    assert_eq!(http::post(&url, &barrier()).status, 404);
    assert_eq!(http::post(&url, &job("a")).status, 429);
    assert_eq!(emulator.pending_faults(), [""; 0]);
    assert_eq!(emulator.job_count(), 0);
}

#[test]
fn always_until_cleared() {
    let emulator = start();
    emulator.inject(Rule::new(Fault::bad_gateway()).always());
    assert_eq!((list(&emulator).status, list(&emulator).status), (502, 502));
    assert_eq!(emulator.pending_faults(), [""; 0], "it has no count to use up");
    emulator.clear_faults();
    assert_eq!(list(&emulator).status, 200);
}

#[test]
fn resets_and_cuts() {
    let emulator = start();
    let url = emulator.url();
    let post = |name: &str| http::send(&url, "POST", "/v1/jobs", "application/json", &job(name).to_string());
    let kind = |answer: std::io::Result<Answer>| answer.err().map(|error| error.kind());
    for (fault, kind_of_end, stored) in [
        (Fault::ResetUnapplied, ErrorKind::ConnectionReset, false),
        (Fault::ResetApplied, ErrorKind::ConnectionReset, true),
        (Fault::ResetMid { after: 10 }, ErrorKind::ConnectionReset, true),
        (Fault::CloseMid { after: 10 }, ErrorKind::UnexpectedEof, true),
    ] {
        emulator.inject(fault.clone());
        assert_eq!(kind(post("a")), Some(kind_of_end), "{fault:?}");
        assert_eq!(emulator.delete("a"), stored, "{fault:?}");
    }
    emulator.put(&job("a")).unwrap();
    emulator.inject(Fault::Cut { to: 20 });
    assert_eq!(http::get(&url, "/v1/jobs/none").status, 404, "there is nothing to cut");
    let cut = list(&emulator);
    assert_eq!((cut.status, cut.body.len(), cut.header("x-total-count").as_deref()), (200, 20, Some("1")));
    assert!(serde_json::from_slice::<Value>(&cut.body).is_err());
    assert_eq!(emulator.pending_faults(), [""; 0]);
    assert_eq!(list(&emulator).names(), ["a"]);
}

#[test]
fn counts_that_lie() {
    let emulator = start();
    emulator.load(5);
    emulator.inject(Fault::ShortList { missing: 2 });
    emulator.inject(Fault::WrongCount { count: 7 });
    emulator.inject(Fault::NoCount);
    assert_eq!(http::get(&emulator.url(), "/v1/leader").status, 200);
    let seen: Vec<_> = (0..4)
        .map(|_| {
            let answer = list(&emulator);
            (answer.names().len(), answer.header("x-total-count"))
        })
        .collect();
    let count = |text: &str| Some(text.to_owned());
    assert_eq!(seen, [(3, count("5")), (5, count("7")), (5, None), (5, count("5"))]);
}

#[test]
fn slow_and_silent() {
    let emulator = start();
    emulator.load(3);
    let timed = |fault: Fault| {
        emulator.inject(fault);
        let begun = Instant::now();
        assert_eq!(list(&emulator).names().len(), 3);
        begun.elapsed()
    };
    assert!(timed(Fault::Delay(Duration::from_millis(120))) >= Duration::from_millis(120));
    let length = list(&emulator).body.len();
    let pieces = u32::try_from(length.div_ceil(500)).unwrap();
    let pause = Duration::from_millis(20);
    assert!(timed(Fault::Trickle { piece: 500, every: pause }) >= pause * pieces);

    emulator.inject(Fault::Gigantic { bytes: 3_000_000 });
    let gigantic = list(&emulator);
    assert_eq!((gigantic.body.len(), gigantic.json()), (3_000_000, json!([])));

    emulator.inject(Fault::Hang);
    let url = emulator.url();
    let waiting = std::thread::spawn(move || http::send(&url, "GET", "/v1/jobs", "", "").is_err());
    eventually("the request arrives", || emulator.pending_faults().is_empty());
    assert_eq!(list(&emulator).status, 200, "only one request hangs");
    assert!(!waiting.is_finished());
    emulator.stop();
    assert!(waiting.join().unwrap(), "stopping closes every connection");
}

#[test]
fn a_barrier_that_is_stored() {
    let emulator = start();
    let url = emulator.url();
    emulator.inject(Fault::StoreBarrier);
    assert_eq!(http::post(&url, &job("a")).status, 201);
    assert_eq!(emulator.pending_faults().len(), 1, "only a barrier uses it up");
    assert_eq!(http::post(&url, &barrier()).status, 201);
    assert_eq!(emulator.job("barrier").unwrap()["parent_job"], "nobody");
    assert_eq!(emulator.writes(), 2);
    assert_eq!(http::ask(&url, "DELETE", "/v1/jobs/barrier", "").status, 200);
    assert_eq!(http::post(&url, &barrier()).status, 404);
}

#[test]
fn a_restart_replays_the_log() {
    let emulator = start();
    emulator.load(300);
    let url = emulator.url();
    let mut kept = std::net::TcpStream::connect(emulator.addresses()[0]).unwrap();
    let second = Duration::from_secs(1);
    let replay = second * 3;
    emulator.restart(RestartOptions::new().down(second / 3).leader_after(second).replay(replay));
    assert_eq!(kept.read(&mut [0; 1]).unwrap_or(0), 0, "open connections are closed");
    assert!(http::send(&url, "GET", "/health", "", "").is_err(), "nobody listens");

    eventually("it answers", || http::send(&url, "GET", "/health", "", "").is_ok());
    let leader = http::get(&url, "/v1/leader").status;
    let early = http::post(&url, &barrier()).status;
    let before = list(&emulator).names().len();
    assert_eq!((leader, early), (500, 500));
    assert!(before < 150, "{before} jobs already");
    eventually("a leader is known", || http::get(&url, "/v1/leader").status == 200);
    let partial = list(&emulator);
    assert!(partial.names().len() < 300, "the leader is known and the list is whole");
    assert_eq!(partial.header("x-total-count").unwrap(), partial.names().len().to_string());
    assert_eq!(http::get(&url, "/debug/vars").json()["scheduler_started"], 0);

    assert_eq!(http::post(&url, &barrier()).status, 404);
    assert_eq!(list(&emulator).names().len(), 300, "the barrier waits for the whole log");
    assert!(emulator.wait_until_replayed(second * 5));
    let vars = http::get(&url, "/debug/vars").json();
    assert_eq!(vars["scheduler_started"], 1);
    assert_eq!(vars["cron_entries"].as_object().unwrap().len(), 300);
    assert_eq!(emulator.writes(), 0);
}

#[test]
fn a_port_is_kept_while_nobody_listens_there() {
    let emulator = start();
    emulator.restart(RestartOptions::new().down(Duration::from_secs(1)));
    // Not as a listener of std's, which may share what nobody listens at.
    let taken = tokio::net::TcpSocket::new_v4().unwrap().bind(emulator.addresses()[0]).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    assert!(http::send(&emulator.url(), "GET", "/health", "", "").is_err(), "nobody listens");
    eventually("it answers", || http::send(&emulator.url(), "GET", "/health", "", "").is_ok());
}

#[test]
fn followers_lag_and_forward() {
    let lag = Duration::from_millis(300);
    let emulator = Emulator::start(Options::new().nodes(3).lag(lag)).unwrap();
    let leader = http::get(&emulator.node_url(2), "/v1/leader").json();
    assert_eq!(leader["Name"], "d1");
    let written = Instant::now();
    let answer = http::post(&emulator.node_url(1), &job("a"));
    assert_eq!((answer.status, answer.header("x-whom").as_deref()), (201, Some("d2")));
    let stale = http::get(&emulator.node_url(1), "/v1/jobs");
    assert!(written.elapsed() >= lag || stale.names().is_empty());
    assert_eq!(http::get(&emulator.node_url(0), "/v1/jobs").names(), ["a"]);
    eventually("the follower has it", || http::get(&emulator.node_url(1), "/v1/jobs").names() == ["a"]);
    assert!(written.elapsed() >= lag);
    assert_eq!(http::get(&emulator.node_url(1), "/debug/vars").json()["scheduler_started"], 0);

    emulator.put(&job("b")).unwrap();
    emulator.set_leader(1);
    let now_leading = http::get(&emulator.node_url(1), "/v1/jobs");
    assert_eq!(now_leading.names(), ["a", "b"], "a new leader has every acknowledged write");
    assert_eq!(http::get(&emulator.node_url(1), "/v1/isleader").status, 200);
    assert_eq!(http::get(&emulator.node_url(0), "/v1/leader").json()["Name"], "d2");
    assert_eq!(http::get(&emulator.node_url(0), "/v1/members").header("x-total-count").as_deref(), Some("3"));
}

#[test]
fn an_election_takes_its_time() {
    let emulator = Emulator::start(Options::new().nodes(3)).unwrap();
    emulator.put(&job("a")).unwrap();
    emulator.change_leader(2, Duration::from_millis(600));
    assert_eq!(http::post(&emulator.url(), &job("b")).status, 500);
    assert_eq!(list(&emulator).names(), ["a"], "a follower without a leader still has its jobs");
    eventually("elected", || emulator.leader() == Some(2));
    assert_eq!(http::post(&emulator.url(), &job("b")).status, 201);
}

#[test]
fn one_node_restarts_and_another_leads() {
    let emulator = Emulator::start(Options::new().nodes(3)).unwrap();
    emulator.load(50);
    emulator.restart(RestartOptions::new().node(0).down(Duration::from_millis(300)).replay(Duration::from_secs(2)));
    assert!(http::send(&emulator.node_url(0), "GET", "/health", "", "").is_err());
    assert_eq!(http::get(&emulator.node_url(1), "/v1/jobs").names().len(), 50);
    eventually("elected", || emulator.leader() == Some(1));
    assert_eq!(http::post(&emulator.node_url(1), &job("a")).status, 201);
    assert!(http::get(&emulator.node_url(0), "/v1/jobs").names().len() < 51, "it still reads its log");
    assert!(emulator.wait_until_replayed(Duration::from_secs(5)));
    assert_eq!(http::get(&emulator.node_url(0), "/v1/jobs").names().len(), 51);
}

#[test]
fn several_addresses_and_a_balancer() {
    let emulator = Emulator::start(Options::new().nodes(3).own_addresses().balancer()).unwrap();
    let addresses = emulator.addresses();
    assert_eq!(
        addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>(),
        ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    );
    assert!(addresses.iter().all(|address| address.port() == addresses[0].port()));
    let whom = |url: &str| http::get(url, "/v1/isleader").header("x-whom").unwrap();
    assert_eq!([0, 1, 2].map(|node| whom(&emulator.node_url(node))), ["d1", "d2", "d3"]);
    assert_eq!([0; 4].map(|_| whom(&emulator.url())), ["d1", "d2", "d3", "d1"]);
}

#[test]
fn an_echo_keeps_the_offset_of_a_posted_instant() {
    let emulator = start();
    let mut posted = with(job("a"), "starts_at", "2099-01-01T02:30:00+05:30");
    posted["expires_at"] = "2099-02-01T00:00:00.500-08:00".into();
    posted["next"] = "2099-03-01T00:00:00+00:00".into();
    let echo = http::post(&emulator.url(), &posted).json();
    assert_eq!(echo["id"], "a");
    assert_eq!(
        [&echo["starts_at"], &echo["expires_at"], &echo["next"]],
        ["2099-01-01T02:30:00+05:30", "2099-02-01T00:00:00.5-08:00", "2099-03-01T00:00:00Z"]
    );
    let stored = emulator.job("a").unwrap();
    assert_eq!([&stored["starts_at"], &stored["expires_at"]], ["2098-12-31T21:00:00Z", "2099-02-01T08:00:00.5Z"]);
}
