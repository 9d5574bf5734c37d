//! Waiting for a Dkron, and reading it, while everything goes wrong that can.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use dkron_emulator::{Emulator, Fault, Options, RestartOptions, Rule};

use crate::cli::Cli;
use crate::rig::{Rig, job, many, tidy};
use crate::s3::Bucket;
use crate::server::skip;

/// Longer than anything here may take that is not told to wait.
const SOON: Duration = Duration::from_secs(8);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Plans on a Dkron with 40 jobs of ours; the plan must see all of them, and what was said on the way is given back.
#[track_caller]
fn sees_all(rig: &Rig) -> String {
    let (ran, took) = rig.timed(&["plan", "--output", "json"]);
    let ran = ran.ok();
    assert_eq!(ran.json()["summary"]["unchanged"], 40, "{ran}");
    assert_eq!(ran.json()["summary"]["created"], 0, "{ran}");
    assert!(took < SOON, "{took:?}: {ran}");
    assert_eq!(rig.emulator.writes(), 0, "a plan writes nothing");
    rig.struck();
    tidy(&ran.stderr)
}

/// Forty jobs of ours in a Dkron.
fn forty(options: Options) -> Rig {
    let rig = Rig::with(options, &[]);
    many(&rig.cli, 40);
    let _ = rig.cli.run(&["apply"]).ok();
    rig.emulator.clear_journal();
    rig
}

#[test]
fn a_dkron_that_starts_late_is_waited_for() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("its address").port();
    drop(free);
    let cli = Cli::new().dkron(&format!("http://127.0.0.1:{port}"));
    let waiting = cli.spawn(&["wait"]);
    thread::sleep(millis(600));
    let _emulator = Emulator::start(Options::new().port(port)).expect("an emulator");
    let start = Instant::now();
    let ran = cli.finish(waiting).ok();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    insta::assert_snapshot!(tidy(&ran.stderr), @r#"
    INFO waiting for it to answer url="http://[dkron]/" cause=GET /v1/leader: Connection refused (os error 111)
    INFO Dkron can be trusted url="http://[dkron]/" waited_ms=[…]
    INFO Dkron at http://[dkron]/ can be trusted
    "#);
}

#[test]
fn a_dkron_that_never_comes_is_given_up_in_time() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://user:sesame@{}", free.local_addr().expect("its address"));
    drop(free);
    let last = "termination";
    let cli = Cli::new().dkron(&url).env("DKRON_WAIT_TIMEOUT", "1s").env("JOBS_TERMINATION_LOG", last);
    cli.write("jobs-templates/a.yaml", job("a", "1"));
    let start = Instant::now();
    let ran = cli.run(&["apply", "--output", "json"]).exits(4);
    let took = start.elapsed();
    assert!(took >= millis(1000) && took < millis(2500), "{took:?}");
    let report = ran.json();
    assert_eq!(report["summary"]["created"], 0);
    let error = report["errors"][0].as_str().expect("an error");
    insta::assert_snapshot!(tidy(error), @"gave up on Dkron at http://***@[dkron]/ after 1s, waiting for it to answer: GET /v1/leader: Connection refused (os error 111); see that Dkron runs, and that `--dkron-url` and network policies let it be reached");
    let words = std::fs::read_to_string(cli.path(last)).expect("last words");
    assert_eq!(tidy(&words), tidy(error));
    assert!(!ran.to_string().contains("sesame") && !words.contains("sesame"), "{ran}");
}

