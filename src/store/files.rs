//! Files of jobs wherever they are: backups of ours, of the old script, lists of Dkron's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::snapshot::{Fault, Manifest, Packing, data_of, is_ours, manifest_name};

use super::directory::{Directory, bytes, disk};
use super::pack::unpack;
use super::{LONGEST_FILE, StoreError};

/// The files to read jobs from: the file itself, or those of a folder, by name.
///
/// # Errors
/// There is none, or the folder cannot be read.
pub fn job_files(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let error = |cause| disk("cannot read", path, cause);
    if !fs::metadata(path).map_err(error)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if path.file_name().is_some_and(|name| name.to_str().is_some_and(of_jobs)) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() { Err(StoreError::NoFiles { path: path.display().to_string() }) } else { Ok(files) }
}

/// Whether this is a folder of our own backups: they are one after another of the same jobs, and not to be read all at once.
pub fn is_store(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|entries| {
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.into_iter().any(|name| is_ours(&name))
    })
}

fn of_jobs(name: &str) -> bool {
    let plain = name.strip_suffix(Packing::of_name(name).ending()).unwrap_or(name);
    // Kubernetes keeps the real files of a ConfigMap in hidden ones, and we those that are not there yet.
    let hidden = name.starts_with('.');
    let json = Path::new(plain).extension().is_some_and(|ending| ending == "ndjson" || ending == "json");
    // The script of old gives its files no ending.
    let script = plain.starts_with("backup-dkron_") && !plain.contains('.');
    (json || script) && !hidden && data_of(name).is_none()
}

/// A file's content, unpacked. If a manifest lies beside it, it must be what that says.
///
/// # Errors
/// It is not what its manifest says, is too long, or cannot be read or unpacked.
pub fn read_file(path: &Path) -> Result<Vec<u8>, StoreError> {
    let file = path.display().to_string();
    let not_good = |fault| StoreError::NotGood { file: file.clone(), fault };
    let beside = PathBuf::from(manifest_name(&file));
    let manifest = if beside.is_file() {
        let text = fs::read(&beside).map_err(|cause| not_good(Fault::Unreadable(cause.to_string())))?;
        Some(Manifest::parse(&text).map_err(|error| not_good(Fault::Manifest(error)))?)
    } else {
        None
    };
    let bytes = bytes(path, LONGEST_FILE)?;
    if manifest.is_some_and(|manifest| !manifest.fits(&bytes)) {
        return Err(not_good(Fault::Digest));
    }
    unpack(&file, bytes)
}

/// Writes a file whole or not at all, readable for its owner only: jobs may hold secrets.
///
/// # Errors
/// There is one already and it is not to be written over, or it cannot be written.
pub fn write_new(path: &Path, text: &[u8], overwrite: bool) -> Result<(), StoreError> {
    if !overwrite && path.symlink_metadata().is_ok() {
        return Err(StoreError::Exists { path: path.display().to_string() });
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| disk("cannot write", path, io::ErrorKind::InvalidFilename.into()))?;
    Directory::new(folder.to_owned()).put(name, text)
}
