//! Keeps the jobs of a Dkron scheduler as code.

pub mod job;
pub mod plan;
pub mod report;
