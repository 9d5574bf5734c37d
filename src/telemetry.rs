//! Log lines on standard error, with every known secret masked, and a progress bar where someone watches.

#![allow(clippy::disallowed_methods, reason = "it writes to standard error")]

use std::io::{self, IsTerminal, Write};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::job::{LineStyle, printable_lines};
use crate::report::Masker;
use crate::settings::{LogFormat, LogLevel};

static MASKER: RwLock<Masker> = RwLock::new(Masker::NONE);

/// The form that `format` stands for here: JSON where nobody watches.
pub fn log_format(format: LogFormat) -> LogFormat {
    match format {
        LogFormat::Auto if io::stderr().is_terminal() => LogFormat::Plain,
        LogFormat::Auto => LogFormat::Json,
        chosen => chosen,
    }
}

/// Starts logging. A second call changes nothing.
pub fn start(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // The clients of object stores say something at each try.
    let theirs = if level == LevelFilter::INFO { LevelFilter::WARN } else { level };
    let filter = Targets::new().with_default(level).with_target("object_store", theirs);
    let colour = colour();
    let lines = match log_format(format) {
        LogFormat::Json => LineStyle::Json,
        LogFormat::Plain | LogFormat::Auto if colour => LineStyle::Coloured,
        LogFormat::Plain | LogFormat::Auto => LineStyle::Plain,
    };
    let layer = fmt::layer().with_writer(Masked(lines)).with_target(false);
    let registry = tracing_subscriber::registry();
    // An embedding program may have set a subscriber of its own: that one is used then.
    let _ = match log_format(format) {
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).with_current_span(false).with_span_list(false);
            registry.with(layer.with_filter(filter)).try_init()
        }
        LogFormat::Plain | LogFormat::Auto => {
            registry.with(layer.without_time().with_ansi(colour).with_filter(filter)).try_init()
        }
    };
}

/// Whether standard error wants colour (`NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and `TERM` are honoured).
pub fn colour() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Writes to standard error what is no log line, with every known secret masked and no character that cannot be seen.
pub fn say(text: &str) {
    // There is nowhere left to say that standard error is closed.
    let lines = if colour() { LineStyle::Coloured } else { LineStyle::Plain };
    let _ = Masked(lines).write_all(text.as_bytes());
}

/// A text with every secret masked that is known by now.
pub fn masked(text: &str) -> String {
    MASKER.read().unwrap_or_else(PoisonError::into_inner).text(text)
}

/// What masks every secret that is known by now. Before one is, what looks like a secret is masked all the same.
pub fn masker() -> Masker {
    MASKER.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// From now on these secrets too are masked in every log line, and in what is made with [`masker`].
pub fn hide(secrets: impl IntoIterator<Item = String>) {
    let mut masker = MASKER.write().unwrap_or_else(PoisonError::into_inner);
    let all = masker.with(secrets);
    *masker = all;
}

/// Standard error with secrets masked, and every character visible; tracing hands over one line at a time.
#[derive(Debug, Clone, Copy)]
struct Masked(LineStyle);

impl Write for Masked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = masked(&String::from_utf8_lossy(bytes));
        io::stderr().write_all(printable_lines(&text, self.0).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Masked {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

/// A progress bar for this many writes on a terminal, nothing elsewhere.
pub fn progress(writes: usize) -> ProgressBar {
    if !io::stderr().is_terminal() || writes == 0 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(writes as u64), ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} jobs, {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}
