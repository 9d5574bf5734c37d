//! The status as tables, for a terminal or a log.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use jiff::{SignedDuration, Timestamp};

use crate::job::printable;

use super::{CacheStatus, Drift, JobStatus, Next, State, Status};

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// In characters.
    pub width: usize,
    /// In lines; `None` for as many as are wanted.
    pub height: Option<usize>,
}

const BAD: Style = AnsiColor::Red.on_default().bold();
const POOR: Style = AnsiColor::Yellow.on_default();
const GOOD: Style = AnsiColor::Green.on_default();
const NEW: Style = AnsiColor::Cyan.on_default();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const PLAIN: Style = Style::new();

/// A name may be cut down to this many characters before whole columns go.
const SHORTEST_NAME: usize = 24;
/// The column that goes first.
const SCHEDULE: &str = "SCHEDULE";
/// Columns at the end that hold free text, and how short that may get.
const FREE: [&str; 2] = [SCHEDULE, "JOBS"];
const SHORTEST_TEXT: usize = 12;
/// Between two columns.
const GAP: &str = "  ";

impl State {
    fn style(self) -> Style {
        match self {
            Self::Stuck | Self::NotScheduled | Self::ScheduledDifferently | Self::Stale | Self::Missing => BAD,
            Self::Unrefreshed | Self::Late => POOR,
            Self::Never => NEW,
            Self::Fresh => GOOD,
            Self::Untimed | Self::Off => DIM,
        }
    }
}

/// One cell.
struct Cell {
    text: String,
    style: Style,
}

fn cell(text: impl Into<String>, style: Style) -> Cell {
    let text = text.into();
    Cell { text: printable(&text).into_owned(), style }
}

/// A line of a table and what stands below it.
struct Row {
    cells: Vec<Cell>,
    /// What is to be said, one a line.
    below: Vec<Cell>,
}

/// A table whose second column is the name.
struct Table {
    head: Vec<&'static str>,
    rows: Vec<Row>,
}

const NAME: usize = 1;

