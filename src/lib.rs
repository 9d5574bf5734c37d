//! Keeps the jobs of a Dkron scheduler as code.

pub mod apply;
pub mod cli;
pub mod dkron;
pub mod exit;
pub mod job;
pub mod plan;
pub mod report;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
