//! Templates, tables and variables from files; imported templates and the page of lint to files.

#![allow(clippy::disallowed_methods, reason = "this module reads and writes files")]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::render::{Problem, Problems, Source, Sources, TableFormat, values as parse_values};
use crate::report::shown_source;
use crate::table::Table;

/// The folder of data tables within a folder of templates.
const DATA: &str = "data";
/// The longest file that is read, in bytes: a template is a few thousand, a table a few million.
const LONGEST_FILE: u64 = 64 << 20;

/// What was found on the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What there is to render.
    pub sources: Sources,
    /// Folders that are not read although something is in them, and folders with nothing in them.
    pub warnings: Vec<String>,
}

/// Reads all templates and data tables.
///
/// Templates are the `.yaml`, `.yml` and `.json` files of `folders` and of folders in them; a file of a later folder replaces its
/// namesake of an earlier one. Tables are those of each folder's `data/`, and `tables` (name to path) before all. Files may be
/// links, as they are where Kubernetes mounts a ConfigMap, and so may each of `folders` and its `data/`.
///
/// # Errors
/// Everything that cannot be read, and every table that is none.
pub fn sources(folders: &[PathBuf], tables: &BTreeMap<String, String>) -> Result<Found, Problems> {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let mut templates = BTreeMap::new();
    let mut files = BTreeMap::new();
    let mut empty = Vec::new();
    for folder in folders {
        let before = problems.len();
        let found = look(folder, &mut problems);
        if found.templates.is_empty() && found.tables.is_empty() && problems.len() == before {
            empty.push(folder.display().to_string());
        }
        templates.extend(found.templates.into_iter().map(|path| (relative(folder, &path), path)));
        files.extend(found.tables);
        warnings.extend(found.unread);
    }
    if templates.is_empty() {
        // A folder of tables for the templates of another one is of no use either, then.
        empty = folders.iter().map(|folder| folder.display().to_string()).collect();
    }
    warnings.extend(empty.into_iter().map(|folder| {
        format!("`{folder}` holds no template (.yaml, .yml, .json): put some there, or name another folder with `--templates`")
    }));
    files.extend(tables.iter().map(|(name, path)| (name.clone(), PathBuf::from(path))));
    let mut sources = Sources { templates: Vec::new(), tables: BTreeMap::new() };
    for path in templates.into_values() {
        match source(&path) {
            Ok(source) => sources.templates.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    read_tables(files, &mut sources.tables, &mut problems);
    Problems::check(problems)?;
    Ok(Found { sources, warnings })
}

/// The data tables alone, as [`sources`] finds them; a folder that is not there has none.
///
/// # Errors
/// Everything that cannot be read, and every table that is none.
pub fn tables(folders: &[PathBuf], tables: &BTreeMap<String, String>) -> Result<BTreeMap<String, Table>, Problems> {
    let mut problems = Vec::new();
    let mut files = BTreeMap::new();
    for folder in folders {
        let mut found = Folder::default();
        table_files(&folder.join(DATA), &mut found, &mut problems);
        files.extend(found.tables);
    }
    files.extend(tables.iter().map(|(name, path)| (name.clone(), PathBuf::from(path))));
    let mut read = BTreeMap::new();
    read_tables(files, &mut read, &mut problems);
    Problems::check(problems)?;
    Ok(read)
}

fn read_tables(files: BTreeMap<String, PathBuf>, read: &mut BTreeMap<String, Table>, problems: &mut Vec<Problem>) {
    for (name, path) in files {
        match table(&path) {
            Ok(table) => drop(read.insert(name, table)),
            Err(problem) => problems.push(problem),
        }
    }
}

/// A YAML or JSON file of variables.
///
/// # Errors
/// It cannot be read, or is no map.
pub fn values(path: &Path) -> Result<BTreeMap<String, Value>, Problems> {
    Ok(parse_values(&source(path)?)?)
}

/// A folder with one file for each variable, as Kubernetes mounts a Secret. One line break at the end is not part of the value.
///
/// # Errors
/// The folder or a file in it cannot be read, or is no text.
pub fn vars_dir(folder: &Path) -> Result<BTreeMap<String, String>, Problems> {
    let remedy = "name a folder with one file for each variable with `--vars-dir` (JOBS_VARS_DIR)";
    let entries = entries(folder).map_err(|error| unreadable(folder, &error, remedy))?;
    let mut vars = BTreeMap::new();
    let mut problems = Vec::new();
    for path in entries.into_iter().filter(|path| path.is_file()) {
        match source(&path) {
            Ok(source) => {
                let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default().to_owned();
                let text = source.text.strip_suffix('\n').unwrap_or(&source.text);
                vars.insert(name, text.strip_suffix('\r').unwrap_or(text).to_owned());
            }
            Err(problem) => problems.push(problem),
        }
    }
    Problems::check(problems)?;
    Ok(vars)
}

/// The names in a folder, sorted. Hidden ones are left out: Kubernetes keeps the real files of a ConfigMap or Secret in them.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.retain(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
    paths.sort();
    Ok(paths)
}

/// What one folder of templates holds.
#[derive(Default)]
struct Folder {
    templates: Vec<PathBuf>,
    tables: BTreeMap<String, PathBuf>,
    /// What is to be said of folders in it that are not read.
    unread: Vec<String>,
}

/// Finds the template files below a folder and the tables in its `data`. Linked folders are not followed, so that it ends.
fn look(folder: &Path, problems: &mut Vec<Problem>) -> Folder {
    let mut found = Folder::default();
    let data = folder.join(DATA);
    let mut links = Vec::new();
    let mut read = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        read.extend(fs::canonicalize(&at));
        let paths = match entries(&at) {
            Ok(paths) => paths,
            Err(error) => {
                let remedy = "name an existing folder of templates with `--templates` (JOBS_TEMPLATES)";
                problems.push(unreadable(&at, &error, remedy));
                continue;
            }
        };
        for path in paths {
            if path == data {
                table_files(&data, &mut found, problems);
            } else if !path.is_dir() {
                found.templates.extend(is_template(&path).then_some(path));
            } else if !path.is_symlink() {
                folders.push(path);
            } else if holds(&path, is_template) {
                links.push(path);
            }
        }
    }
    // One that leads to a folder that is read all the same hides nothing.
    links.retain(|link| fs::canonicalize(link).is_ok_and(|real| !read.contains(&real)));
    found.unread.extend(links.iter().map(|link| {
        format!(
            "`{}` is a link to a folder with templates, and is not followed: name it with `--templates` too, or put the folder itself there",
            link.display()
        )
    }));
    found
}

