//! The fault table: every fault (a row) against every command (a column), through the real binary.
//!
//! Each cell shows that nothing is lost, doubled or left unsaid, that it ends in time, and that a second run, once the fault is
//! gone, leaves nothing to be done. What it printed and asked is golden text, a file a row in `tests/cases/faults`; `table.snap`
//! there is the whole table. `FAULT_ROWS=500,502` runs these rows only.

mod columns;
mod judge;
mod points;
mod rows;
mod strike;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::repository;
use crate::killed::{kills, share};
use crate::rig::signal;
use crate::server::skip;

use self::columns::{COLUMNS, Column};
use self::rows::{Row, rows};
use self::strike::Strike;
use self::world::{AMPLE, References, World};

/// How many cells are run at once: they mostly wait.
const AT_ONCE: usize = 32;
/// What a run may take beside its limits, on a machine with more to do.
const MARGIN: Duration = Duration::from_secs(5);
/// The longest that one takes in which a fault passes.
const SOON: Duration = Duration::from_secs(15);

/// What came of one strike at one command.
enum Cell {
    Ran { codes: Vec<i32>, text: String },
    Spared(&'static str),
    Failed,
}

#[test]
fn the_fault_table() {
    let references = References::new();
    let mut table = rows();
    if let Ok(only) = std::env::var("FAULT_ROWS") {
        table.retain(|row| only.split(',').any(|name| name == row.name));
    }
    let whole = table.len();
    if table.iter().any(is_named) && !World::has_names(&references) {
        skip("the_fault_table, name-not-resolving", "a name for one process takes a mount namespace of its own");
        table.retain(|row| !is_named(row));
    }
    let is_whole = table.len() == whole && std::env::var_os("FAULT_ROWS").is_none();
    let cells = run(&table, &references);
    let mut failed = Vec::new();
    for (number, row) in table.iter().enumerate() {
        let text = golden(row, number, &cells, &mut failed);
        insta::with_settings!({ snapshot_path => "../../cases/faults", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(row.name, text);
        });
    }
    assert_eq!(failed, Vec::<String>::new(), "why each of them failed is said above");
    if is_whole {
        every_text_belongs_to_a_row(&table);
        insta::with_settings!({ snapshot_path => "../../cases/faults", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!("table", matrix(&table, &cells));
        });
    }
}

fn every_text_belongs_to_a_row(table: &[Row]) {
    let files = std::fs::read_dir(repository().join("tests/cases/faults")).expect("the folder of the texts is there");
    let named = |file: String| table.iter().any(|row| file == format!("{}.snap", row.name)) || file == "table.snap";
    let strays: Vec<_> = files
        .map(|file| file.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|file| !named(file.clone()))
        .collect();
    assert_eq!(strays, Vec::<String>::new());
}

fn is_named(row: &Row) -> bool {
    row.strikes.iter().any(|strike| strike.named)
}

/// By row, column and strike.
type Cells = BTreeMap<(usize, usize, usize), Cell>;

/// Runs the table, many cells at a time.
fn run(table: &[Row], references: &References) -> Cells {
    let mut todo = Vec::new();
    for (number, row) in table.iter().enumerate() {
        for strike in 0..row.strikes.len() {
            todo.extend((0..COLUMNS.len()).map(|column| (number, column, strike)));
        }
    }
    // Many runs each: the others end beside them.
    todo.sort_by_key(|(number, _, strike)| table[*number].strikes[*strike].signal.is_none());
    let (next, cells) = (AtomicUsize::new(0), Mutex::new(Cells::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(&(number, column, strike)) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (row, of) = (&table[number], &COLUMNS[column]);
                    let cell = cell(row, &row.strikes[strike], of, references);
                    cells.lock().expect("no panic outside a cell").insert((number, column, strike), cell);
                }
            });
        }
    });
    cells.into_inner().expect("no panic outside a cell")
}

