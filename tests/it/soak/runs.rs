//! Whether the jobs of a release are scheduled as they are stored, after an apply that says that all is done: the emulator's scheduler
//! is asked, and sometimes the runs are counted.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::http;
use crate::scheduled::jobs::HERE;

use super::model::{Held, parent};
use super::world::World;

/// How long runs that were begun before may still come, and how long runs are counted.
const IN_FLIGHT: Duration = Duration::from_millis(400);
const WINDOW: Duration = Duration::from_secs(3);

impl World {
    /// Where a job of this version calls, so that its runs are told from others.
    pub(super) fn called(&self, version: &str) -> String {
        let base = if self.server.emulator().is_some() { self.target.url() } else { "http://127.0.0.1:9".to_owned() };
        format!("{base}/{version}/?a=1&b=2")
    }

    /// The jobs of a release that Dkron schedules itself.
    fn scheduled(&self, which: usize) -> Vec<(String, Held)> {
        let is_own = |name: &String, held: &Held| {
            self.releases[which].wants.contains_key(name)
                && held.stamp.as_ref().is_some_and(|stamp| stamp.job == *name)
                && parent(&held.def).is_none()
        };
        self.jobs
            .iter()
            .filter(|(name, held)| is_own(name, held))
            .map(|(name, held)| (name.clone(), held.clone()))
            .collect()
    }

    /// Each job of the release is in the leader's scheduler as it is stored, or is off and not in it.
    pub(super) fn is_scheduled_so(&self, which: usize) {
        let Some(emulator) = self.server.emulator() else { return };
        let leader = emulator.leader().expect("a leader");
        let vars = http::get(&emulator.node_url(leader), "/debug/vars").json();
        let differs = |(name, held): (String, Held)| {
            let schedule = held.def["schedule"].as_str().unwrap_or_default();
            let entry = format!("Job: {name}, scheduled at: {schedule}, tags:map[server:true:1]");
            let shown = vars["cron_entries"][&name].as_str();
            (shown != (!held.disabled).then_some(entry.as_str())).then(|| format!("{name} {held:?}: {shown:?}"))
        };
        let wrong: Vec<_> = self.scheduled(which).into_iter().filter_map(differs).collect();
        assert!(wrong.is_empty(), "stored and not scheduled so: {wrong:?}");
    }

    /// Each job of the release runs each second, or does not, as it is stored. That shows its zone, too.
    pub(super) fn runs_so(&mut self, which: usize) {
        if self.server.emulator().is_none() {
            return;
        }
        self.tell("runs are counted");
        thread::sleep(IN_FLIGHT);
        let start = Instant::now();
        thread::sleep(WINDOW);
        let mut runs: BTreeMap<String, usize> = BTreeMap::new();
        for (path, count) in self.target.count(start) {
            *runs.entry(version(&path)).or_default() += count;
        }
        for (name, held) in self.scheduled(which) {
            let url = held.def["executor_config"]["url"].as_str().unwrap_or_default();
            // A copy made by hand calls the same.
            if self.jobs.values().filter(|other| other.def["executor_config"]["url"] == url).count() > 1 {
                continue;
            }
            let own = runs.get(&version(url.trim_start_matches(&self.target.url()))).copied().unwrap_or(0);
            let schedule = held.def["schedule"].as_str().unwrap_or_default();
            let is_due =
                schedule == self.schedules.often || (schedule == self.schedules.zoned && held.def["timezone"] == HERE);
            let is_right = if is_due && !held.disabled { own > 0 } else { own == 0 };
            assert!(is_right, "{name} ran {own} times: {held:?}");
            self.watched += 1;
        }
    }
}

/// `/123/?a=1&b=2`: 123.
fn version(path: &str) -> String {
    path.split('/').nth(1).unwrap_or_default().to_owned()
}
