//! One temperament of a fault: what is done to Dkron, and what is expected of every command.

use std::time::Duration;

use dkron_emulator::{Fault, Options, Rule};

use super::columns::Column;
use super::world::{AMPLE, Limits, World};

/// So little patience that a fault that stays is given up soon.
pub(super) const SHORT: Limits = Limits { wait: Duration::from_secs(2), request: Duration::from_secs(1) };
/// Longer than a request in whose middle something happens would take otherwise.
const IN_HAND: Duration = Duration::from_millis(300);

/// One temperament of a fault.
pub(super) struct Strike {
    pub(super) name: &'static str,
    pub(super) options: fn() -> Options,
    pub(super) limits: Limits,
    /// How much longer than others a run may take.
    pub(super) more: Duration,
    /// Whether the binary is given names of its own.
    pub(super) named: bool,
    pub(super) url: fn(&World) -> String,
    /// Done before the command starts.
    pub(super) before: fn(&World),
    /// Done while it runs.
    pub(super) meanwhile: fn(&World),
    /// The exit codes that it may have.
    pub(super) ends: fn(&Column) -> Vec<i32>,
    /// Whether requests are the same each time; else how many go out is a matter of time.
    pub(super) counted: bool,
    /// Whether standard error is the same each time; else only its errors are.
    pub(super) worded: bool,
    /// How often one question may be put, and one job posted or deleted.
    pub(super) reads: usize,
    pub(super) writes: usize,
    /// A second applier.
    pub(super) rival: Option<usize>,
    /// A signal that is sent at random points.
    pub(super) signal: Option<&'static str>,
    /// Why it does not concern a command.
    pub(super) spares: fn(&Column) -> Option<&'static str>,
}

impl Strike {
    /// One that passes: the command ends as if nothing had happened.
    pub(super) fn passing(name: &'static str, before: fn(&World)) -> Self {
        Self {
            name,
            options: Options::new,
            limits: AMPLE,
            more: Duration::ZERO,
            named: false,
            url: |world| world.emulator.url(),
            before,
            meanwhile: |_| {},
            ends: |column| vec![column.code],
            counted: true,
            worded: true,
            reads: 60,
            writes: 4,
            rival: None,
            signal: None,
            spares: |_| None,
        }
    }

    /// One that stays: Dkron is given up.
    pub(super) fn staying(name: &'static str, before: fn(&World)) -> Self {
        Self { limits: SHORT, ends: |_| vec![4], counted: false, reads: 40, ..Self::passing(name, before) }
    }

    /// One that stays and keeps one job from being written.
    pub(super) fn failing(name: &'static str, before: fn(&World)) -> Self {
        Self { ends: |_| vec![1], spares: readers, writes: 16, ..Self::staying(name, before) }
    }

    pub(super) fn meanwhile(self, meanwhile: fn(&World)) -> Self {
        Self { meanwhile, ..self.by_the_clock() }
    }

    pub(super) fn spares(self, spares: fn(&Column) -> Option<&'static str>) -> Self {
        Self { spares, ..self }
    }

    pub(super) fn by_the_clock(self) -> Self {
        Self { counted: false, worded: false, ..self }
    }

    pub(super) fn exactly(self) -> Self {
        Self { counted: true, ..self }
    }

    pub(super) fn ends(self, ends: fn(&Column) -> Vec<i32>) -> Self {
        Self { ends, ..self }
    }

    pub(super) fn of_three(self) -> Self {
        Self { options: || Options::new().nodes(3).balancer(), ..self }
    }
}

pub(super) fn readers(column: &Column) -> Option<&'static str> {
    (!column.writes()).then_some("it writes no job")
}

pub(super) fn no_posts(column: &Column) -> Option<&'static str> {
    match (column.posts, column.deletes) {
        (Some(_), _) => None,
        (None, Some(_)) => Some("it posts no job, it only deletes"),
        (None, None) => Some("it writes no job"),
    }
}

pub(super) fn no_list(column: &Column) -> Option<&'static str> {
    (column.name == "wait").then_some("it reads no list of jobs")
}

/// This fault once for each kind of request.
pub(super) fn once_each(world: &World, fault: impl Fn() -> Fault) {
    let emulator = &world.emulator;
    emulator.inject(Rule::new(fault()).method("GET").path("/v1/leader"));
    // The first POST is the barrier.
    emulator.inject(Rule::new(fault()).method("POST").path("/v1/jobs"));
    emulator.inject(Rule::new(fault()).method("GET").path("/v1/jobs"));
    once_written(world, fault);
}

/// This fault once for a POST and once for a DELETE.
pub(super) fn once_written(world: &World, fault: impl Fn() -> Fault) {
    for rule in written(world, fault) {
        world.emulator.inject(rule);
    }
}

fn written(world: &World, fault: impl Fn() -> Fault) -> Vec<Rule> {
    let post = world.column.posts.map(|job| Rule::new(fault()).method("POST").but_barrier().job(job));
    let delete = world.column.deletes.map(|job| Rule::new(fault()).method("DELETE").job(job));
    post.into_iter().chain(delete).collect()
}

/// This fault for each write of one job, for ever.
pub(super) fn always_written(world: &World, fault: impl Fn() -> Fault) {
    // A failed write keeps deletes from being tried.
    for rule in written(world, fault).into_iter().take(1) {
        world.emulator.inject(rule.always());
    }
}

pub(super) fn always(world: &World, fault: Fault) {
    world.emulator.inject(Rule::new(fault).always());
}

pub(super) fn list(world: &World, fault: Fault) {
    world.emulator.inject(Rule::new(fault).method("GET").path("/v1/jobs"));
}

pub(super) fn list_always(world: &World, fault: Fault) {
    world.emulator.inject(Rule::new(fault).method("GET").path("/v1/jobs").always());
}

/// The list that proves the writes.
pub(super) fn list_after(world: &World, fault: Fault) {
    let reads = if world.column.name == "clone" { 2 } else { 1 };
    world.emulator.inject(Rule::new(fault).method("GET").path("/v1/jobs").after(reads));
}

pub(super) fn answer(status: u16, header: (&str, &str), body: &str) -> Fault {
    Fault::Answer { status, headers: vec![(header.0.to_owned(), header.1.to_owned())], body: body.to_owned() }
}

pub(super) fn html() -> Fault {
    answer(200, ("content-type", "text/html"), "<html>\n  <h1>Welcome</h1>\n</html>")
}

pub(super) fn redirect() -> Fault {
    answer(302, ("location", "http://127.0.0.9:9/login"), "")
}

/// Holds what is in the middle of a run: the first writes, or the list, or the barrier of one that only waits.
pub(super) fn hold(world: &World) {
    let rule = Rule::new(Fault::Delay(IN_HAND));
    let rules = match world.column.name {
        "wait" => vec![rule.method("POST")],
        _ if world.column.writes() => {
            vec![rule.clone().method("POST").but_barrier().always(), rule.method("DELETE").always()]
        }
        _ => vec![rule.method("GET").path("/v1/jobs")],
    };
    for rule in rules {
        world.emulator.inject(rule);
    }
}
