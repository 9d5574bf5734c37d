//! The tests: one binary, one module for each subject. `tests/README.md` says what runs where.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start processes, servers and clocks")]

mod apply;
mod cli;
mod conformance;
mod data_url;
mod emulator;
mod emulator_runs;
mod http;
mod render;
mod rig;
mod schedule;
mod server;
mod trust;
mod writes;
