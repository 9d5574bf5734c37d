//! Where backups are kept: a directory, or a bucket of S3, Google Cloud Storage or Azure Blob Storage.
//!
//! ```text
//!   save:  lines --pack--> bytes --> a name that nobody else has, then the manifest under its name
//!   read:  name --> bytes, compared with the manifest --unpack--> the lines
//! ```
//!
//! A backup's file is there before its manifest, and each of the two is there whole or not at all. So whatever kills a run leaves at
//! most a file without a manifest, which no reader takes for good. No backup is ever written over: who finds a name taken
//! takes the next millisecond's.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module reads and writes files, and talks to object stores"
)]
#![cfg_attr(
    not(feature = "object-stores"),
    expect(clippy::unused_async, reason = "a directory is read and written at once, and an object store is not")
)]

#[cfg(feature = "object-stores")]
mod bucket;
mod directory;
mod error;
mod files;
mod pack;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use crate::dkron::Tls;
use crate::report::shown_source;
use crate::snapshot::{Entry, Fault, Listing, Manifest, Packing, file_name, is_ours, manifest_name};

use directory::Directory;
use pack::{pack, unpack};

pub use error::{StoreError, Trouble};
pub use files::{is_store, job_files, read_file, write_new};

/// The longest file of jobs, in bytes, as it is stored and unpacked. It is as long as the longest list that is taken from Dkron.
pub const LONGEST_FILE: usize = 256 << 20;
/// The longest manifest, in bytes.
const LONGEST_MANIFEST: usize = 64 << 10;
/// Manifests that are read at the same time.
const MANIFESTS_AT_ONCE: usize = 8;
/// How many names are tried when others have the first ones.
const NAMES: u32 = 100;

/// Where backups are kept.
pub struct Store {
    kind: Kind,
    shown: String,
}

enum Kind {
    Directory(Directory),
    #[cfg(feature = "object-stores")]
    Bucket(bucket::Bucket),
}

/// How long an object store may take. A directory has no limits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// One request, from connecting to the last byte.
    pub request: Duration,
    /// From the first try of a request to the last.
    pub retries: Duration,
}

/// A backup that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The name of its file.
    pub file: String,
    /// What its manifest says.
    pub manifest: Manifest,
}

/// The name of a file to be, until it is known to be free.
#[derive(Debug, Clone, Copy)]
struct Naming {
    time: Timestamp,
    packing: Packing,
    left: u32,
}

impl Naming {
    fn name(&self) -> String {
        file_name(self.time, self.packing)
    }

    /// The next name, as this one is taken.
    fn taken(&mut self, place: &str) -> Result<(), StoreError> {
        self.left = self.left.checked_sub(1).ok_or_else(|| StoreError::Names { place: place.to_owned() })?;
        self.time = self.time.saturating_add(SignedDuration::from_millis(1)).unwrap_or(self.time);
        Ok(())
    }
}

impl Store {
    /// The store at a path, or at `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`. Nothing is asked or
    /// made yet. `environment` may hold a store's usual variables: `AWS_*`, `GOOGLE_*`, `AZURE_*`.
    ///
    /// # Errors
    /// It is no place for backups, or its variables are wrong.
    pub fn open(
        location: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        tls: &Tls,
        limits: Limits,
    ) -> Result<Self, StoreError> {
        if location.trim().is_empty() {
            let cause = "it is empty; name a folder, or an s3://, gs:// or az:// URL".to_owned();
            return Err(StoreError::Location { shown: location.to_owned(), cause });
        }
        let Some((scheme, _)) = location.split_once("://") else {
            return Ok(Self {
                kind: Kind::Directory(Directory::new(PathBuf::from(location))),
                shown: location.to_owned(),
            });
        };
        let shown = shown_source(location);
        let cause = match scheme {
            #[cfg(feature = "object-stores")]
            "s3" | "gs" | "az" => match bucket::Bucket::open(location, &shown, environment, tls, limits) {
                Ok(bucket) => return Ok(Self { kind: Kind::Bucket(bucket), shown }),
                Err(cause) => cause,
            },
            #[cfg(not(feature = "object-stores"))]
            "s3" | "gs" | "az" => {
                let _ = (environment, tls, limits);
                "this dkron-jobs was built without the feature `object-stores`".to_owned()
            }
            _ => "name a folder, or an s3://, gs:// or az:// URL".to_owned(),
        };
        Err(StoreError::Location { shown, cause })
    }

