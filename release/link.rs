//! Links a release without the tables by which a panic would be unwound: here a panic ends the process, nobody reads them, and they are a
//! tenth of the program.
//!
//! `-C force-unwind-tables=no`, which `release/build` gives, does the same before the linker; but a profile cannot say it, and tests,
//! which do unwind, cannot be built with it.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a build script speaks to cargo by its output")]

use std::env;

fn main() {
    let said = |name: &str| env::var(name).unwrap_or_default();
    println!("cargo::rerun-if-changed=release/no-unwinding.ld");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    // Not each linker that somebody may have chosen understands such a script, and whoever gives flags may have.
    let is_usual = said("RUSTC_LINKER").is_empty() && said("CARGO_ENCODED_RUSTFLAGS").is_empty();
    if said("PROFILE") == "release" && said("CARGO_CFG_TARGET_OS") == "linux" && is_usual {
        let folder = said("CARGO_MANIFEST_DIR");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/release/no-unwinding.ld");
    }
}
