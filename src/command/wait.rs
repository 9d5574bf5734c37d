//! `wait`: returns once Dkron can be trusted.

use crate::report::shown_url;
use crate::settings::DkronSettings;
use crate::shutdown::Shutdown;

use super::connect::dkron;
use super::{Ending, Error, or_stop};

pub(super) async fn run(settings: &DkronSettings, shutdown: &Shutdown) -> Result<Ending, Error> {
    let dkron = dkron(settings)?;
    or_stop(shutdown, dkron.wait()).await?;
    let last = format!("Dkron at {} can be trusted", shown_url(&dkron.url));
    tracing::info!("{last}");
    Ok(Ending::done(last))
}
