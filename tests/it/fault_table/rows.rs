//! The rows: what goes wrong, for a while and for ever.

use std::thread;
use std::time::Duration;

use dkron_emulator::{Fault, Options, Rule};
use jiff::SignedDuration;

use super::columns::Column;
use super::world::{AMPLE, Limits, World};

/// So little patience that a fault that stays is given up soon.
const SHORT: Limits = Limits { wait: Duration::from_secs(2), request: Duration::from_secs(1) };
/// How long what passes by itself lasts.
const A_WHILE: Duration = Duration::from_millis(600);
/// Longer than a request in whose middle something happens would take otherwise.
const IN_HAND: Duration = Duration::from_millis(300);

/// One fault, in each of its temperaments.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) strikes: Vec<Strike>,
}

/// One temperament of a fault.
pub(super) struct Strike {
    pub(super) name: &'static str,
    pub(super) options: fn() -> Options,
    pub(super) limits: Limits,
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
    fn passing(name: &'static str, before: fn(&World)) -> Self {
        Self {
            name,
            options: Options::new,
            limits: AMPLE,
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
    fn staying(name: &'static str, before: fn(&World)) -> Self {
        Self { limits: SHORT, ends: |_| vec![4], counted: false, reads: 40, ..Self::passing(name, before) }
    }

    /// One that stays and keeps one job from being written.
    fn failing(name: &'static str, before: fn(&World)) -> Self {
        Self { ends: |_| vec![1], spares: readers, writes: 16, ..Self::staying(name, before) }
    }

    fn meanwhile(self, meanwhile: fn(&World)) -> Self {
        Self { meanwhile, ..self.by_the_clock() }
    }

    fn spares(self, spares: fn(&Column) -> Option<&'static str>) -> Self {
        Self { spares, ..self }
    }

    fn by_the_clock(self) -> Self {
        Self { counted: false, worded: false, ..self }
    }

    fn exactly(self) -> Self {
        Self { counted: true, ..self }
    }

    fn ends(self, ends: fn(&Column) -> Vec<i32>) -> Self {
        Self { ends, ..self }
    }

    fn of_three(self) -> Self {
        Self { options: || Options::new().nodes(3).balancer(), ..self }
    }
}

fn readers(column: &Column) -> Option<&'static str> {
    (!column.writes()).then_some("it writes no job")
}

fn no_posts(column: &Column) -> Option<&'static str> {
    match (column.posts, column.deletes) {
        (Some(_), _) => None,
        (None, Some(_)) => Some("it posts no job, it only deletes"),
        (None, None) => Some("it writes no job"),
    }
}

fn no_list(column: &Column) -> Option<&'static str> {
    (column.name == "wait").then_some("it reads no list of jobs")
}

/// This fault once for each kind of request.
fn once_each(world: &World, fault: impl Fn() -> Fault) {
    let emulator = &world.emulator;
    emulator.inject(Rule::new(fault()).method("GET").path("/v1/leader"));
    // The first POST is the barrier.
    emulator.inject(Rule::new(fault()).method("POST").path("/v1/jobs"));
    emulator.inject(Rule::new(fault()).method("GET").path("/v1/jobs"));
    once_written(world, fault);
}

