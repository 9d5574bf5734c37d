//! What people do between two releases: to templates, and to Dkron by hand.

use serde_json::{Value, json};

use crate::scheduled::jobs::{ELSEWHERE, HERE};

use super::model::{Want, parent};
use super::world::World;

/// More than a schedule of the real world has, and no run falls into a test. On the emulator some jobs run each second.
const SCHEDULES: [&str; 5] =
    ["@yearly", "0 0 3 1 1 *", "0 30 4 2 1 *", "CRON_TZ=Europe/Paris 0 15 5 3 1 *", "@manually"];
const DEPTH: usize = 4;

impl World {
    /// One change of anything.
    pub(super) fn change(&mut self) {
        let which = usize::from(self.dice.percent(25));
        match self.dice.below(60) {
            0..=14 => self.add_template(which),
            15..=24 => self.edit_template(which),
            25..=27 => self.drop_template(which),
            28..=30 => self.rename_template(which),
            31..=33 => self.move_template(which),
            34..=36 => self.flip_template(which),
            37..=41 => self.edit_by_hand(),
            42..=46 => self.toggle_by_hand(),
            47..=49 => self.make_by_hand(),
            50..=51 => self.copy_by_hand(),
            52..=54 => self.delete_by_hand(),
            55..=56 => self.strip_by_hand(),
            57 => self.drop_many(which),
            _ => self.back_up(),
        }
    }

    /// A definition that says something different each time.
    fn definition(&mut self, parent: Option<&str>) -> Value {
        let version = self.dice.below(1_000_000).to_string();
        let mut def = json!({
            "executor": "http", "concurrency": "allow", "tags": {"server": "true:1"}, "metadata": {"version": version},
            "executor_config": {
                "method": "POST", "url": self.called(&version), "timeout": "10",
                "expectCode": "200", "body": "}{ \n \"\\ 'x <é>&",
            },
        });
        match parent {
            Some(parent) => def["parent_job"] = json!(parent),
            None if self.server.emulator().is_some() && self.dice.percent(40) => {
                let often = (self.schedules.often.as_str(), "");
                let zoned = self.schedules.zoned.as_str();
                let (schedule, zone) =
                    self.dice.pick(&[often, (zoned, HERE), (zoned, ELSEWHERE)]).expect("one of three");
                def["schedule"] = json!(schedule);
                if !zone.is_empty() {
                    def["timezone"] = json!(zone);
                }
            }
            None => def["schedule"] = json!(self.dice.pick(&SCHEDULES)),
        }
        if self.dice.percent(20) {
            def["retries"] = json!(1 + self.dice.below(3));
        }
        if self.dice.percent(20) {
            def["displayname"] = json!(format!("Job {version}"));
        }
        if self.dice.percent(8) {
            def["metadata"]["dkron-jobs.prune"] = json!("false");
        }
        def
    }

    pub(super) fn add_template(&mut self, which: usize) {
        let wants = &self.releases[which].wants;
        let free: Vec<_> =
            self.releases[which].names.iter().filter(|name| !wants.contains_key(*name)).cloned().collect();
        let Some(name) = self.dice.pick(&free) else { return };
        let parent = if self.dice.percent(35) { self.some_parent(which, &name) } else { None };
        let def = self.definition(parent.as_deref());
        let disabled = self.dice.percent(10);
        self.want(which, &name, Want { def, disabled });
    }

    fn want(&mut self, which: usize, name: &str, want: Want) {
        self.tell(&format!("template {name} of {which}: {} {}", want.def, want.disabled));
        self.releases[which].wants.insert(name.to_owned(), want);
        self.releases[which].write(name);
    }

    fn a_template(&mut self, which: usize) -> Option<String> {
        let names: Vec<_> = self.releases[which].wants.keys().cloned().collect();
        self.dice.pick(&names)
    }

    /// A template's name that can be another's parent: not below it, and not too deep.
    fn some_parent(&mut self, which: usize, child: &str) -> Option<String> {
        let wants = &self.releases[which].wants;
        let fits = |name: &&String| {
            let mut at = Some(name.as_str());
            let mut depth = 0;
            while let Some(name) = at {
                depth += 1;
                if name == child || depth == DEPTH {
                    return false;
                }
                at = wants.get(name).and_then(|want| parent(&want.def));
            }
            true
        };
        let names: Vec<_> = wants.keys().filter(fits).cloned().collect();
        self.dice.pick(&names)
    }

    fn edit_template(&mut self, which: usize) {
        let Some(name) = self.a_template(which) else { return };
        let want = &self.releases[which].wants[&name];
        let (above, disabled) = (parent(&want.def).map(str::to_owned), want.disabled);
        let def = self.definition(above.as_deref());
        self.want(which, &name, Want { def, disabled });
    }

    fn flip_template(&mut self, which: usize) {
        let Some(name) = self.a_template(which) else { return };
        let want = self.releases[which].wants[&name].clone();
        self.want(which, &name, Want { disabled: !want.disabled, ..want });
    }