    /// Its location, without what may be credentials.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// All backups in it, judged by names, sizes and manifests. A folder that does not exist holds none.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn listing(&self) -> Result<Listing, StoreError> {
        let mut files = match &self.kind {
            Kind::Directory(directory) => directory.names()?,
            #[cfg(feature = "object-stores")]
            Kind::Bucket(bucket) => bucket.names().await?,
        };
        files.retain(|name, _| is_ours(name));
        let manifests = files.keys().map(|file| manifest_name(file)).filter(|name| files.contains_key(name));
        let texts = stream::iter(manifests.collect::<Vec<_>>())
            .map(async |name| {
                let text = self.manifest_text(&name).await;
                (name, text)
            })
            .buffered(MANIFESTS_AT_ONCE);
        let texts: BTreeMap<_, _> = texts.collect().await;
        Ok(Listing::new(&files, &texts))
    }

    /// Writes a backup of these lines, then its manifest, which is given without digest and size. Where the time's name
    /// is taken, the backup is one of a millisecond later. What killed runs left half-written more than an hour before `now`
    /// is cleared away.
    ///
    /// # Errors
    /// It cannot be written; then nothing of it is left, unless the store says no to that too.
    pub async fn save<'l>(
        &self,
        mut manifest: Manifest,
        packing: Packing,
        lines: impl IntoIterator<Item = &'l [u8]>,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let packed = pack(packing, lines);
        let packed = packed.map_err(|cause| StoreError::Packed { file: self.shown.clone(), packing, cause })?;
        manifest = manifest.of(&packed);
        let naming = Naming { time: manifest.time, packing, left: NAMES };
        let naming = match &self.kind {
            Kind::Directory(directory) => directory.create(naming, &packed, now)?,
            #[cfg(feature = "object-stores")]
            Kind::Bucket(bucket) => bucket.create(naming, packed).await?,
        };
        manifest.time = naming.time;
        let saved = Saved { file: naming.name(), manifest };
        let name = manifest_name(&saved.file);
        let text = saved.manifest.to_text();
        let written = match &self.kind {
            // It belongs to a file whose name was free, so nobody else writes it.
            Kind::Directory(directory) => directory.put(&name, text.as_bytes()),
            #[cfg(feature = "object-stores")]
            Kind::Bucket(bucket) => bucket.put_manifest(&name, text).await,
        };
        if let Err(error) = written {
            // Without its manifest it is of no use. The first error is the one to tell.
            let _ = self.remove(&saved.file).await;
            return Err(error);
        }
        Ok(saved)
    }

    /// A good backup's content, unpacked, once it is known to be what its manifest says.
    ///
    /// # Errors
    /// It is not what its manifest says, is too long, or cannot be read or unpacked.
    pub async fn read(&self, entry: &Entry) -> Result<Vec<u8>, StoreError> {
        let file = &entry.file;
        let damaged = |fault: Fault| StoreError::NotGood { file: file.clone(), fault };
        let Some(manifest) = entry.good() else {
            return Err(damaged(entry.fault.clone().unwrap_or(Fault::NoManifest)));
        };
        let bytes = self.bytes(file, LONGEST_FILE).await?;
        if !manifest.fits(&bytes) {
            return Err(damaged(Fault::Digest));
        }
        unpack(file, bytes)
    }

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// It cannot be removed.
    pub async fn remove(&self, file: &str) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Directory(directory) => directory.remove(file),
            #[cfg(feature = "object-stores")]
            Kind::Bucket(bucket) => bucket.remove(file).await,
        }
    }

    async fn manifest_text(&self, name: &str) -> Result<Vec<u8>, String> {
        self.bytes(name, LONGEST_MANIFEST).await.map_err(|error| match error {
            StoreError::TooLong { limit, .. } => format!("it is longer than {limit} bytes"),
            error => error.to_string(),
        })
    }

    /// A file's bytes as they are stored; one with more of them than `limit` is not read.
    async fn bytes(&self, name: &str, limit: usize) -> Result<Vec<u8>, StoreError> {
        match &self.kind {
            Kind::Directory(directory) => directory.bytes(name, limit),
            #[cfg(feature = "object-stores")]
            Kind::Bucket(bucket) => bucket.bytes(name, limit).await,
        }
    }
}

/// What a client of an object store knows includes its credentials.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.shown).finish()
    }
}