#[test]
fn one_that_accepts_and_never_answers_is_left_after_the_limit_of_a_try() {
    let rig = Rig::new(&[]);
    rig.emulator.inject(Rule::new(Fault::Hang).times(2));
    let (ran, took) = rig.timed(&["wait", "--request-timeout", "300ms"]);
    assert!(took >= millis(600) && took < SOON, "{took:?}");
    rig.struck();
    insta::assert_snapshot!(tidy(&ran.ok().stderr), @r#"
    INFO waiting for it to answer url="http://[dkron]/" cause=GET /v1/leader: no whole answer within 300ms
    INFO Dkron can be trusted url="http://[dkron]/" waited_ms=[…]
    INFO Dkron at http://[dkron]/ can be trusted
    "#);
    rig.emulator.inject(Rule::new(Fault::Hang).always());
    let (ran, took) = rig.timed(&["wait", "--request-timeout", "300ms", "--wait-timeout", "1s"]);
    assert!(took >= millis(1000) && took < millis(2500), "{took:?}");
    insta::assert_snapshot!(tidy(ran.exits(4).stderr.lines().last().expect("an error")), @"error: gave up on Dkron at http://[dkron]/ after 1s, waiting for it to answer: GET /v1/leader: no whole answer within 300ms; see whether Dkron is overloaded or cut off, or give it longer with `--request-timeout` and `--wait-timeout`");
}

#[test]
fn no_leader_and_then_a_leader_and_then_a_barrier() {
    let rig = forty(Options::new());
    rig.emulator.inject(Rule::new(Fault::NoLeader).path("/v1/leader").times(4));
    rig.emulator.inject(Rule::new(Fault::NoLeader).method("POST").times(3));
    insta::assert_snapshot!(sees_all(&rig), @r#"
    INFO waiting for a leader url="http://[dkron]/" cause=GET /v1/leader answered 500: null
    INFO waiting for the leader to have all its jobs url="http://[dkron]/" cause=POST /v1/jobs answered 500: failed to exit idle mode: passthrough: received empty target in Build()
    INFO Dkron can be trusted url="http://[dkron]/" waited_ms=[…]
    "#);
}

#[test]
fn a_slow_replay_is_never_taken_for_the_whole() {
    let rig = forty(Options::new());
    for (leader_after, replay) in [(50, 900), (900, 300)] {
        let restart = RestartOptions::new().down(millis(100)).leader_after(millis(leader_after)).replay(millis(replay));
        rig.emulator.restart(restart);
        let _ = sees_all(&rig);
    }
}

#[test]
fn the_page_of_a_gateway_is_no_answer() {
    let html = || Fault::Answer {
        status: 200,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: "<html>\n  welcome</html>".to_owned(),
    };
    let rig = forty(Options::new());
    for path in ["/v1/leader", "/v1/jobs"] {
        for fault in [html(), Fault::bad_gateway(), Fault::unavailable(1), Fault::too_many_requests(1)] {
            rig.emulator.inject(Rule::new(fault).path(path).method("GET"));
        }
    }
    rig.emulator.inject(Rule::new(html()).method("POST"));
    rig.emulator.inject(Rule::new(Fault::unavailable(1)).method("POST"));
    let _ = sees_all(&rig);
    rig.emulator.inject(Rule::new(html()).path("/v1/jobs").method("GET").always());
    let (ran, took) = rig.timed(&["plan", "--wait-timeout", "1s"]);
    assert!(took < millis(2500), "{took:?}");
    insta::assert_snapshot!(tidy(&ran.exits(4).stderr), @r#"
     INFO waiting for its whole list of jobs url="http://[dkron]/" cause=GET /v1/jobs answered 200 with something that is not Dkron's: it has no X-Whom; it begins with `<html> welcome</html>`
    error: gave up on Dkron at http://[dkron]/ after 1s, waiting for its whole list of jobs: GET /v1/jobs answered 200 with something that is not Dkron's: it has no X-Whom; it begins with `<html> welcome</html>`; see what answers there: `--dkron-url` may lead to something else, or to a gateway that does not reach Dkron
    "#);
}

/// A server that knows nothing of Dkron's paths is no Dkron without a leader.
#[test]
fn another_server_is_told_from_a_dkron_without_a_leader() {
    let elsewhere = Bucket::saying(StatusCode::NOT_FOUND);
    let ran = Cli::new().dkron(elsewhere.url()).run(&["wait", "--wait-timeout", "500ms"]).exits(4);
    assert!(ran.stderr.contains("waiting for it to answer: GET /v1/leader answered 404"), "{ran}");
    assert!(
        ran.stderr.contains("`--dkron-url` may lead to something else") && !ran.stderr.contains("leader:"),
        "{ran}"
    );
}

/// Of a credential that a proxy says back not even the part is shown that stands before the cut.
#[test]
fn a_credential_at_the_cut_of_an_answer_is_not_shown() {
    let secret = "hunter22hunter22hunter22";
    for (header, said_back, shown) in [
        (format!("X-Api-Key: {secret}"), format!("{}{secret} and more", " ".repeat(632)), ";"),
        // Of a cookie, which has blanks in it, neither the part before.
        (
            format!("Cookie: lang=en; session={secret}; theme=dark-and-quiet"),
            format!("{}session={secret}; theme=dark-and-quiet and more", " ".repeat(600)),
            "; it begins with `***;`",
        ),
    ] {
        let rig = forty(Options::new());
        let said = Fault::Answer { status: 200, headers: Vec::new(), body: said_back };
        rig.emulator.inject(Rule::new(said).path("/v1/jobs").method("GET").always());
        let ran = rig.cli.run(&["plan", "--header", &header, "--wait-timeout", "1s"]).exits(4);
        assert!(ran.stderr.contains(&format!("it has no X-Whom{shown}")), "{ran}");
    }
}

#[test]
fn a_list_that_is_not_whole_is_read_again() {
    let faults = [
        Fault::Cut { to: 2000 },
        Fault::ResetMid { after: 2000 },
        Fault::CloseMid { after: 2000 },
        Fault::ShortList { missing: 1 },
        Fault::ShortList { missing: 40 },
        Fault::WrongCount { count: 39 },
        Fault::WrongCount { count: 41 },
        Fault::NoCount,
        Fault::ResetApplied,
    ];
    let rig = forty(Options::new());
    for fault in faults.clone() {
        rig.emulator.inject(Rule::new(fault).path("/v1/jobs").method("GET"));
    }
    let _ = sees_all(&rig);
    assert_eq!(rig.count("GET", "/v1/jobs"), faults.len() + 1);
    let mut said = String::new();
    for fault in [Fault::Cut { to: 2000 }, Fault::ShortList { missing: 1 }, Fault::NoCount] {
        rig.emulator.inject(Rule::new(fault).path("/v1/jobs").method("GET").always());
        let (ran, took) = rig.timed(&["apply", "--wait-timeout", "1s"]);
        assert!(took < millis(3000), "{took:?}");
        said += ran.exits(4).stderr.lines().last().expect("an error");
        said += "\n";
        rig.emulator.clear_faults();
    }
    assert_eq!(rig.emulator.writes(), 0);
    insta::assert_snapshot!(tidy(&said), @r#"
    error: gave up on Dkron at http://[dkron]/ after 1s, waiting for its whole list of jobs: GET /v1/jobs answered 200 with something that is not Dkron's: byte 1475: the object that begins here is not closed; it begins with `[{"id":"m-000","name":"m-000","displayname":"","timezone":"","schedule":"@yearly","owner":"","owner_email":"","success_count":0,"error_count":0,"last_success":n…`; see what answers there: `--dkron-url` may lead to something else, or to a gateway that does not reach Dkron
    error: gave up on Dkron at http://[dkron]/ after 1s, waiting for its whole list of jobs: GET /v1/jobs gave 39 jobs while its X-Total-Count says 40; see the logs of Dkron's servers and of what stands before them, or wait longer with `--wait-timeout`
    error: gave up on Dkron at http://[dkron]/ after 1s, waiting for its whole list of jobs: GET /v1/jobs answered 200 with something that is not Dkron's: it has no X-Total-Count that is a number; it begins with `[{"id":"m-000","name":"m-000","displayname":"","timezone":"","schedule":"@yearly","owner":"","owner_email":"","success_count":0,"error_count":0,"last_success":n…`; see what answers there: `--dkron-url` may lead to something else, or to a gateway that does not reach Dkron
    "#);
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let rig = forty(Options::new());
    // 64 MiB where a leader's name should be: a container has not that much memory.
    rig.emulator.inject(Rule::new(Fault::Gigantic { bytes: 64 << 20 }).path("/v1/leader"));
    let said = sees_all(&rig);
    assert!(said.contains("the answer is longer than 8388608 bytes"), "{said}");
}

#[test]
fn a_slow_list_within_the_limit_is_read_and_one_beyond_it_is_not() {
    let rig = forty(Options::new());
    let trickle = |every| Rule::new(Fault::Trickle { piece: 2000, every }).path("/v1/jobs").method("GET");
    rig.emulator.inject(trickle(millis(20)));
    let _ = sees_all(&rig);
    rig.emulator.inject(trickle(millis(400)));
    let (ran, took) = rig.timed(&["plan", "--request-timeout", "700ms"]);
    assert!(took >= millis(700) && took < SOON, "{took:?}");
    assert!(ran.stderr.contains("no whole answer within 700ms"), "{ran}");
    let _ = ran.ok();
    rig.struck();
}

#[test]
fn each_of_three_nodes_may_be_named() {
    let rig = forty(Options::new().nodes(3).lag(millis(250)));
    for node in 0..3 {
        let url = rig.emulator.node_url(node);
        let name = format!("new-{node}");
        rig.cli.write(&format!("jobs-templates/{name}.yaml"), job(&name, "1"));
        let (ran, took) = rig.timed(&["apply", "--output", "json", "--dkron-url", &url]);
        let ran = ran.ok();
        let report = ran.json();
        // A follower cannot be asked whether the leader schedules, so the first write waits.
        assert!(took < SOON + if node == 0 { millis(0) } else { millis(15_000) }, "{took:?}");
        assert_eq!((&report["summary"]["created"], &report["summary"]["unchanged"]), (&1.into(), &(40 + node).into()));
        let warnings = report["warnings"].to_string();
        assert_eq!(warnings.contains("two reads from another node agreed"), node != 0, "{ran}");
        assert_eq!(rig.writes_of(&name), 1, "{ran}");
    }
    // While a follower's list still changes, two reads of it do not agree.
    for number in 0..10 {
        rig.emulator
            .put(&serde_json::json!({"name": format!("late-{number}"), "schedule": "@yearly", "executor": "shell"}))
            .expect("a job");
    }
    let ran = rig.cli.run(&["plan", "--exit-code", "--dkron-url", &rig.emulator.node_url(1)]).ok();
    assert!(ran.stdout.contains("warning: the leader `d1` could not be reached"), "{ran}");
}

#[test]
fn behind_a_balancer_connections_are_opened_until_the_leader_answers() {
    let rig = forty(Options::new().nodes(3).balancer().lag(millis(1500)));
    for leader in [2, 1] {
        rig.emulator.set_leader(leader);
        let name = format!("new-{leader}");
        rig.cli.write(&format!("jobs-templates/{name}.yaml"), job(&name, "1"));
        rig.emulator.clear_journal();
        // Right after these writes both followers are behind.
        let (ran, took) = rig.timed(&["apply", "--output", "json"]);
        let ran = ran.ok();
        assert!(took < SOON, "{took:?}");
        assert_eq!(ran.json()["warnings"], serde_json::json!([]), "{ran}");
        assert_eq!(rig.emulator.writes(), 1, "{ran}");
        let ran = rig.cli.run(&["plan", "--exit-code"]).ok();
        assert_eq!(ran.stderr, "", "{ran}");
        let lists = rig.emulator.journal();
        let mut lists = lists.iter().filter(|request| request.path == "/v1/jobs" && request.method == "GET");
        assert!(lists.all(|list| list.node == leader), "a follower's list was read");
    }
}

#[test]
fn a_node_that_hangs_does_not_hide_the_leader() {
    let rig = forty(Options::new().nodes(3).balancer());
    rig.emulator.set_leader(2);
    rig.emulator.inject(Rule::new(Fault::Hang).node(1).path("/v1/leader").always());
    let (ran, took) = rig.timed(&["plan", "--exit-code", "--request-timeout", "1s"]);
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(ran.ok().stdout.contains("nothing to do"));
}

#[test]
fn a_leader_that_changes_while_it_is_read_is_asked_again() {
    let rig = forty(Options::new().nodes(3).balancer());
    rig.emulator.inject(Rule::new(Fault::Delay(millis(500))).path("/v1/jobs").method("GET"));
    let planning = rig.cli.spawn(&["plan", "--exit-code", "--log-level", "debug"]);
    thread::sleep(millis(250));
    rig.emulator.set_leader(1);
    let ran = rig.cli.finish(planning).ok();
    assert!(ran.stderr.contains("GET /v1/jobs was answered by `d1`, and the leader is `d2`"), "{ran}");
    rig.settled();
}

#[test]
fn every_address_behind_a_name_is_asked_for_the_leader() {
    let test = "every_address_behind_a_name_is_asked_for_the_leader";
    let rig = forty(Options::new().nodes(3).own_addresses().lag(Duration::from_secs(30)));
    let port = rig.emulator.addresses()[0].port();
    rig.cli.write("hosts", "127.0.0.1 dkron.test\n127.0.0.2 dkron.test\n127.0.0.3 dkron.test\n");
    let url = format!("http://dkron.test:{port}");
    // A name with three addresses, for this one process alone.
    let script = "mount --bind hosts /etc/hosts || exit 99; exec \"$0\" \"$@\"";
    let run = |args: &[&str]| {
        let mut all = args.to_vec();
        all.extend(["--dkron-url", &url]);
        rig.cli.run_under("unshare", &["--mount", "sh", "-c", script], &all)
    };
    let probe = run(&["wait"]);
    if probe.code == Some(99) || probe.stderr.contains("unshare") {
        return skip(test, "a name with three addresses takes a mount namespace, and this user may not make one");
    }
    let _ = probe.ok();
    for leader in [1, 2, 0] {
        rig.emulator.set_leader(leader);
        rig.emulator.clear_journal();
        let start = Instant::now();
        let ran = run(&["plan", "--exit-code"]).ok();
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        assert!(!ran.stdout.contains("warning"), "{ran}");
        let journal = rig.emulator.journal();
        let mut lists = journal.iter().filter(|request| request.path == "/v1/jobs" && request.method == "GET");
        assert!(lists.all(|list| list.node == leader), "a follower's list was read");
    }
    // One address is silent, one refuses: the leader is found all the same, and at once.
    rig.emulator.inject(Rule::new(Fault::Hang).node(2).always());
    rig.emulator.restart(RestartOptions::new().node(1).down(Duration::from_secs(20)));
    let start = Instant::now();
    let _ = run(&["plan", "--exit-code"]).ok();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn a_stored_barrier_is_deleted_and_is_the_end() {
    let rig = Rig::new(&["a"]);
    rig.emulator.inject(Fault::StoreBarrier);
    let (ran, took) = rig.timed(&["apply"]);
    assert!(took < SOON, "{took:?}");
    insta::assert_snapshot!(tidy(&ran.exits(1).to_string()), @r"
    exit code: 1
    ----- stdout -----
    ----- stderr -----
    error: Dkron accepted a job whose parent does not exist; the job is deleted again; this is no Dkron that can be trusted
    ");
    rig.struck();
    assert_eq!(rig.names(), Vec::<String>::new());
    rig.emulator.inject(Fault::StoreBarrier);
    rig.emulator.inject(Rule::new(Fault::NoLeader).method("DELETE").always());
    let ran = rig.cli.run(&["wait"]).exits(1);
    assert!(ran.stderr.contains("the job `dkron-jobs-barrier` could not be deleted again"), "{ran}");
}

#[test]
fn a_paused_dkron_is_waited_for_by_writers_and_read_twice_by_readers() {
    let rig = forty(Options::new());
    rig.emulator.set_paused(true);
    assert!(sees_all(&rig).contains("Dkron is paused"), "said");
    assert_eq!(rig.count("GET", "/v1/jobs"), 2);
    for command in ["wait", "apply"] {
        let (ran, took) = rig.timed(&[command, "--wait-timeout", "700ms"]);
        assert!(took >= millis(700) && took < millis(2200), "{took:?}");
        let ran = ran.exits(4);
        insta::allow_duplicates! { insta::assert_snapshot!(tidy(&ran.stderr), @r#"
         INFO waiting for it to be unpaused url="http://[dkron]/" cause=Dkron is paused: it refuses every write until someone calls `POST /v1/unpause`
        error: gave up on Dkron at http://[dkron]/ after 700ms, waiting for it to be unpaused: Dkron is paused: it refuses every write until someone calls `POST /v1/unpause`; unpause it, or wait longer with `--wait-timeout`
        "#); }
    }
    let waiting = rig.cli.spawn(&["wait"]);
    thread::sleep(millis(300));
    rig.emulator.set_paused(false);
    let _ = rig.cli.finish(waiting).ok();
    assert_eq!(rig.emulator.writes(), 0);
}

#[test]
fn wrong_credentials_end_it_at_once_with_a_remedy() {
    for status in [401, 403] {
        let rig = Rig::new(&["a"]);
        let denied = Fault::Answer { status, headers: Vec::new(), body: "who are you?".to_owned() };
        rig.emulator.inject(Rule::new(denied).always());
        let (ran, took) = rig.timed(&["apply", "--output", "json"]);
        assert!(took < SOON, "{took:?}");
        let ran = ran.exits(2);
        let said = ran.stderr.replace(&status.to_string(), "40x");
        insta::allow_duplicates! { insta::assert_snapshot!(said, @"error: GET /v1/leader answered 40x: who are you?; give the right credentials with `--header`, `--basic-auth-file`, `--bearer-token-file` or `--client-cert-file`"); }
        assert!(ran.json()["errors"][0].as_str().is_some_and(|error| error.contains("--bearer-token-file")), "{ran}");
        assert_eq!(rig.emulator.journal().len(), 1);
    }
}

#[test]
fn credentials_are_sent_and_a_redirect_is_not_followed() {
    let rig = Rig::new(&["a"]);
    rig.cli.write("token", "sesame-sesame\n");
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a free port");
    elsewhere.set_nonblocking(true).expect("a listener that does not wait");
    let login = format!("http://{}/login", elsewhere.local_addr().expect("its address"));
    let redirect = Fault::Answer { status: 302, headers: vec![("location".to_owned(), login)], body: String::new() };
    rig.emulator.inject(Rule::new(redirect).times(2));
    let ran = rig
        .cli
        .run(&["apply", "--bearer-token-file", "token", "--header", "X-Team: shop", "--log-level", "debug"])
        .ok();
    rig.struck();
    assert!(elsewhere.accept().is_err(), "the redirect was followed");
    assert!(!ran.to_string().contains("sesame"), "{ran}");
    let journal = rig.emulator.journal();
    assert!(journal.iter().all(|request| request.header("authorization") == Some("Bearer sesame-sesame")));
    assert!(journal.iter().all(|request| request.header("x-team") == Some("shop")));
    rig.settled();
}

#[test]
fn a_signal_ends_the_wait() {
    let rig = Rig::new(&["a"]);
    rig.emulator.lose_leader();
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let waiting = rig.cli.spawn(&["apply", "--output", "json"]);
        thread::sleep(millis(500));
        let start = Instant::now();
        crate::rig::signal(&waiting, signal);
        let ran = rig.cli.finish(waiting).exits(code);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        assert_eq!(ran.json()["errors"][0], format!("stopped by SIG{signal}; nothing was written"));
    }
    assert_eq!(rig.names(), Vec::<String>::new());
}