fn is_template(path: &Path) -> bool {
    matches!(extension(path), "yaml" | "yml" | "json")
}

/// Whether a file of this kind lies in a folder. One that cannot be read is taken for one without.
fn holds(folder: &Path, kind: impl Fn(&Path) -> bool) -> bool {
    entries(folder).is_ok_and(|paths| paths.iter().any(|path| !path.is_dir() && kind(path)))
}

fn relative(folder: &Path, path: &Path) -> PathBuf {
    path.strip_prefix(folder).unwrap_or(path).to_owned()
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(OsStr::to_str).unwrap_or_default()
}

/// Finds the tables in a `data` folder: those directly in it.
fn table_files(data: &Path, found: &mut Folder, problems: &mut Vec<Problem>) {
    if !data.is_dir() {
        return;
    }
    let paths = match entries(data) {
        Ok(paths) => paths,
        Err(error) => return problems.push(unreadable(data, &error, "let it be read")),
    };
    let is_table = |path: &Path| format(path).is_some();
    for path in paths {
        if path.is_dir() {
            if holds(&path, is_table) {
                let shown = path.display();
                found.unread.push(format!(
                    "`{shown}` holds tables that are not read: move them up into `{DATA}`, or name each with `--data`"
                ));
            }
            continue;
        }
        if !is_table(&path) {
            continue;
        }
        let name = path.file_stem().and_then(OsStr::to_str).unwrap_or_default().to_owned();
        if let Some(first) = found.tables.get(&name) {
            problems.push(Problem::of_file(
                path.display().to_string(),
                format!("{} is the table `{name}` too", first.display()),
                "keep one of the two",
            ));
        } else {
            found.tables.insert(name, path);
        }
    }
}

