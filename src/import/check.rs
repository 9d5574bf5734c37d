//! Whether files give the jobs again.

use std::collections::BTreeMap;

use crate::job::{Desired, Job};
use crate::render::{Problems, Source, Sources, TableFormat, render};
use crate::table::Table;

use super::{Given, ImportedFile, Refused};

/// Jobs whose names no template can give.
pub(super) fn names(jobs: &[Job], given: &Given) -> Vec<Refused> {
    let prefix = given.name_prefix.as_str();
    let mut refused = Vec::new();
    let mut refuse = |job: &Job, field: &str, problem: String| {
        refused.push(Refused { job: job.name.to_string(), field: field.to_owned(), problem });
    };
    for (index, job) in jobs.iter().enumerate() {
        if index > 0 && jobs.get(index - 1).is_some_and(|before| before.name == job.name) {
            refuse(job, "name", "there are two jobs of this name".to_owned());
        }
        for (field, name) in [("name", &*job.name), ("parent_job", job.parent_job.as_str())] {
            if !name.starts_with(prefix) && (field == "name" || !name.is_empty()) {
                refuse(job, field, format!("`{name}` does not begin with the name prefix `{prefix}`"));
            } else if !name.is_empty() && name == prefix {
                refuse(job, field, format!("there is nothing in it but the name prefix `{prefix}`"));
            }
        }
    }
    refused
}

/// Renders the files, and compares what comes out with the jobs.
///
/// # Errors
/// What comes first of what is wrong.
pub(super) fn files(files: &[ImportedFile], jobs: &[Job], given: &Given) -> Result<(), Refused> {
    compare(files, jobs.iter(), given)
}

/// As [`files`], for some of the jobs.
pub(super) fn compare<'j>(
    files: &[ImportedFile],
    jobs: impl Iterator<Item = &'j Job> + Clone,
    given: &Given,
) -> Result<(), Refused> {
    let first = jobs.clone().next().map(|job| job.name.to_string()).unwrap_or_default();
    let desired = rendered(files, given).map_err(|problems| refused(first, files, &problems))?;
    let mut count = 0;
    for job in jobs {
        count += 1;
        let Some(wanted) = desired.jobs.get(&job.name) else {
            let problem = "it is not among the jobs that come out".to_owned();
            return Err(Refused { job: job.name.to_string(), field: String::new(), problem });
        };
        if wanted.job != *job {
            let field = job.diff(&wanted.job).into_iter().next().map(|change| change.field).unwrap_or_default();
            let problem = "another value comes out when it is rendered".to_owned();
            return Err(Refused { job: job.name.to_string(), field, problem });
        }
    }
    if desired.jobs.len() == count {
        return Ok(());
    }
    Err(Refused { job: String::new(), field: String::new(), problem: "more jobs come out than went in".to_owned() })
}

fn rendered(files: &[ImportedFile], given: &Given) -> Result<Desired, Problems> {
    let mut sources = Sources { templates: Vec::new(), tables: BTreeMap::new() };
    for file in files {
        let source = Source { file: file.path.clone(), text: file.text.clone() };
        match file.path.strip_prefix("data/").and_then(|name| name.strip_suffix(".csv")) {
            Some(name) => drop(sources.tables.insert(name.to_owned(), Table::parse(&source, TableFormat::Csv, None)?)),
            None => sources.templates.push(source),
        }
    }
    render(&sources, &given.context())
}

/// The first problem, with the field that it is in.
fn refused(job: String, files: &[ImportedFile], problems: &Problems) -> Refused {
    let Some(problem) = problems.iter().next() else {
        return Refused { job, field: String::new(), problem: String::new() };
    };
    let file = files.iter().find(|file| file.path == problem.file());
    let field = file.zip(problem.position()).map(|(file, (line, _))| field_at(&file.text, line)).unwrap_or_default();
    Refused { job, field, problem: problem.to_string() }
}

/// The field that a line of a template is about: the last key at or above it, and the one that this stands in.
fn field_at(text: &str, line: usize) -> String {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let key = |line: &str| line.split(':').next().unwrap_or_default().trim().trim_matches('"').to_owned();
    let mut nested = None;
    for line in lines.into_iter().rev() {
        if !line.starts_with([' ', '#', '-']) {
            return match nested {
                Some(nested) if line.ends_with(':') => format!("{}.{nested}", key(line)),
                _ => key(line),
            };
        }
        if nested.is_none() && line.starts_with("  ") && !line.starts_with("   ") {
            nested = Some(key(line));
        }
    }
    String::new()
}
