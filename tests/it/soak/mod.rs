//! An hour of releases in minutes: hundreds of applies with changed templates, hands in the UI, restarts, kills and faults between
//! and during them, all from a seed; and a model that says after each what Dkron must hold. `SOAK_SEED=… SOAK_RUNS=…` replays one;
//! with `SOAK_STORY` naming a file, the story of one that failed goes there too.

mod changes;
mod disturbances;
mod model;
mod runs;
mod world;

use std::thread;
use std::time::SystemTime;

use crate::dice::number;
use crate::server::{Server, note};

use self::world::World;

/// How many applies there are, those of all worlds together, where `SOAK_RUNS` does not say so.
const RUNS: u64 = 40;
/// The seeds of every day.
const SEEDS: [u64; 2] = [7, 8];
/// So many more are new each time. Most of the time is waiting, so all worlds are beside each other.
const FRESH: u64 = 2;

#[test]
fn whatever_happens_dkron_holds_what_the_model_says() {
    if !Server::can_be_ours("the soak") {
        return;
    }
    let runs = number("SOAK_RUNS").unwrap_or(RUNS);
    let fresh = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs() % 100_000 * 10);
    let seeds = match number("SOAK_SEED") {
        Some(seed) => vec![seed],
        None => SEEDS.into_iter().chain((0..FRESH).map(|more| fresh + more)).collect(),
    };
    let each = runs.div_ceil(seeds.len() as u64);
    let begin = |&seed: &u64| (seed, thread::spawn(move || World::new(seed, each).run()));
    let worlds: Vec<_> = seeds.iter().map(begin).collect();
    let mut failed = Vec::new();
    for (seed, world) in worlds {
        match world.join() {
            Ok(told) => note("TEST_FIGURES", &told),
            Err(_) => failed.push(format!("SOAK_SEED={seed} SOAK_RUNS={each} cargo test --test it soak::")),
        }
    }
    assert!(failed.is_empty(), "the stories are above; to see them again:\n{}", failed.join("\n"));
}
