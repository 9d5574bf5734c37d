//! What happens to an apply while it is under way.

use std::thread;
use std::time::{Duration, Instant};

use dkron_emulator::{Fault, Rule};

use crate::rig::signal;

use super::model::Jobs;
use super::world::{World, same, words};

const METHODS: [Option<&str>; 4] = [None, Some("GET"), Some("POST"), Some("DELETE")];

impl World {
    /// An apply that something happens to. Each job is then as it was or as it must be, and where the apply says that all is done,
    /// all is.
    pub(super) fn disturbed(&mut self, which: usize, args: &[String], wanted: Option<&Jobs>) {
        let width = (1 + self.dice.below(4)).to_string();
        let slow = Rule::new(Fault::Delay(self.dice.millis(80))).method("POST").always();
        let kinds: &[usize] =
            if self.server.emulator().is_some() { &[0, 0, 1, 2, 3, 3, 4, 5, 5] } else { &[0, 0, 1, 2, 3] };
        let kind = kinds[self.dice.below(kinds.len())];
        // The program talks to the first node alone: to a follower until here, where another node led.
        if let Some(emulator) = self.server.emulator().filter(|emulator| emulator.leader() != Some(0)) {
            emulator.set_leader(0);
        }
        // By way of the recorder, which sees when the first writes come.
        let url = if kind < 5 { self.server.url().to_owned() } else { self.server.node_url(0) };
        let args = [&words(args)[..], &["--concurrency", &width, "--dkron-url", &url]].concat();
        if kind < 5 {
            self.server.emulator().into_iter().for_each(|emulator| emulator.inject(slow.clone()));
        } else {
            self.inject_faults();
        }
        drop(self.server.writes());
        let child = self.releases[which].cli.spawn(&args);
        if kind < 5 {
            let (writes, limit) = (self.dice.below(6), self.dice.millis(1500));
            let start = Instant::now();
            while self.server.write_count() < writes && start.elapsed() < limit {
                thread::sleep(Duration::from_millis(1));
            }
            self.tell(&format!("{writes} writes, or {limit:?}"));
        }
        match kind {
            0..=2 => {
                let name = ["KILL", "TERM", "INT"][kind];
                self.tell(&format!("SIG{name}"));
                signal(&child, name);
            }
            3 => {
                self.tell("Dkron is restarted");
                self.schedule_late();
                self.server.restart();
            }
            4 => self.change_leader(),
            _ => {}
        }
        let ran = self.releases[which].cli.finish(child);
        if let Some(emulator) = self.server.emulator() {
            emulator.clear_faults();
        }
        // What was sent before a kill may still arrive.
        thread::sleep(Duration::from_millis(if ran.code.is_none() { 200 } else { 0 }));
        let before = std::mem::take(&mut self.jobs);
        self.jobs = self.look();
        self.tell(&format!("it ended with {:?}", ran.code));
        assert!(matches!(ran.code, None | Some(0 | 1 | 4 | 5 | 130 | 143)), "{ran}");
        let is_wanted = wanted.is_some();
        let wanted = wanted.unwrap_or(&before);
        self.halfway += u64::from(self.jobs != before && self.jobs != *wanted);
        if ran.code == Some(0) {
            same(&self.jobs, wanted, &ran);
            if is_wanted {
                self.is_scheduled_so(which);
            }
        }
        let names = self.jobs.keys().chain(wanted.keys()).chain(before.keys());
        for name in names {
            let found = self.jobs.get(name);
            let fits = found == before.get(name) || found == wanted.get(name);
            let (before, wanted) = (before.get(name), wanted.get(name));
            assert!(fits, "`{name}` is {found:?}, neither {before:?} nor {wanted:?}: {ran}");
        }
    }

    /// From now on, new leaders schedule late: what is written until then is not scheduled.
    fn schedule_late(&mut self) {
        let (delay, load) = (self.dice.millis(2500), self.dice.millis(500));
        let Some(emulator) = self.server.emulator() else { return };
        emulator.set_scheduler_delay(delay);
        emulator.set_scheduler_load(load);
        self.tell(&format!("new leaders schedule {delay:?} and {load:?} late"));
    }

    fn change_leader(&mut self) {
        let (node, election) = (self.dice.below(3), self.dice.millis(600));
        self.schedule_late();
        let Some(emulator) = self.server.emulator() else { return };
        let node = node % emulator.addresses().len();
        emulator.change_leader(node, election);
        self.tell(&format!("node {node} leads after {election:?}"));
    }

    fn inject_faults(&mut self) {
        for _ in 0..=self.dice.below(3) {
            let fault = self.fault();
            // A node with jobs that has no leader goes on showing them: only one that comes up without a quorum shows none.
            let is_of_writes = fault == Fault::NoLeader;
            let mut rule = Rule::new(fault).times(self.count(3) + 1).after(self.count(6));
            let methods = if is_of_writes { &METHODS[2..] } else { &METHODS[..] };
            if let Some(method) = self.dice.pick(methods).flatten() {
                rule = rule.method(method);
            }
            self.tell(&format!("fault: {rule:?}"));
            self.server.emulator().expect("faults are the emulator's").inject(rule);
        }
    }

    fn count(&mut self, end: usize) -> u32 {
        u32::try_from(self.dice.below(end)).expect("a small number")
    }

    fn fault(&mut self) -> Fault {
        let bytes = self.dice.below(3000);
        match self.dice.below(18) {
            0 => Fault::bad_gateway(),
            1 => Fault::unavailable(self.count(2)),
            2 => Fault::too_many_requests(0),
            3 => Fault::NotAppliedBut500,
            4 => Fault::AppliedBut500,
            5 => Fault::ResetUnapplied,
            6 => Fault::ResetApplied,
            7 => Fault::Swallow,
            8 | 9 => Fault::RunInFlight { after: self.dice.millis(1000) },
            10 => Fault::ShortList { missing: 1 + self.dice.below(3) },
            11 => Fault::WrongCount { count: bytes },
            12 => Fault::Cut { to: bytes },
            13 => Fault::CloseMid { after: bytes },
            14 => Fault::ResetMid { after: bytes },
            15 => Fault::NoLeader,
            16 => Fault::Paused,
            _ => Fault::Delay(self.dice.millis(500)),
        }
    }
}
