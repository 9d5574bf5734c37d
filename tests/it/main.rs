//! The tests: one binary, one module for each subject.
mod conformance;
mod http;
mod schedule;