impl Status {
    /// Writes the status as text with ANSI styles; whoever shows it takes them off where they are not wanted.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_text(&self, out: &mut dyn Write, screen: Screen) -> io::Result<()> {
        let foot = self.foot();
        let (caches, jobs) = (self.cache_table(), self.job_table());
        // The blank line above the foot, and the line that the cursor is left on.
        let room = screen.height.map(|height| height.saturating_sub(foot.len() + 2));
        let rest = match room {
            Some(room) if !caches.rows.is_empty() => {
                let most =
                    if jobs.rows.is_empty() { room } else { (room / 3).max(room.saturating_sub(jobs.height() + 1)) };
                let used = caches.write(out, screen.width, Some(most))?;
                writeln!(out)?;
                Some(room.saturating_sub(used + 1))
            }
            None if !caches.rows.is_empty() => {
                caches.write(out, screen.width, None)?;
                writeln!(out)?;
                None
            }
            room => room,
        };
        if !jobs.rows.is_empty() {
            jobs.write(out, screen.width, rest)?;
            writeln!(out)?;
        }
        for Cell { text, style } in &foot {
            // Where lines are counted none may be broken.
            let text = if screen.height.is_some() { &cut_middle(text, screen.width) } else { text };
            writeln!(out, "{style}{text}{style:#}")?;
        }
        Ok(())
    }

    /// What stands below the tables: what could not be told, the counts, and when it was looked at.
    fn foot(&self) -> Vec<Cell> {
        let warnings = self.warnings.iter().map(|warning| cell(format!("warning: {warning}"), POOR));
        let mut foot: Vec<_> = warnings.collect();
        foot.extend(self.unhealthy().map(|line| cell(line, BAD)));
        foot.extend(self.summary.lines().into_iter().map(|line| cell(line, BOLD)));
        let version = self.version.as_ref().map_or_else(String::new, |version| format!(" {version}"));
        let dkron = self.dkron.trim_end_matches('/');
        let at = self.at.map(second).unwrap_or_default();
        foot.push(cell(format!("{at} by the clock of Dkron{version} at {dkron}; {}", self.owner), DIM));
        foot
    }

    fn cache_table(&self) -> Table {
        let row = |cache: &CacheStatus| {
            let state = cell(cache.state.word(), cache.state.style());
            let jobs = match (cache.notes.as_slice(), cache.jobs.as_slice()) {
                ([], []) => cell("-", DIM),
                ([], [one]) => cell(one, PLAIN),
                ([], [first, more @ ..]) => cell(format!("{first} and {} more", more.len()), PLAIN),
                // The state has said the first half already.
                ([note, ..], _) => cell(note.trim_start_matches("not refreshed: "), cache.state.style()),
            };
            let cells =
                vec![state, cell(&cache.name, PLAIN), ago(cache.age, cache.state), ttl(cache.soft, cache.hard), jobs];
            Row { cells, below: Vec::new() }
        };
        Table { head: vec!["STATE", "CACHE", "SUCCESS", "TTL", "JOBS"], rows: self.caches.iter().map(row).collect() }
    }

    fn job_table(&self) -> Table {
        let at = self.at.unwrap_or(Timestamp::UNIX_EPOCH);
        let row = |job: &JobStatus| {
            let state = match job.state {
                State::Untimed if job.failed => cell("failed", POOR),
                State::Untimed => cell("-", DIM),
                state => cell(state.shown(), state.style()),
            };
            let mut schedule = job.schedule.clone();
            if !job.timezone.is_empty() {
                schedule = format!("{schedule} ({})", job.timezone);
            }
            let drift = if job.drift.is_some() { POOR } else { DIM };
            let cells = vec![
                state,
                cell(&job.name, PLAIN),
                ago(job.age, job.state),
                ttl(job.soft, job.hard),
                next(&job.next, at),
                cell(job.drift.word(), drift),
                cell(schedule, DIM),
            ];
            Row { cells, below: below(job, at) }
        };
        let mut head = vec!["STATE", "JOB", "SUCCESS", "TTL", "NEXT", "DRIFT", SCHEDULE];
        let mut rows: Vec<_> = self.jobs.iter().map(row).collect();
        // A column that says the same of all says nothing.
        if self.jobs.iter().all(|job| job.drift == Drift::Unknown) {
            head.retain(|title| *title != "DRIFT");
            for row in &mut rows {
                row.cells.remove(5);
            }
        }
        Table { head, rows }
    }
}

/// What is to be said of a job below its line.
fn below(job: &JobStatus, at: Timestamp) -> Vec<Cell> {
    let mut lines: Vec<_> = job.notes.iter().map(|note| cell(note, job.state.style())).collect();
    if let Some(running) = job.running {
        let (text, style) = match job.timeout {
            Some(timeout) if running > timeout => {
                (format!("running for {}, longer than its timeout of {}", time(running), time(timeout)), POOR)
            }
            Some(timeout) => (format!("running for {}, with a timeout of {}", time(running), time(timeout)), NEW),
            None => (format!("running for {}", time(running)), NEW),
        };
        lines.push(cell(text, style));
    }
    if let (true, Some(then)) = (job.failed, job.last_error) {
        let when = time(at.duration_since(then).max(SignedDuration::ZERO));
        let what = job.error.as_deref().map_or_else(String::new, |error| format!(": {error}"));
        lines.push(cell(format!("failed {when} ago{what}"), POOR));
    }
    lines
}

impl Table {
    /// How many lines it has with its head.
    fn height(&self) -> usize {
        1 + self.rows.iter().map(Row::height).sum::<usize>()
    }

    /// Writes it in at most so many lines, and tells how many they were.
    fn write(&self, out: &mut dyn Write, width: usize, most: Option<usize>) -> io::Result<usize> {
        let widths = self.widths(width);
        let head: Vec<_> = self.head.iter().map(|title| cell(*title, DIM)).collect();
        line(out, &head, &widths)?;
        let mut used = 1;
        let fits = most.is_none_or(|most| self.height() <= most);
        for (index, row) in self.rows.iter().enumerate() {
            if !fits && most.is_some_and(|most| used + row.height() >= most) {
                writeln!(out, "{DIM}… and {} more that are no worse{DIM:#}", self.rows.len() - index)?;
                return Ok(used + 1);
            }
            line(out, &row.cells, &widths)?;
            for Cell { text, style } in &row.below {
                writeln!(out, "    {style}{}{style:#}", cut_middle(text, width.saturating_sub(4)))?;
            }
            used += row.height();
        }
        Ok(used)
    }