fn cell(row: &Row, strike: &Strike, column: &'static Column, references: &References) -> Cell {
    if let Some(why) = (strike.spares)(column) {
        return Cell::Spared(why);
    }
    let what = format!("{}, {}: {}", row.name, strike.name, column.name);
    // A thread of its own: its panic ends this cell only, and its name says which.
    let named = thread::Builder::new().name(what);
    thread::scope(|scope| {
        let cell = named.spawn_scoped(scope, || match strike.signal {
            Some(name) => signalled(strike, column, name, references),
            None => struck(strike, column, references),
        });
        cell.expect("a thread").join().unwrap_or(Cell::Failed)
    })
}

/// One run under a fault, and one after it.
fn struck(strike: &Strike, column: &'static Column, references: &References) -> Cell {
    let world = World::new(column, (strike.options)(), references);
    (strike.before)(&world);
    let most =
        if strike.ends_well(column) { SOON } else { strike.limits.wait * column.waits + strike.limits.request * 4 }
            + MARGIN
            + strike.more;
    let url = (strike.url)(&world);
    let pending = world.emulator.pending_faults().len();
    let run = world.run_while(&url, strike.limits, strike.named, most, || match strike.rival {
        Some(rival) => {
            let ran = world.rival(rival);
            assert!(matches!(ran.code, Some(0 | 1)), "{ran}");
        }
        None => (strike.meanwhile)(&world),
    });
    let codes = (strike.ends)(column);
    let code = run.ran.code;
    assert!(code.is_some_and(|code| codes.contains(&code)), "not {codes:?}: {}", run.ran);
    assert!(run.took <= most, "{:?}, of {most:?}: {}", run.took, run.ran);
    let left = world.emulator.pending_faults().len();
    assert!(pending == 0 || left < pending, "nothing was struck: {}", run.ran);
    let journal = world.emulator.journal();
    let journal: Vec<_> = journal.into_iter().filter(|request| strike.rival.is_none() || request.is_write()).collect();
    let stays = codes == [4] && !strike.counted;
    assert!(!stays || journal.len() > 1, "it was not tried again: {}", run.ran);
    judge::nothing_is_lost(&world, strike, references);
    if strike.rival.is_none() {
        judge::nothing_is_doubled(&journal, strike);
        if code == Some(column.code) {
            judge::is_done(&world, references, &run.ran);
        }
    }
    judge::nothing_is_unsaid(&run, code.unwrap_or_default());
    judge::backups_are_whole(&world, strike, code, references);
    let text = judge::told(strike, &run, &codes, &journal);
    world.heal();
    if strike.rival == Some(0) && column.applied {
        let _ = world.cli.run(&["apply", "--dkron-url", &world.emulator.url()]).ok();
    }
    converges(&world, strike, references);
    Cell::Ran { codes, text }
}

/// The same command again leaves nothing to be done.
fn converges(world: &World, strike: &Strike, references: &References) {
    // What a run in flight or a request of a run that was killed still does comes now.
    thread::sleep(Duration::from_millis(100));
    let url = world.emulator.url();
    let again = world.run(&url, AMPLE).ran.exits(world.column.code);
    judge::is_done(world, references, &again);
    if world.column.name == "apply" {
        let plan = world.cli.run(&["plan", "--exit-code", "--dkron-url", &url]).ok();
        assert!(plan.stdout.contains("nothing to do"), "{plan}");
        let others = strike.rival.filter(|rival| *rival == 1).map(|rival| &references.rivals[rival]);
        let mut wanted = references.wanted(world.column).clone();
        for (name, job) in others.into_iter().flatten() {
            wanted.entry(name.clone()).or_insert_with(|| job.clone());
        }
        // What the other found there and this one has deleted is gone.
        wanted.retain(|name, _| {
            references.wanted(world.column).contains_key(name) || !references.before(world.column).contains_key(name)
        });
        assert_eq!(world.jobs(), wanted);
    }
}

