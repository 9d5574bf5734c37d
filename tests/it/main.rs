//! The tests: one binary, one module for each subject.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, and says why in the message")]

mod laws;
mod masking;
mod model;
mod report;
mod sequences;
