//! Backups in a directory.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use jiff::{SignedDuration, Timestamp};

use super::{Naming, StoreError};

/// What the names of files begin with that are not there yet.
const TEMPORARY: &str = ".tmp-dkron-jobs-";
/// After this time a temporary file is that of a killed run.
const STALE: SignedDuration = SignedDuration::from_hours(1);

/// A directory of backups.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
}

/// A temporary file; dropped, it is gone.
#[derive(Debug)]
struct Temporary {
    path: PathBuf,
    /// What it is to be, which is the name that people know.
    target: PathBuf,
    file: File,
    /// Under its last name: there is nothing to remove.
    renamed: bool,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// All files with their sizes in bytes.
    pub(super) fn names(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let error = |cause| disk("cannot read the folder", &self.path, cause);
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(cause) => return Err(error(cause)),
        };
        let mut names = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(error)?;
            // A name that is no text is none of ours. A file may go while its size is asked for.
            if let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.path().metadata())
                && metadata.is_file()
            {
                names.insert(name, metadata.len());
            }
        }
        Ok(names)
    }

    pub(super) fn bytes(&self, name: &str, limit: usize) -> Result<Vec<u8>, StoreError> {
        bytes(&self.path.join(name), limit)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(disk("cannot remove", &path, cause)),
            _ => Ok(()),
        }
    }

    /// Writes a backup under the first name that is free. The folder is made if need be, and what killed runs left is removed.
    pub(super) fn create(&self, mut naming: Naming, bytes: &[u8], now: Timestamp) -> Result<Naming, StoreError> {
        // The jobs may hold secrets.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.map_err(|cause| disk("cannot make the folder", &self.path, cause))?;
        self.clear(now)?;
        let mut temporary = self.temporary(&naming.name())?;
        temporary.write(bytes)?;
        loop {
            let path = self.path.join(naming.name());
            // An empty file under that name is the claim to it: only one can make it, on every file system. The rename then
            // replaces nothing but our own claim. Until its manifest is there, no reader believes in it.
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(_) => {}
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                    naming.taken(&self.path.display().to_string())?;
                    continue;
                }
                Err(cause) => return Err(disk("cannot write", &path, cause)),
            }
            let kept = temporary.rename(&path).and_then(|()| self.sync());
            if kept.is_err() {
                let _ = fs::remove_file(&path);
            }
            return kept.map(|()| naming);
        }
    }

    fn clear(&self, now: Timestamp) -> Result<(), StoreError> {
        let stale = now - STALE;
        for name in self.names()?.keys().filter(|name| name.starts_with(TEMPORARY)) {
            let modified = fs::metadata(self.path.join(name)).and_then(|metadata| metadata.modified()).ok();
            if modified.and_then(|modified| Timestamp::try_from(modified).ok()).is_some_and(|modified| modified < stale)
            {
                // That of another user stays where only its owner may remove it, and is in nobody's way.
                let _ = self.remove(name);
            }
        }
        Ok(())
    }

    fn temporary(&self, name: &str) -> Result<Temporary, StoreError> {
        let target = self.path.join(name);
        let mut number = 0_u32;
        loop {
            let path = self.path.join(format!("{TEMPORARY}{}-{number}-{name}", process::id()));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(file) => return Ok(Temporary { path, target, file, renamed: false }),
                // Containers often have the same process id.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
                Err(cause) => return Err(disk("cannot write", &target, cause)),
            }
        }
    }

    /// Writes a file whole under its name, over one that has it.
    pub(super) fn put(&self, name: &str, text: &[u8]) -> Result<(), StoreError> {
        let mut temporary = self.temporary(name)?;
        temporary.write(text)?;
        temporary.rename(&self.path.join(name))?;
        self.sync()
    }

    /// Makes sure that new names outlive a power cut.
    fn sync(&self) -> Result<(), StoreError> {
        match File::open(&self.path).and_then(|folder| folder.sync_all()) {
            // Some network file systems know no such thing.
            Err(cause) if !matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
                Err(disk("cannot write the folder", &self.path, cause))
            }
            _ => Ok(()),
        }
    }
}

impl Temporary {
    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(|cause| disk("cannot write", &self.target, cause))
    }

    /// Gives it its name once it is on the disk.
    fn rename(&mut self, to: &Path) -> Result<(), StoreError> {
        let synced = self.file.sync_all().and_then(|()| fs::rename(&self.path, to));
        synced.map_err(|cause| disk("cannot write", to, cause))?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // A later backup clears away what cannot be removed now.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A file's bytes; one with more of them than `limit` is not read.
pub(super) fn bytes(path: &Path, limit: usize) -> Result<Vec<u8>, StoreError> {
    let error = |cause| disk("cannot read", path, cause);
    let file = File::open(path).map_err(error)?;
    let length = usize::try_from(file.metadata().map_err(error)?.len()).unwrap_or(usize::MAX);
    let too_long = || StoreError::TooLong { file: path.display().to_string(), limit };
    if length > limit {
        return Err(too_long());
    }
    let mut bytes = Vec::with_capacity(length);
    // It may be a pipe, or grow while it is read.
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(error)?;
    if bytes.len() > limit { Err(too_long()) } else { Ok(bytes) }
}

pub(super) fn disk(doing: &'static str, path: &Path, cause: io::Error) -> StoreError {
    StoreError::Disk { doing, path: path.display().to_string(), cause }
}
