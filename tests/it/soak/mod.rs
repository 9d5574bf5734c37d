//! An hour of releases in minutes: hundreds of applies with changed templates, hands in the UI, restarts, kills and faults between
//! and during them, all from a seed; and a model that says after each what Dkron must hold. `SOAK_SEED=… SOAK_RUNS=…` replays one;
//! with `SOAK_STORY` naming a file, the story of one that failed goes there too.

mod changes;
mod disturbances;
mod model;
mod world;

use std::thread;
use std::time::{Duration, SystemTime};

use crate::server::{Server, note};

use self::world::World;

/// How many applies there are, those of all worlds together, where `SOAK_RUNS` does not say so.
const RUNS: u64 = 40;
/// The seeds of every day.
const SEEDS: [u64; 2] = [7, 8];
/// So many more are new each time. Most of the time is waiting, so all worlds are beside each other.
const FRESH: u64 = 2;

/// Numbers that look like chance, and are the same for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    /// 0 and more, but less than this.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed >> 32).expect("32 bits") % end
    }

    fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len())].clone()) }
    }

    fn millis(&mut self, end: usize) -> Duration {
        Duration::from_millis(u64::try_from(self.below(end)).expect("a count"))
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")))
}

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
