//! SIGTERM and SIGINT: after the first what is in hand is brought to its end and nothing is begun, the second ends everything.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it waits for signals beside the work")]

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::exit::ExitCode;

/// How long after the signal what is in doubt or must be written is still looked after: Kubernetes kills after 30 s, and a request
/// that is under way may take half of them.
const GRACE: Duration = Duration::from_secs(10);

/// Which signal told us to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What Kubernetes sends before it kills.
    Terminate,
}

impl Signal {
    /// How a run that this signal stopped ends.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Interrupt => ExitCode::Interrupted,
            Self::Terminate => ExitCode::Terminated,
        }
    }

    /// The signal's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// Tells whether we were told to stop.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<Option<(Signal, Instant)>>);

impl Shutdown {
    /// Listens from now on. A second signal ends the process at once, with that signal's exit code.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub fn listen() -> io::Result<Self> {
        let (sender, receiver) = watch::channel(None);
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::spawn(async move {
            loop {
                let got = tokio::select! {
                    _ = interrupt.recv() => Signal::Interrupt,
                    _ = terminate.recv() => Signal::Terminate,
                };
                if sender.borrow().is_some() {
                    // The second signal aborts: nothing in hand is waited for.
                    std::process::exit(got.exit_code().number().into());
                }
                if sender.send(Some((got, Instant::now()))).is_err() {
                    return;
                }
            }
        });
        Ok(Self(receiver))
    }

    /// One that never says stop, for programs that handle signals themselves.
    pub fn never() -> Self {
        Self(watch::channel(None).1)
    }

    /// Whether we were told to stop.
    pub fn is_stopping(&self) -> bool {
        self.signal().is_some()
    }

    /// The signal that told us to stop, if one did.
    pub fn signal(&self) -> Option<Signal> {
        self.0.borrow().map(|(signal, _)| signal)
    }

    /// Returns with the signal once we are told to stop.
    pub async fn stopping(&self) -> Signal {
        self.told().await.0
    }

    /// Returns once what is in hand has had its time after we were told to stop.
    pub async fn out_of_grace(&self) {
        sleep_until(self.told().await.1 + GRACE).await;
    }

    async fn told(&self) -> (Signal, Instant) {
        let mut receiver = self.0.clone();
        let seen = receiver.wait_for(Option::is_some).await.ok().and_then(|told| *told);
        match seen {
            Some(told) => told,
            // Nobody is left who could tell us.
            None => std::future::pending().await,
        }
    }
}
