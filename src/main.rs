//! The program: hands arguments and environment to the library, and its verdict to the operating system.

#![allow(clippy::disallowed_methods, reason = "the one place where arguments and environment are read")]

use std::env;
use std::process;

use tokio::runtime::Builder;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> process::ExitCode {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            dkron_jobs::telemetry::say(&format!("error: the runtime does not start: {error}\n"));
            return dkron_jobs::exit::ExitCode::Failed.number().into();
        }
    };
    let exit = runtime.block_on(dkron_jobs::command::run(env::args_os().collect(), env::vars_os()));
    // A resolver that hangs in a thread of its own is not waited for.
    runtime.shutdown_background();
    exit.number().into()
}
