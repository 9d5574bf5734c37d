//! Links a release without the tables by which a panic would be unwound: here a panic ends the process, and they are a tenth of the
//! program. What a panic then lacks is its backtrace, which would name nothing in a stripped program.
//!
//! `release/build` says `-C force-unwind-tables=no` instead, before the linker. A profile cannot say that, and tests, which do unwind,
//! cannot be built with it.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a build script speaks to cargo by its output")]

use std::env;

fn main() {
    let said = |name: &str| env::var(name).unwrap_or_default();
    println!("cargo::rerun-if-changed=release/no-unwinding.ld");
    // Where rustc brings its own linker, and nobody has chosen another: not each understands such a script.
    let is_usual = said("RUSTC_LINKER").is_empty() && said("CARGO_ENCODED_RUSTFLAGS").is_empty();
    if said("PROFILE") == "release" && said("TARGET") == "x86_64-unknown-linux-gnu" && is_usual {
        println!("cargo::rustc-link-arg-bins=-T");
        println!("cargo::rustc-link-arg-bins={}/release/no-unwinding.ld", said("CARGO_MANIFEST_DIR"));
    }
}