/// This fault once for a POST and once for a DELETE.
fn once_written(world: &World, fault: impl Fn() -> Fault) {
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
fn always_written(world: &World, fault: impl Fn() -> Fault) {
    // A failed write keeps deletes from being tried.
    for rule in written(world, fault).into_iter().take(1) {
        world.emulator.inject(rule.always());
    }
}

fn always(world: &World, fault: Fault) {
    world.emulator.inject(Rule::new(fault).always());
}

fn list(world: &World, fault: Fault) {
    world.emulator.inject(Rule::new(fault).method("GET").path("/v1/jobs"));
}

fn list_always(world: &World, fault: Fault) {
    world.emulator.inject(Rule::new(fault).method("GET").path("/v1/jobs").always());
}

/// The list that proves the writes.
fn list_after(world: &World, fault: Fault) {
    let reads = if world.column.name == "clone" { 2 } else { 1 };
    world.emulator.inject(Rule::new(fault).method("GET").path("/v1/jobs").after(reads));
}

fn answer(status: u16, header: (&str, &str), body: &str) -> Fault {
    Fault::Answer { status, headers: vec![(header.0.to_owned(), header.1.to_owned())], body: body.to_owned() }
}

fn html() -> Fault {
    answer(200, ("content-type", "text/html"), "<html>\n  <h1>Welcome</h1>\n</html>")
}

fn redirect() -> Fault {
    answer(302, ("location", "http://127.0.0.9:9/login"), "")
}

/// Holds what is in the middle of a run: the first writes, or the list, or the barrier of one that only waits.
fn hold(world: &World) {
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

pub(super) fn rows() -> Vec<Row> {
    let row = |name, strikes| Row { name, strikes };
    let mut rows = vec![
        row(
            "connection-refused",
            vec![
                Strike::passing("then accepted", |world| world.restart(None, 600, 0, 0)).by_the_clock(),
                Strike { url: World::refusing_url, ..Strike::staying("for ever", |_| {}).exactly() },
            ],
        ),
        row(
            "name-not-resolving",
            vec![
                Strike {
                    named: true,
                    url: World::named_url,
                    ..Strike::passing("then resolving", |world| world.cli.write("hosts", "")).meanwhile(|world| {
                        thread::sleep(A_WHILE);
                        world.cli.write("hosts", "127.0.0.1 dkron.test\n");
                    })
                },
                Strike {
                    named: true,
                    url: World::named_url,
                    ..Strike::staying("for ever", |world| world.cli.write("hosts", "")).exactly()
                },
            ],
        ),
        row(
            "no-answer",
            vec![
                Strike {
                    limits: Limits { request: Duration::from_secs(1), ..AMPLE },
                    ..Strike::passing("once each", |world| once_each(world, || Fault::Hang))
                },
                Strike::staying("for ever", |world| always(world, Fault::Hang)),
                Strike::failing("to one write for ever", |world| always_written(world, || Fault::Hang)),
            ],
        ),
        row(
            "reset-before-the-answer",
            vec![
                Strike::passing("once each, not applied", |world| once_each(world, || Fault::ResetUnapplied)),
                Strike::passing("once each, applied", |world| once_each(world, || Fault::ResetApplied)),
                Strike::staying("for ever", |world| always(world, Fault::ResetUnapplied)),
                Strike::failing("to one write for ever", |world| always_written(world, || Fault::ResetUnapplied)),
            ],
        ),
        row(
            "reset-in-the-answer",
            vec![
                Strike::passing("once each", |world| once_each(world, || Fault::ResetMid { after: 20 })),
                Strike::staying("for ever", |world| always(world, Fault::ResetMid { after: 20 })),
            ],
        ),
        row(
            "list-cut-short",
            vec![
                Strike::passing("jobs missing, once", |world| list(world, Fault::ShortList { missing: 1 }))
                    .spares(no_list),
                Strike::passing("bytes missing, once", |world| list(world, Fault::Cut { to: 700 })).spares(no_list),
                Strike::passing("jobs missing, once, where it proves", |world| {
                    list_after(world, Fault::ShortList { missing: 9 });
                })
                .spares(readers),
                Strike::staying("jobs missing, for ever", |world| {
                    list_always(world, Fault::ShortList { missing: 1 });
                })
                .spares(no_list),
                Strike::staying("bytes missing, for ever", |world| list_always(world, Fault::Cut { to: 700 }))
                    .spares(no_list),
            ],
        ),
        row(
            "wrong-length",
            vec![
                Strike::passing("X-Total-Count, once", |world| list(world, Fault::WrongCount { count: 70 }))
                    .spares(no_list),
                Strike::passing("Content-Length, once each", |world| {
                    once_each(world, || Fault::CloseMid { after: 20 });
                }),
                Strike::staying("X-Total-Count, for ever", |world| list_always(world, Fault::WrongCount { count: 70 }))
                    .spares(no_list),
                Strike::staying("Content-Length, for ever", |world| always(world, Fault::CloseMid { after: 20 })),
            ],
        ),
        row(
            "html-200",
            vec![
                Strike::passing("once each", |world| once_each(world, html)),
                Strike::staying("for ever", |world| always(world, html())),
            ],
        ),
        row(
            "500",
            vec![
                Strike::passing("once each", |world| {
                    once_each(world, || answer(500, ("content-type", "text/plain"), "context deadline exceeded"));
                }),
                Strike::staying("for ever", |world| {
                    always(world, answer(500, ("content-type", "text/plain"), "context deadline exceeded"));
                }),
                Strike::failing("to one write for ever", |world| {
                    always_written(world, || Fault::NotAppliedBut500);
                }),
            ],
        ),
        row(
            "502",
            vec![
                Strike::passing("once each", |world| once_each(world, Fault::bad_gateway)),
                Strike::staying("for ever", |world| always(world, Fault::bad_gateway())),
            ],
        ),
        // It is not waited for as long as it says: the backoff is at most half a second, and the release waits.
        row(
            "503-retry-after-30",
            vec![
                Strike::passing("once each", |world| once_each(world, || Fault::unavailable(30))),
                Strike::staying("for ever", |world| always(world, Fault::unavailable(30))),
            ],
        ),
        row(
            "429-retry-after-30",
            vec![
                Strike::passing("once each", |world| once_each(world, || Fault::too_many_requests(30))),
                Strike::staying("for ever", |world| always(world, Fault::too_many_requests(30))),
            ],
        ),
        row(
            "redirect-to-another-host",
            vec![
                Strike::passing("once each", |world| once_each(world, redirect)),
                Strike::staying("for ever", |world| always(world, redirect())),
            ],
        ),
    ];
    rows.extend(rows_of_dkron());
    rows.extend(rows_of_time());
    rows.extend(rows_of_others());
    rows
}

/// What Dkron itself does.
fn rows_of_dkron() -> Vec<Row> {
    let row = |name, strikes| Row { name, strikes };
    vec![
        row(
            "pause",
            vec![
                Strike::passing("then none", |world| world.emulator.set_paused(true)).meanwhile(|world| {
                    thread::sleep(A_WHILE);
                    world.emulator.set_paused(false);
                }),
                Strike::staying("for ever", |world| world.emulator.set_paused(true)).ends(|column| {
                    let waits = column.writes() || column.name == "wait";
                    vec![if waits { 4 } else { column.code }]
                }),
            ],
        ),
        row(
            "no-leader",
            vec![
                Strike::passing("then one", |world| world.emulator.lose_leader()).meanwhile(|world| {
                    thread::sleep(A_WHILE);
                    world.emulator.set_leader(0);
                }),
                Strike::staying("for ever", |world| world.emulator.lose_leader()),
            ],
        ),
        row(
            "new-leader-between-read-and-write",
            vec![Strike::passing("once", hold).of_three().meanwhile(|world| {
                world.until_mid_run();
                world.emulator.set_leader(1);
            })],
        ),
        row(
            "lagging-follower",
            vec![
                Strike {
                    url: |world| world.emulator.node_url(1),
                    // Each search for the leader is 32 connections to the one address that there is.
                    reads: 300,
                    ..Strike::passing("its address alone", |world| {
                        world.emulator.set_lag(Duration::from_millis(300));
                    })
                    .of_three()
                    .by_the_clock()
                },
                Strike::passing("two behind a balancer", |world| {
                    world.emulator.set_lag(Duration::from_secs(2));
                })
                .of_three()
                .by_the_clock(),
            ],
        ),
        row(
            "replay-after-restart",
            vec![
                Strike::passing("a leader before its jobs", |world| world.restart(None, 50, 50, 800)).by_the_clock(),
                Strike::passing("jobs before a leader", |world| world.restart(None, 50, 800, 200)).by_the_clock(),
            ],
        ),
        row(
            "201-but-not-stored",
            vec![
                Strike::passing("once", |world| once_written(world, || Fault::Swallow)).spares(no_posts),
                Strike::failing("for ever", |world| always_written(world, || Fault::Swallow))
                    .spares(no_posts)
                    .exactly(),
            ],
        ),
        row(
            "500-but-applied",
            vec![
                Strike::passing("once", |world| {
                    once_written(world, || Fault::AppliedBut500);
                    if world.column.name == "check" {
                        let run = Rule::new(Fault::AppliedBut500).method("POST").path("/v1/jobs/ping/run");
                        world.emulator.inject(run);
                    }
                })
                .spares(|column| readers(column).filter(|_| column.name != "check")),
            ],
        ),
        row("run-in-flight-undoes-it", {
            let spares = |column: &Column| match column.writes() {
                true if column.updates || column.deletes.is_some() => None,
                true => Some("it only creates: no run has these jobs in hand"),
                false => Some("it writes no job"),
            };
            vec![
                Strike::passing("once", |world| {
                    once_written(world, || Fault::RunInFlight { after: Duration::from_millis(700) });
                })
                .spares(spares),
                Strike::failing("for ever", |world| {
                    always_written(world, || Fault::RunInFlight { after: Duration::ZERO });
                })
                .spares(spares)
                .exactly(),
            ]
        }),
        row(
            "restarted-in-the-middle",
            vec![Strike::passing("once", hold).meanwhile(|world| {
                world.until_mid_run();
                world.restart(None, 100, 100, 400);
            })],
        ),
        row(
            "leader-of-three-killed-in-the-middle",
            vec![Strike::passing("once", hold).of_three().meanwhile(|world| {
                world.until_mid_run();
                world.restart(Some(0), 1500, 300, 300);
            })],
        ),
    ]
}

/// What is slow, long, or of another time.
fn rows_of_time() -> Vec<Row> {
    let row = |name, strikes| Row { name, strikes };
    vec![
        row(
            "slow-trickle",
            vec![
                Strike::passing("within the limit of a request", |world| {
                    once_each(world, || Fault::Trickle { piece: 100, every: Duration::from_millis(5) });
                }),
                Strike::staying("beyond it, for ever", |world| {
                    always(world, Fault::Trickle { piece: 8, every: Duration::from_millis(500) });
                }),
            ],
        ),
        row(
            "gigantic-answer",
            vec![
                Strike::passing("once each", |world| once_each(world, || Fault::Gigantic { bytes: 48 << 20 })),
                Strike::staying("for ever", |world| always(world, Fault::Gigantic { bytes: 1 << 40 })),
            ],
        ),
        row(
            "clock-jump",
            vec![
                Strike::passing("ten years ahead", |world| {
                    world.emulator.set_clock(SignedDuration::from_hours(24 * 3652));
                }),
                Strike::passing("ten years back", |world| {
                    world.emulator.set_clock(SignedDuration::from_hours(-24 * 3652));
                }),
            ],
        ),
    ]
}

/// What others do to the run.
fn rows_of_others() -> Vec<Row> {
    let row = |name, strikes| Row { name, strikes };
    let slow = |world: &World| always(world, Fault::Delay(Duration::from_millis(15)));
    vec![
        row(
            "sigterm-at-random-points",
            vec![Strike {
                signal: Some("TERM"),
                ..Strike::passing("many", slow).ends(|column| vec![143, column.code]).by_the_clock()
            }],
        ),
        row(
            "sigkill-at-random-points",
            vec![Strike {
                signal: Some("KILL"),
                ..Strike::passing("many", slow).ends(|column| vec![137, column.code]).by_the_clock()
            }],
        ),
        row(
            "another-applier-of-the-same-owner",
            vec![Strike {
                rival: Some(0),
                // Each undoes what the other wrote, and says so where it sees it.
                ..Strike::passing("at once", slow).by_the_clock().ends(|column| match column.name {
                    "apply" | "restore" | "destroy" => vec![0, 1],
                    "check" => vec![0, 3],
                    _ => vec![column.code],
                })
            }],
        ),
        row(
            "another-applier-of-another-owner",
            vec![Strike { rival: Some(1), ..Strike::passing("at once", slow).by_the_clock() }],
        ),
    ]
}