fn format(path: &Path) -> Option<TableFormat> {
    match extension(path) {
        "csv" => Some(TableFormat::Csv),
        "json" => Some(TableFormat::Json),
        "yaml" | "yml" => Some(TableFormat::Yaml),
        _ => None,
    }
}

/// A table from a file; `#/pointer` behind its name says where in it the rows are.
fn table(path: &Path) -> Result<Table, Problem> {
    let text = path.to_str().unwrap_or_default();
    let (path, pointer) = match text.split_once('#') {
        Some((file, pointer)) if !path.exists() => (Path::new(file), Some(pointer)),
        _ => (path, None),
    };
    let Some(format) = format(path) else {
        let shown = if text.contains(":/") { shown_source(text) } else { path.display().to_string() };
        return Err(Problem::of_file(
            shown,
            "this is no data table",
            "name a `.csv`, `.json` or `.yaml` file, or an http(s) URL",
        ));
    };
    Table::parse(&source(path)?, format, pointer)
}

/// A whole file, which must be text.
fn source(path: &Path) -> Result<Source, Problem> {
    let file = path.display().to_string();
    let remedy = "correct the name, or let the file be read";
    let size = fs::metadata(path).map_err(|error| unreadable(path, &error, remedy))?.len();
    if size > LONGEST_FILE {
        let message = format!("this file has {size} bytes, and at most {LONGEST_FILE} are read");
        return Err(Problem::of_file(file, message, "split it, or use a data table from a URL"));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(path, &error, remedy))?;
    match String::from_utf8(bytes) {
        // Windows editors begin files with a byte order mark.
        Ok(text) => Ok(Source { file, text: text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text) }),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes().iter().take(valid).filter(|&&byte| byte == b'\n').count() + 1;
            let message = format!("this is no UTF-8 text: line {line} holds other bytes");
            Err(Problem::of_file(file, message, "save it as UTF-8"))
        }
    }
}

fn unreadable(path: &Path, error: &io::Error, remedy: &str) -> Problem {
    Problem::of_file(path.display().to_string(), format!("this cannot be read: {error}"), remedy)
}

/// Writes a file, over the one that may be there, and makes its folder if need be. A reader sees the old one or the new one.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = made.and_then(|()| fs::write(&temporary, bytes)).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // It may not even be there; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Writes files into a folder, which is made if need be: all of them, or none where one cannot be written. Only what fails
/// while they are given their names can leave some of them.
///
/// # Errors
/// One is there already and must not be written over, or cannot be written.
pub fn write_all(folder: &Path, files: &BTreeMap<&Path, &str>, overwrite: bool) -> Result<(), Problems> {
    let there = |path: &PathBuf| !overwrite && path.symlink_metadata().is_ok();
    let taken = files.keys().map(|name| folder.join(name)).filter(there);
    let remedy = "name another folder with `--to`, or say `--force` to write over it";
    Problems::check(
        taken.map(|path| Problem::of_file(path.display().to_string(), "this file is there already", remedy)).collect(),
    )?;
    // Under other names first: what cannot be written leaves nothing behind that looks like a template.
    let temporary = |name: &Path| folder.join(name).with_extension(format!("tmp-{}", std::process::id()));
    let written = files.iter().try_for_each(|(name, text)| {
        let path = temporary(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, text)).map_err(|error| (folder.join(name), error))
    });
    let renamed = written.and_then(|()| {
        files.keys().try_for_each(|name| {
            let path = folder.join(name);
            fs::rename(temporary(name), &path).map_err(|error| (path, error))
        })
    });
    renamed.map_err(|(path, error)| {
        for name in files.keys() {
            // Those that are there are to go; the first error is the one to tell.
            let _ = fs::remove_file(temporary(name));
        }
        let message = format!("this cannot be written: {error}");
        Problem::of_file(path.display().to_string(), message, "make room, or let this user write there").into()
    })
}
