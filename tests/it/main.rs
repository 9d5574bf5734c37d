//! The tests: one binary, one module for each subject. `tests/README.md` says what runs where.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start processes, servers and clocks")]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, and says why in the message")]

mod apply;
mod backup_files;
mod backup_rotation;
mod backups;
mod bad_files;
mod check;
mod cli;
mod clone;
mod conformance;
mod data_url;
mod destroy;
mod disaster;
mod disk;
mod emulator;
mod emulator_runs;
mod heal;
mod heal_faults;
mod healings;
mod health;
mod http;
mod image;
mod import;
mod import_law;
mod job_files;
mod job_set;
mod json_errors;
mod killed;
mod laws;
mod lint;
mod lint_rules;
mod masking;
mod model;
mod mutations;
mod old_dkron;
mod old_script;
mod recover;
mod recoveries;
mod render;
mod report;
mod rewrite;
mod rewrite_laws;
mod rig;
mod s3;
mod schedule;
mod sequences;
mod server;
mod shelf;
mod snapshot;
mod stores;
mod tidy;
mod tls;
mod trust;
mod writes;
