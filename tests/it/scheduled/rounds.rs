//! Random rounds on three servers: something happens to one of them, and an apply comes some seconds later.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::dice::{Dice, number};
use crate::server::note;

use super::jobs::{Want, When, many};
use super::site::Site;
use super::turn;

const ROUNDS: u64 = 3;
/// Jobs whose schedule, zone or switch changes, and how many of each do in one round.
const PLAIN: (usize, usize) = (30, 14);
const ZONED: (usize, usize) = (5, 3);
const SWITCHED: (usize, usize) = (5, 3);
const FROZEN: Duration = Duration::from_secs(4);
/// The longest delay before an apply, in milliseconds.
const DELAY: usize = 12_000;
/// How long servers may take until all three work again.
const WHOLE: Duration = Duration::from_secs(90);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    LeaderKilled,
    LeaderStopped,
    LeaderFrozen,
    FollowerRestarted,
}

const FAULTS: [Fault; 4] = [Fault::LeaderKilled, Fault::LeaderStopped, Fault::LeaderFrozen, Fault::FollowerRestarted];

#[test]
fn what_is_applied_at_any_time_runs_as_written() {
    let Some((binary, _turn)) = turn("scheduled::rounds") else { return };
    let rounds = number("SCHEDULED_ROUNDS").unwrap_or(ROUNDS);
    let fresh = || SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs() % 1_000_000);
    let seed = number("SCHEDULED_SEED").unwrap_or_else(fresh);
    let mut dice = Dice(seed);
    let mut jobs = [
        many("plain", PLAIN.0, When::Rarely),
        many("zoned", ZONED.0, When::Elsewhere),
        many("switched", SWITCHED.0, When::Often),
    ]
    .concat();
    let mut site = Site::start(&binary, 3, &jobs);
    let mut faults = Vec::new();
    let [mut wrong, mut bad_rounds, mut refused, mut unlike] = [0; 4];
    for round in 1..=rounds {
        // Each once in four rounds.
        if faults.is_empty() {
            faults = FAULTS.to_vec();
        }
        let fault = faults.swap_remove(dice.below(faults.len()));
        let told = site.round(&mut dice, fault, &mut jobs);
        note("TEST_FIGURES", &format!("Dkron {}, seed {seed}, round {round} of {rounds}: {}", site.version, told.text));
        wrong += told.wrong;
        bad_rounds += usize::from(told.wrong > 0);
        refused += usize::from(told.is_refused);
        unlike += told.entries;
    }
    note(
        "TEST_FIGURES",
        &format!(
            "Dkron {}, seed {seed}: {wrong} of {} jobs not as written, in {bad_rounds} of {rounds} rounds; {refused} applies \
             did not exit 0 and were run again",
            site.version,
            u64::try_from(jobs.len()).map_or(0, |jobs| jobs * rounds),
        ),
    );
    assert_eq!(
        (wrong, unlike),
        (0, 0),
        "jobs not as written; SCHEDULED_SEED={seed} SCHEDULED_ROUNDS={rounds} runs it again"
    );
}

struct Told {
    text: String,
    wrong: usize,
    entries: usize,
    is_refused: bool,
}

impl Site {
    fn round(&mut self, dice: &mut Dice, fault: Fault, jobs: &mut [Want]) -> Told {
        change(dice, jobs);
        self.write(jobs);
        let leader = self.settled();
        let others: Vec<_> = (0..3).filter(|node| *node != leader).collect();
        let struck = if fault == Fault::FollowerRestarted { dice.pick(&others).expect("one of two") } else { leader };
        let through: Vec<_> = (0..3).filter(|node| *node != struck).collect();
        let (through, delay) = (dice.pick(&through).expect("one of two"), dice.millis(DELAY));
        let start = Instant::now();
        match fault {
            Fault::LeaderKilled => self.cluster.kill(struck),
            Fault::LeaderStopped => self.cluster.stop(struck),
            Fault::LeaderFrozen => self.cluster.freeze(struck),
            Fault::FollowerRestarted => {
                self.cluster.kill(struck);
                self.cluster.start_node(struck);
            }
        }
        let until = |instant: Duration| thread::sleep(instant.saturating_sub(start.elapsed()));
        let applying = if fault == Fault::LeaderFrozen && delay >= FROZEN {
            until(FROZEN);
            self.cluster.thaw();
            until(delay);
            self.apply(through)
        } else {
            until(delay);
            let applying = self.apply(through);
            if fault == Fault::LeaderFrozen {
                until(FROZEN);
                self.cluster.thaw();
            }
            applying
        };
        let applied = self.finish(applying);
        let (code, took) = (applied.ran.code, applied.took.as_secs_f64());
        let is_refused = code != Some(0);
        if is_refused {
            note("TEST_FIGURES", &format!("not 0: {}", applied.ran));
            let again = self.finish(self.apply(through)).ran;
            assert_eq!(again.code, Some(0), "the same again: {again}");
        }
        let verdict = self.judge(jobs);
        let way = if verdict.leader == through { "the leader" } else { "a follower" };
        let text = format!(
            "{fault:?}, apply after {:.1} s through {way}: exit {code:?} in {took:.1} s, {} of {} not as written; {} entries differ",
            delay.as_secs_f64(),
            verdict.wrong.len(),
            jobs.len(),
            verdict.entries.len(),
        );
        if matches!(fault, Fault::LeaderKilled | Fault::LeaderStopped) {
            self.cluster.start_node(struck);
        }
        assert!(self.cluster.forms_within(WHOLE), "three servers work again");
        Told { text, wrong: verdict.wrong.len(), entries: verdict.entries.len(), is_refused }
    }
}

/// Changes half of the jobs, each kind in its way.
fn change(dice: &mut Dice, jobs: &mut [Want]) {
    let mut from = 0;
    for (kind, (count, changed)) in [PLAIN, ZONED, SWITCHED].into_iter().enumerate() {
        let mut order: Vec<_> = (from..from + count).collect();
        for _ in 0..changed {
            let number = order.swap_remove(dice.below(order.len()));
            jobs[number] = if kind == 2 { jobs[number].switched() } else { jobs[number].moved() };
        }
        from += count;
    }
}
