//! Whether jobs *run* as they are written: real Dkron servers, one or three, that are killed, stopped, frozen or restarted around an
//! apply, and a target that counts the runs. What Dkron stores is another question, which every other test asks.
//!
//! It needs `DKRON_BIN`. `DKRON_JOBS_BIN` names another build of the program to be measured. How much is run:
//!
//! - `SCHEDULED_REPEATS`: how often the one server is killed (1);
//! - `SCHEDULED_THREE`: what happens to the leader of three, seconds until the apply, and how often: `killed@1,stopped@3x5` (that
//!   without `x5`); `all` is each of them, directly and through a follower, and the worst five times;
//! - `SCHEDULED_ROUNDS` and `SCHEDULED_SEED`: random rounds on three servers (3, with a seed that is new each time);
//! - `DKRON_JOBS_OLD`: the build that leaves jobs in the wrong state; without it the test posts them itself.
//!
//! A line for each run goes to standard error (`--nocapture`), and to the figures of `tests/run`.

pub(crate) mod jobs;
mod left_behind;
mod one_server;
mod rounds;
mod site;
pub(crate) mod target;
mod three_servers;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cli::BINARY;
use crate::server::{binary, skip};

/// One at a time: all of them measure seconds. `None`, which is said, where there is no real server.
fn turn(test: &str) -> Option<(String, MutexGuard<'static, ()>)> {
    static TURN: Mutex<()> = Mutex::new(());
    let Some(binary) = binary() else {
        skip(test, "DKRON_BIN is not set, and runs are counted on real servers only");
        return None;
    };
    Some((binary, TURN.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// The program that is measured.
pub(crate) fn program() -> String {
    std::env::var("DKRON_JOBS_BIN").ok().filter(|path| !path.is_empty()).unwrap_or_else(|| BINARY.to_owned())
}