    fn move_template(&mut self, which: usize) {
        let Some(name) = self.a_template(which) else { return };
        let above = if self.dice.percent(70) { self.some_parent(which, &name) } else { None };
        let disabled = self.releases[which].wants[&name].disabled;
        let def = self.definition(above.as_deref());
        self.want(which, &name, Want { def, disabled });
    }

    fn drop_template(&mut self, which: usize) {
        let Some(name) = self.a_template(which) else { return };
        self.replace_template(which, &name, None);
    }

    /// Few enough, or too many at once.
    fn drop_many(&mut self, which: usize) {
        for _ in 0..self.dice.below(self.releases[which].wants.len() + 1) {
            self.drop_template(which);
        }
    }

    fn rename_template(&mut self, which: usize) {
        let Some(name) = self.a_template(which) else { return };
        let wants = &self.releases[which].wants;
        let free: Vec<_> =
            self.releases[which].names.iter().filter(|name| !wants.contains_key(*name)).cloned().collect();
        let Some(other) = self.dice.pick(&free) else { return };
        let want = wants[&name].clone();
        self.want(which, &other, want);
        self.replace_template(which, &name, Some(&other));
    }

    /// Takes a template away; its children get another parent, or the one it had.
    fn replace_template(&mut self, which: usize, name: &str, other: Option<&str>) {
        self.tell(&format!("template {name} of {which} goes"));
        let gone = self.releases[which].wants.remove(name).expect("a template that is there");
        self.releases[which].write(name);
        let above = other.or(parent(&gone.def)).map(str::to_owned);
        let wants = &self.releases[which].wants;
        let below = wants.iter().filter(|(_, want)| parent(&want.def) == Some(name));
        for (child, want) in below.map(|(child, want)| (child.clone(), want.clone())).collect::<Vec<_>>() {
            let def = self.definition(above.as_deref());
            self.want(which, &child, Want { def, disabled: want.disabled });
        }
    }

    fn some_job(&mut self) -> Option<String> {
        let names: Vec<_> = self.jobs.keys().cloned().collect();
        self.dice.pick(&names)
    }

    fn edit_by_hand(&mut self) {
        let Some(name) = self.some_job() else { return };
        let kind = self.dice.below(4);
        let number = self.dice.below(1_000_000).to_string();
        self.tell(&format!("{name} is edited by hand: {kind} {number}"));
        self.server.edit(&name, |job| match kind {
            0 => job["executor_config"]["url"] = json!(format!("http://127.0.0.1:9/hand/{number}")),
            1 => job["retries"] = json!(7),
            2 => job["metadata"]["note"] = json!(number),
            _ => {
                job["schedule"] = json!("0 0 6 4 1 *");
                job["parent_job"] = json!("");
            }
        });
        self.look_at(&name);
    }

    fn toggle_by_hand(&mut self) {
        let Some(name) = self.some_job() else { return };
        self.tell(&format!("{name} is switched by hand"));
        self.server.toggle(&name);
        self.look_at(&name);
    }

    fn make_by_hand(&mut self) {
        // Under a name of its own, or one that a template may want later.
        let mut free = vec![format!("h-{:02}", self.dice.below(20))];
        free.extend(self.releases[0].names.iter().cloned());
        free.retain(|name| !self.jobs.contains_key(name));
        let Some(name) = (if self.dice.percent(50) { free.first().cloned() } else { self.dice.pick(&free) }) else {
            return;
        };
        let above = if self.dice.percent(40) && name.starts_with('h') { self.some_job() } else { None };
        let mut job = self.definition(above.as_deref());
        job["name"] = json!(name);
        job["disabled"] = json!(self.dice.percent(20));
        self.tell(&format!("made by hand: {job}"));
        self.server.put(&job);
        self.look_at(&name);
    }

    fn copy_by_hand(&mut self) {
        let Some(name) = self.some_job() else { return };
        let copy = format!("c-{:02}", self.dice.below(20));
        if self.jobs.contains_key(&copy) {
            return;
        }
        self.tell(&format!("{name} is copied as {copy}"));
        let mut job = self.server.job(&name).expect("a job to copy");
        job["name"] = json!(copy);
        // The page of Dkron does not send it, and what is sent is believed (FACTS 9).
        job["dependent_jobs"] = Value::Null;
        self.server.put(&job);
        self.look_at(&copy);
    }

    fn delete_by_hand(&mut self) {
        let Some(name) = self.some_job() else { return };
        if self.jobs.values().any(|held| parent(&held.def) == Some(&name)) {
            return;
        }
        self.tell(&format!("{name} is deleted by hand"));
        self.server.delete(&name);
        self.jobs.remove(&name);
    }

    /// A job is posted again from a file without its metadata.
    fn strip_by_hand(&mut self) {
        let Some(name) = self.some_job() else { return };
        self.tell(&format!("{name} loses its metadata"));
        self.server.edit(&name, |job| job["metadata"] = Value::Null);
        self.look_at(&name);
    }

    fn back_up(&mut self) {
        if self.jobs.is_empty() {
            return;
        }
        self.tell("everything is saved");
        let _ = self.releases[0].cli.run(&["backup", "--force", "--backups", &self.backups]).ok();
        self.saved = Some(self.jobs.clone());
    }
}
