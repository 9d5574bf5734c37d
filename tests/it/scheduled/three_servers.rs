//! Three servers, the leader killed or stopped, and an apply through another server: the new leader's scheduler starts late.

use std::fmt::Write;
use std::thread;
use std::time::Duration;

use crate::server::note;

use super::jobs::{Want, When, many};
use super::site::Site;
use super::turn;

/// How often at most a server is guessed that is the leader, or is not, before it is known.
const GUESSES: usize = 8;

/// What happens to the leader, and when the apply starts.
struct Combination {
    fault: String,
    seconds: u64,
    times: usize,
    /// Whether the apply must have gone through the new leader so many times, and through a follower so many times.
    both_ways: bool,
}

/// `killed@1x5`.
fn parse(text: &str) -> Combination {
    let parts = text.split_once('@').and_then(|(fault, rest)| {
        let (seconds, times) = rest.split_once('x').unwrap_or((rest, "1"));
        Some((fault, seconds.parse().ok()?, times.parse().ok()?))
    });
    let Some((fault @ ("killed" | "stopped"), seconds, times)) = parts else {
        panic!("SCHEDULED_THREE is `all` or a list like `killed@1,stopped@3x5`, not {text:?}");
    };
    Combination { fault: fault.to_owned(), seconds, times, both_ways: false }
}

fn combinations() -> Vec<Combination> {
    let text = std::env::var("SCHEDULED_THREE").unwrap_or_default();
    match text.as_str() {
        "" => "killed@1,stopped@3".split(',').map(parse).collect(),
        "all" => {
            let mut all = String::new();
            for fault in ["killed", "stopped"] {
                for seconds in [0, 1, 3, 6, 9] {
                    let times = if fault == "killed" && matches!(seconds, 1 | 3) { 5 } else { 1 };
                    write!(all, ",{fault}@{seconds}x{times}").expect("a string takes everything");
                }
            }
            all[1..].split(',').map(|text| Combination { both_ways: true, ..parse(text) }).collect()
        }
        _ => text.split(',').map(parse).collect(),
    }
}

#[test]
fn what_is_applied_while_a_leader_begins_runs_as_written() {
    let Some((binary, _turn)) = turn("scheduled::three_servers") else { return };
    let mut wrong = 0;
    for combination in combinations() {
        // Directly, and through a follower.
        let mut seen = [0, 0];
        let is_done = |seen: [usize; 2]| {
            if combination.both_ways {
                seen.iter().all(|seen| *seen >= combination.times)
            } else {
                seen.iter().sum::<usize>() >= combination.times
            }
        };
        for _ in 0..combination.times * GUESSES {
            if is_done(seen) {
                break;
            }
            let (is_through_follower, bad) = without_leader(&binary, &combination, seen[0] > seen[1]);
            seen[usize::from(is_through_follower)] += 1;
            wrong += bad;
        }
        assert!(
            is_done(seen),
            "{} {} s: directly and through a follower {seen:?}",
            combination.fault,
            combination.seconds
        );
    }
    assert_eq!(wrong, 0, "jobs not as written");
}

/// One time: whether the apply went through a follower, and how many jobs do not run as written.
fn without_leader(binary: &str, combination: &Combination, through_follower: bool) -> (bool, usize) {
    let idle = many("idle", 30, When::Rarely);
    let moved = [
        many("slow", 15, When::Rarely),
        many("fast", 5, When::Often),
        many("elsewhere", 3, When::Elsewhere),
        many("here", 2, When::Here),
    ]
    .concat();
    let on = many("on", 5, When::Often);
    let mut site = Site::start(binary, 3, &[&idle[..], &moved, &on].concat());
    let switched = on.iter().map(Want::switched);
    let written: Vec<_> = moved.iter().map(Want::moved).chain(switched).chain(many("new", 20, When::Often)).collect();
    site.write(&[&written[..], &idle].concat());
    let old = site.settled();
    match combination.fault.as_str() {
        "killed" => site.cluster.kill(old),
        _ => site.cluster.stop(old),
    }
    thread::sleep(Duration::from_secs(combination.seconds));
    let leader = site.cluster.leader();
    // Where there is none yet, any may become it.
    let node = site.cluster.living().find(|node| leader.is_none() || (leader == Some(*node)) != through_follower);
    let applied = site.finish(site.apply(node.expect("two nodes live")));
    let code = applied.ran.code;
    let verdict = site.judge(&written);
    let is_through_follower = node != Some(verdict.leader);
    note(
        "TEST_FIGURES",
        &format!(
            "Dkron {}, leader of three {}, apply {} s after, {}: exit {code:?} in {:.1} s, {} of {} as written; {} entries differ",
            site.version,
            combination.fault,
            combination.seconds,
            if is_through_follower { "through a follower" } else { "directly" },
            applied.took.as_secs_f64(),
            written.len() - verdict.wrong.len(),
            written.len(),
            verdict.entries.len(),
        ),
    );
    assert_eq!(code, Some(0), "{}", applied.ran);
    (is_through_follower, verdict.wrong.len().max(verdict.entries.len()))
}
