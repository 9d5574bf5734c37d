//! Stretches of a day as the fewest bytes of SVG: a lane is one path and a dash pattern, however often a job runs.

use std::fmt::Write;

use minijinja::Value;

/// The length of the day that is drawn, in seconds: lanes are as many units wide.
pub(super) const DAY: i64 = 86_400;
/// How long a tick is: about a pixel of a lane that is 1,000 pixels wide.
const TICK: i64 = 80;
/// Ticks with less than this between them are drawn as one: nobody could see the slit.
const SLIT: i64 = 40;

/// A stretch of time in seconds from the start of the day: from, and up to but without.
pub(super) type Span = (i64, i64);

/// One path along a lane: a line from here to there, with a dash for each stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strip {
    from: i64,
    to: i64,
    /// The pattern: how long it is there and how long it is not, in turn; empty for a line without a break.
    dash: String,
}

impl Strip {
    /// The path of these stretches, which are in order and apart; `None` where there are none.
    pub(super) fn of(spans: &[Span]) -> Option<Self> {
        let (&(from, _), &(last, to)) = (spans.first()?, spans.last()?);
        let pairs: Vec<_> = spans.windows(2).map(|pair| (pair[0].1 - pair[0].0, pair[1].0 - pair[0].1)).collect();
        let mut period = period(&pairs);
        // The line ends where the last stretch does, so that one may be cut short, but not be longer than the pattern has it.
        let repeats = pairs.get(pairs.len() % period.max(1)).is_some_and(|(on, _)| *on >= to - last);
        let mut dash = String::new();
        if !repeats {
            period = pairs.len();
        }
        for (on, off) in &pairs[..period] {
            let _ = write!(dash, "{on} {off} ");
        }
        if !repeats && period > 0 {
            let _ = write!(dash, "{} 0", to - last);
        }
        Some(Self { from, to, dash: dash.trim_end().to_owned() })
    }

    /// About how many bytes the element takes.
    pub(super) fn bytes(&self) -> usize {
        self.dash.len() + 60
    }

    /// The element, of this class of the style sheet and with its middle at this height. There are only numbers in it.
    pub(super) fn path(&self, class: &'static str, y: usize) -> String {
        let Self { from, to, dash } = self;
        let dash = if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") };
        format!("<path class={class} d=\"M{from} {y}H{to}\"{dash}/>")
    }

    /// The ticks of these runs, in seconds from the start of the day; and the stretches in which they are too close to be told
    /// apart.
    pub(super) fn of_runs(runs: &[i64]) -> [Option<Self>; 2] {
        let spans = joined(runs.iter().map(|run| (*run, run + TICK)), SLIT);
        let (single, dense): (Vec<_>, Vec<_>) = spans.into_iter().partition(|(from, to)| to - from == TICK);
        let within = |spans: Vec<Span>| spans.into_iter().map(|(from, to)| (from, to.min(DAY))).collect::<Vec<_>>();
        [Self::of(&within(single)), Self::of(&within(dense))]
    }
}

/// Stretches in order, as fewer where less than `slit` lies between two.
pub(super) fn joined(spans: impl Iterator<Item = Span>, slit: i64) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for (from, to) in spans.filter(|(from, to)| from < to) {
        match joined.last_mut() {
            Some(last) if from - last.1 < slit => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// The length of the shortest beginning that, said over and over, gives the whole: by the failure function of Knuth, Morris
/// and Pratt.
fn period(pairs: &[(i64, i64)]) -> usize {
    let mut borders = vec![0; pairs.len()];
    let mut border = 0;
    for at in 1..pairs.len() {
        while border > 0 && pairs[at] != pairs[border] {
            border = borders[border - 1];
        }
        border += usize::from(pairs[at] == pairs[border]);
        borders[at] = border;
    }
    pairs.len() - borders.last().copied().unwrap_or_default()
}

/// An area under steps, each of them one unit wide: `v` and `h` only, as nothing else is shorter.
pub(super) fn steps(heights: &[usize]) -> Value {
    let mut path = String::from("M0 0");
    let mut before = 0_i64;
    for level in heights.chunk_by(|a, b| a == b) {
        let height = i64::try_from(level.first().copied().unwrap_or_default()).unwrap_or(i64::MAX);
        if height != before {
            let _ = write!(path, "v{}", height - before);
        }
        let _ = write!(path, "h{}", level.len());
        before = height;
    }
    let _ = write!(path, "v{}z", -before);
    Value::from_safe_string(path)
}
