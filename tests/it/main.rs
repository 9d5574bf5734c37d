//! The tests: one binary, one module for each subject.
mod conformance;
mod emulator;
mod emulator_runs;
mod http;
mod schedule;