    /// The widths of the columns that there is room for. Free texts at the end get shorter first, then schedules go, then names get
    /// shorter, and then the other columns go, the last ones first.
    fn widths(&self, width: usize) -> Vec<usize> {
        let longest = |index: usize| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(index)).map(|cell| cell.text.chars().count());
            cells.chain(self.head.get(index).map(|title| title.len())).max().unwrap_or_default()
        };
        let mut widths: Vec<_> = (0..self.head.len()).map(longest).collect();
        loop {
            let others: usize =
                widths.iter().enumerate().filter(|(index, _)| *index != NAME).map(|(_, width)| width + GAP.len()).sum();
            let left = width.saturating_sub(others);
            if widths[NAME] <= left {
                return widths;
            }
            let last = widths.len() - 1;
            let title = self.head.get(last).copied().unwrap_or_default();
            if FREE.contains(&title) && widths[last] > SHORTEST_TEXT {
                widths[last] = widths[last].saturating_sub(widths[NAME] - left).max(SHORTEST_TEXT);
                continue;
            }
            if title == SCHEDULE {
                widths.pop();
                continue;
            }
            if left >= SHORTEST_NAME || widths.len() <= NAME + 2 {
                widths[NAME] = left.max(1);
                return widths;
            }
            widths.pop();
        }
    }
}

impl Row {
    fn height(&self) -> usize {
        1 + self.below.len()
    }
}

fn line(out: &mut dyn Write, cells: &[Cell], widths: &[usize]) -> io::Result<()> {
    let shown = cells.iter().zip(widths);
    let last = shown.len().saturating_sub(1);
    for (index, (Cell { text, style }, &width)) in shown.enumerate() {
        let text = cut_middle(text, width);
        write!(out, "{style}{text}{style:#}")?;
        if index < last {
            let blanks = width - text.chars().count() + GAP.len();
            write!(out, "{:blanks$}", "")?;
        }
    }
    writeln!(out)
}

fn ago(age: Option<SignedDuration>, state: State) -> Cell {
    let style = if matches!(state, State::Stale | State::Late) { state.style() } else { PLAIN };
    match age {
        Some(age) => cell(format!("{} ago", time(age)), style),
        None => cell("never", DIM),
    }
}

fn ttl(soft: Option<SignedDuration>, hard: Option<SignedDuration>) -> Cell {
    match (soft, hard) {
        (Some(soft), Some(hard)) if soft != hard => cell(format!("{} / {}", time(soft), time(hard)), PLAIN),
        (Some(soft), _) => cell(time(soft), PLAIN),
        (None, _) => cell("-", DIM),
    }
}

fn next(next: &Next, now: Timestamp) -> Cell {
    match next {
        Next::Parent { parent } => cell(format!("after {}", cut_middle(parent, SHORTEST_NAME)), PLAIN),
        Next::Hand => cell("by hand", DIM),
        Next::Never => cell("-", DIM),
        Next::Schedule { at } | Next::Dkron { at } if *at >= now => {
            cell(format!("in {}", time(at.duration_since(now))), PLAIN)
        }
        Next::Schedule { at } | Next::Dkron { at } => cell(format!("{} overdue", time(now.duration_since(*at))), POOR),
    }
}

/// A time as people say it, in its two largest units: `2h 3m`.
fn time(time: SignedDuration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(size, _)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in units.iter().skip(first).take(2) {
        if rest / size > 0 || parts.is_empty() {
            parts.push(format!("{}{unit}", rest / size));
        }
        rest %= size;
    }
    parts.join(" ")
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Cut in the middle: many names begin alike, and an error's end says most.
fn cut_middle(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let tail = width.saturating_sub(1) / 2;
    let head = width.saturating_sub(1) - tail;
    text.chars().take(head).chain(['…']).chain(text.chars().skip(length - tail)).collect()
}