/// Runs that are sent a signal, each at another point.
fn signalled(strike: &Strike, column: &'static Column, name: &'static str, references: &References) -> Cell {
    let slow = || {
        let world = World::new(column, (strike.options)(), references);
        (strike.before)(&world);
        world
    };
    let whole = {
        let world = slow();
        world.run(&world.emulator.url(), AMPLE).took
    };
    let rounds = if kills() > 20 { kills() } else { 4 };
    let codes = (strike.ends)(column);
    let mut stopped = 0;
    for round in 1..=rounds {
        let world = slow();
        let start = Instant::now();
        let child = world.spawn(&world.emulator.url(), AMPLE);
        thread::sleep(whole.mul_f64(share(round)));
        signal(&child, name);
        let run = world.watch(child, start, SOON + MARGIN);
        // A signal that comes before the program has begun ends it all the same.
        let code = run.ran.code.unwrap_or(codes[0]);
        assert!(codes.contains(&code), "{code}, not {codes:?}: {}", run.ran);
        stopped += usize::from(code == codes[0]);
        thread::sleep(Duration::from_millis(100));
        world.emulator.clear_faults();
        judge::nothing_is_lost(&world, strike, references);
        judge::nothing_is_doubled(&world.emulator.journal(), strike);
        judge::backups_are_whole(&world, strike, Some(code), references);
        if run.ran.code == Some(143) {
            assert!(run.ran.to_string().contains("stopped by SIGTERM"), "{}", run.ran);
        }
        if code == column.code {
            judge::is_done(&world, references, &run.ran);
        }
        converges(&world, strike, references);
    }
    assert!(stopped > 0, "none of {rounds} runs was stopped in time");
    let of_each: Vec<_> = codes.iter().map(ToString::to_string).collect();
    Cell::Ran { text: format!("exit code {}\n", of_each.join(" or ")), codes }
}

impl Strike {
    fn ends_well(&self, column: &Column) -> bool {
        (self.ends)(column) == [column.code]
    }
}

fn golden(row: &Row, number: usize, cells: &Cells, failed: &mut Vec<String>) -> String {
    let mut text = String::new();
    for (at, column) in COLUMNS.iter().enumerate() {
        for (of, strike) in row.strikes.iter().enumerate() {
            writeln!(text, "== {}: {}", column.name, strike.name).expect("a string");
            match &cells[&(number, at, of)] {
                Cell::Ran { text: told, .. } => text += told,
                Cell::Spared(why) => writeln!(text, "not applicable: {why}").expect("a string"),
                Cell::Failed => failed.push(format!("{}, {}: {}", row.name, strike.name, column.name)),
            }
            text.push('\n');
        }
    }
    text
}

/// The whole table: exit codes, one for each temperament of the fault.
fn matrix(table: &[Row], cells: &Cells) -> String {
    let mut text = format!("{:40}", "");
    for column in &COLUMNS {
        write!(text, "{:>14}", column.name).expect("a string");
    }
    text.push('\n');
    let (mut run, mut runs) = (0, 0);
    let mut why: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (number, row) in table.iter().enumerate() {
        write!(text, "{:40}", row.name).expect("a string");
        for (at, column) in COLUMNS.iter().enumerate() {
            let mut codes = Vec::new();
            let mut reason = None;
            for of in 0..row.strikes.len() {
                match &cells[&(number, at, of)] {
                    Cell::Ran { codes: of, .. } => {
                        codes.push(of.iter().map(ToString::to_string).collect::<Vec<_>>().join("|"));
                    }
                    Cell::Spared(spared) => reason = Some(*spared),
                    Cell::Failed => {}
                }
            }
            runs += codes.len();
            if let (true, Some(reason)) = (codes.is_empty(), reason) {
                why.entry(reason).or_default().push(format!("{} of {}", column.name, row.name));
                codes.push("n/a".to_owned());
            } else {
                run += 1;
            }
            write!(text, "{:>14}", codes.join(" ")).expect("a string");
        }
        text.push('\n');
    }
    let spared: usize = why.values().map(Vec::len).sum();
    writeln!(text, "\n{} cells: {run} run ({runs} temperaments), {spared} not applicable", run + spared)
        .expect("a string");
    for (reason, of) in why {
        writeln!(text, "not applicable, {reason}: {}", of.join(", ")).expect("a string");
    }
    text
}
