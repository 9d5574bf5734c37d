//! Jobs that an older build left stored as they should be and scheduled otherwise: they are named, and the next apply repairs them.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::Ran;
use crate::server::{note, try_call};

use super::jobs::{Want, When, many};
use super::site::Site;
use super::turn;

/// How often jobs are written in the window before one of them is left in the wrong state.
const ATTEMPTS: usize = 6;
/// So many jobs make one server load for a while. Three of 4.0 schedule too soon after an election.
const IDLE: usize = 2_000;
const ELECTION: Duration = Duration::from_secs(30);

#[test]
fn what_was_left_in_the_wrong_state_is_named_and_repaired() {
    let Some((binary, _turn)) = turn("scheduled::left_behind") else { return };
    let old = many("slow", 30, When::Rarely);
    let on = many("on", 3, When::Often);
    let off: Vec<_> = many("off", 3, When::Often).iter().map(Want::switched).collect();
    let before = [&old[..], &on, &off].concat();
    let switched = on.iter().chain(&off).map(Want::switched);
    let written: Vec<_> = old.iter().map(Want::moved).chain(switched).chain(many("new", 3, When::Often)).collect();
    let idle: Vec<_> = (0..IDLE).map(|number| Want::new(format!("idle-{number:04}"), When::Rarely)).collect();
    let left = (0..ATTEMPTS).find_map(|attempt| {
        let (nodes, idle) = if attempt == 0 { (3, &[][..]) } else { (1, &idle[..]) };
        leave(&binary, nodes, &before, &written, idle)
    });
    let (site, leader) = left.unwrap_or_else(|| panic!("{ATTEMPTS} times, nothing was left in the wrong state"));
    let names: Vec<_> = site.entries(leader, &written).into_iter().map(|(name, _)| name).collect();
    let told = [(&["plan", "--exit-code"][..], 3), (&["check"], 7), (&["status"], 7)].map(|(args, code)| {
        let ran = site.command(args, leader).exits(code);
        let unnamed: Vec<_> = names.iter().filter(|name| !names_it(&ran, name)).collect();
        assert!(unnamed.is_empty(), "{args:?} does not name {unnamed:?}: {ran}");
        format!("{} exits {code}", args[0])
    });
    let applied = site.command(&["apply"], leader).exits(0);
    let verdict = site.judge(&written);
    note(
        "TEST_FIGURES",
        &format!(
            "Dkron {}, {} jobs left in the wrong state: {}, and each names all; after an apply {} of {} as written",
            site.version,
            names.len(),
            told.join(", "),
            written.len() - verdict.wrong.len(),
            written.len(),
        ),
    );
    assert!(
        verdict.wrong.is_empty() && verdict.entries.is_empty(),
        "{:?} {:?}: {applied}",
        verdict.wrong,
        verdict.entries
    );
    let _ = site.command(&["plan", "--exit-code"], leader).exits(0);
}

/// A line has its name and says something of how it is scheduled.
fn names_it(ran: &Ran, name: &str) -> bool {
    ran.stdout.lines().any(|line| line.contains(name) && line.contains("scheduled"))
}

/// Servers and their leader, with the templates `written`, which are stored and not scheduled so. `idle` is there always.
fn leave(binary: &str, nodes: usize, before: &[Want], written: &[Want], idle: &[Want]) -> Option<(Site, usize)> {
    let old_build = std::env::var("DKRON_JOBS_OLD").ok().filter(|path| !path.is_empty());
    let (before, all) = ([before, idle].concat(), [written, idle].concat());
    let mut site = Site::start(binary, nodes, &before);
    let mut stored = Vec::new();
    if old_build.is_none() {
        // What the program writes, to be posted again at the worst moment.
        site.make(&all);
        stored = site.stored(written);
        site.make(&before);
    }
    site.write(&all);
    let old = site.settled();
    site.cluster.kill(old);
    if nodes == 1 {
        site.cluster.start_node(old);
    }
    let start = Instant::now();
    let leader = loop {
        if let Some(leader) = site.cluster.leader() {
            break leader;
        }
        assert!(start.elapsed() < ELECTION, "there is a leader again");
        thread::sleep(Duration::from_millis(20));
    };
    if let Some(old_build) = old_build {
        let applied = site.finish(site.run(&old_build, &["apply"], leader)).ran;
        assert_eq!(applied.code, Some(0), "{applied}");
    }
    for job in &stored {
        let post = || try_call("POST", &format!("{}/v1/jobs", site.cluster.url(leader)), &job.to_string());
        while post().is_none_or(|(status, _)| status != 201) {
            assert!(start.elapsed() < ELECTION, "the new leader takes {job}");
            thread::sleep(Duration::from_millis(20));
        }
    }
    let leader = site.settled();
    (!site.entries(leader, written).is_empty()).then_some((site, leader))
}

impl Site {
    /// What the leader stores of these, without what is the server's own.
    fn stored(&self, written: &[Want]) -> Vec<Value> {
        let url = format!("{}/v1/jobs", self.cluster.url(self.settled()));
        let (_, jobs) = try_call("GET", &url, "").expect("a list");
        let mut jobs = jobs.as_array().expect("a list of jobs").clone();
        jobs.retain(|job| written.iter().any(|want| job["name"] == want.name.as_str()));
        for job in &mut jobs {
            job.as_object_mut().expect("a job").remove("next");
        }
        jobs
    }
}
