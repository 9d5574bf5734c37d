//! Jobs to template files: how an existing installation moves in.
//!
//! What is written is what a person would write: hosts of this namespace by `service()`, bodies and headers as maps, defaults left
//! out, jobs that differ only in values as one template with a data table. None of it is trusted: [`import`] renders the files
//! in memory and compares every value with the source. What does not come out the same is written more plainly, and what cannot
//! be written at all is an error.

mod check;
mod columns;
mod doc;
mod files;
mod fold;
mod hosts;
mod json;
mod leaf;
mod node;
mod notes;
mod similar;
mod write;

use std::collections::BTreeMap;

use crate::job::{Job, printable};
use crate::render::Context;

use self::doc::{Care, document};
use self::files::Set;
use self::fold::fold;

/// Fewer jobs than this are no table.
const FEWEST: usize = 3;

/// Where the jobs are from, and what `render` will be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The source in words, for the comment at the top of each file: `the Dkron at http://dkron:8080`.
    pub source: String,
    /// `namespace`.
    pub namespace: String,
    /// `release`.
    pub release: String,
    /// `cluster_domain`.
    pub cluster_domain: String,
    /// What every job's name and every parent's begins with, and what templates leave out; empty for nothing.
    pub name_prefix: String,
}

impl Given {
    fn context(&self) -> Context {
        Context {
            namespace: self.namespace.clone(),
            release: self.release.clone(),
            cluster_domain: self.cluster_domain.clone(),
            name_prefix: self.name_prefix.clone(),
            vars: BTreeMap::new(),
            // What the jobs' Dkron has taken is for that Dkron to judge.
            allow_unknown_schedules: true,
        }
    }
}

/// Templates and data tables, and what people should know of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The files, by their paths.
    pub files: Vec<ImportedFile>,
    /// What to look at, one sentence each: secrets in clear, parents that are not among the jobs.
    pub notes: Vec<String>,
    /// Whether a job has a schedule or time zone that we do not know: `render` takes the files only with
    /// `--allow schedule-invalid`.
    pub needs_allowance: bool,
}

/// A file to write into a folder of templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedFile {
    /// Its path in the folder, with `/`: `refresh.yaml`, `data/refresh.csv`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// A job that no template gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its name.
    pub job: String,
    /// The field's path in Dkron's names; empty where it is the job as a whole.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Why nothing was made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ImportError {
    /// Jobs that no template gives; never empty. Without them the others can be imported.
    #[error("{}", .0.iter().map(|job| job.one_line("change it in Dkron, or leave this job out")).collect::<Vec<_>>().join("\n"))]
    Refused(Vec<Refused>),
    /// A defect of ours: each template is right by itself, and all together are not.
    #[error("the templates do not give the jobs again when rendered together, though each of them does: {}", .0.one_line(
        "this is a defect of dkron-jobs: report it, and import fewer jobs at once (`--only`)"
    ))]
    Together(Refused),
}

impl Refused {
    fn one_line(&self, remedy: &str) -> String {
        let field = if self.field.is_empty() { String::new() } else { format!(", field `{}`", printable(&self.field)) };
        format!("job `{}`{field}: {}; {remedy}", printable(&self.job), printable(&self.problem))
    }
}

/// Makes template files of these jobs, whose stamps are left aside. With what is `given` and no other variable, `render` of the
/// files is the jobs, value for value; that has been tried when this returns. The same jobs in any order give the same files.
///
/// # Errors
/// Every job that no template gives, such as one whose name Dkron would refuse.
pub fn import(mut jobs: Vec<Job>, given: &Given) -> Result<Imported, ImportError> {
    for job in &mut jobs {
        job.stamp = None;
    }
    jobs.sort_by(|one, other| one.name.cmp(&other.name));
    let refused = check::names(&jobs, given);
    if !refused.is_empty() {
        return Err(ImportError::Refused(refused));
    }
    let neat: Vec<_> = jobs.iter().map(|job| document(job, given, Care::Neat)).collect();
    let names: Vec<_> = jobs.iter().map(|job| &*job.name).collect();
    let (units, tables) = fold(&neat, &names);
    let mut set = Set::new(&jobs, given, units, tables);
    loop {
        let files = set.files();
        let Err(problem) = check::files(&files, &jobs, given) else {
            let needs_allowance = jobs.iter().any(|job| job.unknown_time().is_some());
            return Ok(Imported { notes: notes::notes(&jobs), files, needs_allowance });
        };
        let mut units = Vec::with_capacity(set.units.len());
        let mut refused = Vec::new();
        for unit in &set.units {
            let Err(problem) = set.check(unit) else {
                units.push(unit.clone());
                continue;
            };
            let singles = || unit.members.iter().copied();
            match unit.members.as_slice() {
                // A fold that does not give the same is undone.
                _ if unit.table.is_some() => units.extend(singles().filter_map(|job| set.single(job, Care::Neat))),
                _ if set.is_verbatim(unit) => refused.push(problem),
                _ => units.extend(singles().filter_map(|job| set.single(job, Care::Verbatim))),
            }
        }
        if !refused.is_empty() {
            return Err(ImportError::Refused(refused));
        }
        if units.len() == set.units.len() && units.iter().zip(&set.units).all(|(new, old)| new.document == old.document)
        {
            return Err(ImportError::Together(problem));
        }
        set.units = units;
    }
}
