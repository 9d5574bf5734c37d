//! One server that is killed and started again, and an apply at once: while it loads its jobs it does not schedule what is written.

use crate::dice::number;
use crate::server::note;

use super::jobs::{Want, When};
use super::site::Site;
use super::turn;

const JOBS: usize = 2_000;
const CHANGED: usize = 50;
const NEW: usize = 10;

#[test]
fn what_is_applied_while_one_server_starts_runs_as_written() {
    let Some((binary, _turn)) = turn("scheduled::one_server") else { return };
    let repeats = number("SCHEDULED_REPEATS").unwrap_or(1);
    let wrong: usize = (1..=repeats).map(|repeat| killed(&binary, &format!("{repeat} of {repeats}"))).sum();
    assert_eq!(wrong, 0, "jobs not as written");
}

/// One kill; how many jobs do not run as written.
fn killed(binary: &str, which: &str) -> usize {
    let idle = |number| Want::new(format!("idle-{number:04}"), When::Rarely);
    // One of five was fast.
    let old = |number| Want::new(format!("old-{number:02}"), if number % 5 == 4 { When::Often } else { When::Rarely });
    let olds: Vec<_> = (0..CHANGED).map(old).collect();
    let idles: Vec<_> = (CHANGED..JOBS).map(idle).collect();
    let mut site = Site::start(binary, 1, &[&olds[..], &idles].concat());
    let news = (0..NEW).map(|number| Want::new(format!("new-{number:02}"), When::Often));
    let written: Vec<_> = olds.iter().map(Want::moved).chain(news).collect();
    site.write(&[&written[..], &idles].concat());
    site.cluster.kill(0);
    site.cluster.start_node(0);
    let applied = site.finish(site.apply(0));
    let code = applied.ran.code;
    let verdict = site.judge(&written);
    note(
        "TEST_FIGURES",
        &format!(
            "Dkron {}, one server of {JOBS} jobs killed and started, apply at once, {which}: exit {code:?} in {:.1} s, \
             {} of {} as written; {} entries differ",
            site.version,
            applied.took.as_secs_f64(),
            written.len() - verdict.wrong.len(),
            written.len(),
            verdict.entries.len(),
        ),
    );
    assert_eq!(code, Some(0), "{}", applied.ran);
    verdict.wrong.len().max(verdict.entries.len())
}
