//! The rows: what goes wrong, for a while and for ever.

use std::thread;
use std::time::Duration;

use dkron_emulator::{Fault, Rule};
use jiff::SignedDuration;

use super::columns::Column;
use super::strike::{
    SHORT, Strike, always, always_written, answer, hold, html, list, list_after, list_always, no_list, no_posts,
    once_each, once_written, readers, redirect,
};
use super::world::{AMPLE, Limits, World};

/// How long what passes by itself lasts.
const A_WHILE: Duration = Duration::from_millis(600);

/// One fault, in each of its temperaments.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) strikes: Vec<Strike>,
}

pub(super) fn rows() -> Vec<Row> {
    let groups = [of_connections, of_answers, of_gateways, of_dkron, of_nodes, of_writes, of_size_and_time, of_others];
    groups.into_iter().flat_map(|group| group()).collect()
}

fn row(name: &'static str, strikes: Vec<Strike>) -> Row {
    Row { name, strikes }
}

/// Connections that do not come about, or break.
fn of_connections() -> Vec<Row> {
    vec![
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
                Strike {
                    // Time for a whole try of the leader after the write.
                    limits: Limits { wait: Duration::from_secs(3), ..SHORT },
                    ..Strike::staying("for ever from the first write on", hold)
                        .meanwhile(|world| {
                            world.until_mid_run();
                            always(world, Fault::Hang);
                        })
                        .spares(readers)
                },
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
    ]
}

/// Answers that are not what they should be.
fn of_answers() -> Vec<Row> {
    vec![
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
    ]
}

/// Answers that say no, of Dkron or of what stands before it.
fn of_gateways() -> Vec<Row> {
    vec![
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
    ]
}

/// What Dkron itself does.
fn of_dkron() -> Vec<Row> {
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
                Strike::staying("for ever from the first write on", hold)
                    .meanwhile(|world| {
                        world.until_mid_run();
                        world.emulator.lose_leader();
                    })
                    .spares(readers),
            ],
        ),
    ]
}

/// `status` does not wait for the scheduler: that it does not run is what it tells.
fn told_at_once(column: &Column) -> Vec<i32> {
    vec![if column.name == "status" { 7 } else { column.code }]
}

/// Nodes that come, go and lag.
fn of_nodes() -> Vec<Row> {
    vec![
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
                    // Where the leader's scheduler cannot be asked, the first write waits 15 s.
                    more: Duration::from_secs(30),
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
            "scheduler-late",
            vec![
                Strike::passing("after a restart", |world| {
                    world.emulator.set_scheduler_delay(A_WHILE * 2);
                    world.restart(None, 50, 50, 0);
                })
                .ends(told_at_once)
                .by_the_clock(),
                Strike::passing("of a new leader, in the middle", hold)
                    .of_three()
                    .meanwhile(|world| {
                        world.until_mid_run();
                        world.emulator.set_scheduler_delay(A_WHILE * 2);
                        world.emulator.set_leader(1);
                    })
                    .ends(told_at_once),
                Strike::staying("for ever", |world| {
                    world.emulator.set_scheduler_delay(Duration::from_hours(1));
                    world.emulator.set_leader(0);
                })
                .ends(|column| match column.name {
                    "status" | "check" => vec![7],
                    _ if column.writes() || column.name == "wait" => vec![4],
                    _ => vec![column.code],
                }),
            ],
        ),
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

/// Writes that are not what they are said to be.
fn of_writes() -> Vec<Row> {
    vec![
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
                .by_the_clock(),
            ]
        }),
    ]
}

/// What is slow, long, or of another time.
fn of_size_and_time() -> Vec<Row> {
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
                Strike {
                    limits: Limits { request: AMPLE.request, ..SHORT },
                    ..Strike::staying("the list beyond the limit of all", |world| {
                        list_always(world, Fault::Trickle { piece: 8, every: Duration::from_millis(500) });
                    })
                    .spares(no_list)
                },
            ],
        ),
        row(
            "gigantic-answer",
            vec![
                Strike::passing("once each", |world| once_each(world, || Fault::Gigantic { bytes: 16 << 20 })),
                Strike::staying("for ever", |world| always(world, Fault::Gigantic { bytes: 1 << 40 })),
                Strike::passing("a list longer than any other answer may be, once", |world| {
                    list(world, Fault::Flood { bytes: 9 << 20 });
                })
                .spares(no_list),
                Strike::staying("a list of too many jobs, for ever", |world| {
                    list_always(world, Fault::Flood { bytes: 1 << 20 });
                })
                .spares(no_list),
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
fn of_others() -> Vec<Row> {
    let slow = |world: &World| always(world, Fault::Delay(Duration::from_millis(40)));
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
