//! `wait`: returns once Dkron can be trusted.

use crate::exit::ExitCode;
use crate::settings::Settings;
use crate::shutdown::Shutdown;

use super::connect::dkron;
use super::{Ending, Error, or_stop};

pub(super) async fn run(settings: &Settings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let dkron = dkron(&settings.dkron)?;
    or_stop(shutdown, async { Ok(dkron.wait().await?) }).await?;
    let last = format!("Dkron at {} can be trusted", crate::report::shown_url(&dkron.url));
    tracing::info!("{last}");
    Ok(Ending { exit: ExitCode::Done, last })
}
