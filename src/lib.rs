//! Keeps the jobs of a Dkron scheduler as code.
//!
//! # One path for data
//!
//! ```text
//! env + namespace + data + jobs-templates/ --render--> desired --\
//! backup --------------------------------- snapshot --> desired ---> plan --> apply --> verify --> report
//! Dkron ---- wait (leader, barrier) ------------------- live ----/
//! ```
//!
//! # Where things are, in the order to read them
//!
//! | module | what it is | pure |
//! |---|---|---|
//! | [`job`] | a job in canonical form, its stamp, and what differs between two | yes |
//! | [`json`] | JSON as text: objects cut out of a text, and compact writing | yes |
//! | [`schedule`] | Dkron's schedule dialect: refusals, run times, gaps | yes |
//! | [`table`] | data tables: rows of named columns | yes |
//! | [`render`] | templates to desired jobs | yes |
//! | [`rewrite`] | jobs of one namespace, made to be another's | yes |
//! | [`import`] | jobs to templates: `render` of them is the jobs again | yes |
//! | [`cache`] | the caches of table `cache_param`, and which job keeps which fresh | yes |
//! | [`lint`] | what is wrong with jobs that Dkron accepts | yes |
//! | [`page`] | what lint found, as one HTML file with the day drawn | yes |
//! | [`plan`] | desired and live to what must be written, in which order | yes |
//! | [`status`] | how jobs and caches are doing, as tables, JSON and metrics | yes |
//! | [`snapshot`] | files of many jobs: reading, writing, judging and rotating backups | yes |
//! | [`report`] | a plan and its outcomes for people and machines, masked | yes |
//! | [`settings`] | flags and environment to typed settings | yes |
//! | [`disk`], [`fetch`] | templates, tables and variables from files and URLs | no |
//! | [`store`] | backups in directories and object stores, and files of jobs | no |
//! | [`dkron`] | waiting for Dkron, reading and writing it | no |
//! | [`apply`] | carries a plan out and proves it | no |
//! | [`command`] | the commands: gather, decide, act, report | no |
//! | [`cli`], [`exit`] | the command line, its help, and exit codes | yes |
//! | [`shutdown`], [`telemetry`] | signals, and the log | no |
//!
//! # What is never so
//!
//! - A pure module never sees a file, a socket, a clock or the environment; `clippy.toml` and `tests/it/tidy.rs` hold that.
//! - Nothing is written that a [`plan`] does not say, and a plan leaves no choice to [`apply`].
//! - There is no dry-run switch: a dry run is a plan that nobody applies.
//! - No answer of Dkron's is believed that could be wrong: see [`dkron`].

pub mod apply;
pub mod cache;
pub mod command;
pub mod disk;
pub mod dkron;
pub mod fetch;
pub mod import;
pub mod job;
pub mod json;
pub mod lint;
pub mod page;
pub mod plan;
pub mod render;
pub mod report;
pub mod rewrite;
pub mod schedule;
pub mod settings;
pub mod snapshot;
pub mod status;
pub mod store;
pub mod table;

pub mod cli;
pub mod exit;
pub mod shutdown;
pub mod telemetry;

mod words;
