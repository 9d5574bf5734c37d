//! Where backups are kept: a directory, or a bucket of S3, Google Cloud Storage or Azure Blob Storage.
//!
//! ```text
//!   save:  lines --pack--> bytes --> temporary file, or parts of an upload --> the name, which nobody else has
//!                            \--sum--> manifest --> its name
//!   read:  name --> bytes, summed and compared with the manifest --> bytes again --unpack--> chunks
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
use crate::snapshot::{Entry, Fault, Listing, Manifest, Packing, Sum, file_name, is_ours, manifest_name};

use directory::Directory;
use pack::{Packer, Unpacker};

pub use error::{StoreError, Trouble};
pub use files::{is_store, job_files, read_file, write_new};

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

/// Where bytes go as they come. It returns an error to stop.
pub type Chunks<'f, E> = dyn FnMut(&[u8]) -> Result<(), E> + 'f;

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
        let failed = |cause| StoreError::Packed { file: self.shown.clone(), packing, cause };
        let naming = Naming { time: manifest.time, packing, left: NAMES };
        let mut draft = match &self.kind {
            Kind::Directory(directory) => Draft::File(directory.draft(naming, now)?),
            #[cfg(feature = "object-stores")]
            Kind::Bucket(bucket) => Draft::Object(bucket.draft(naming)),
        };
        let mut sum = Sum::default();
        let mut packer = Packer::new(packing).map_err(failed)?;
        for line in lines {
            packer.write(line).map_err(failed)?;
            if packer.ready() >= draft.part() {
                let part = packer.take();
                sum.add(&part);
                draft.write(part).await?;
            }
        }
        let rest = packer.finish().map_err(failed)?;
        sum.add(&rest);
        let naming = draft.finish(rest).await?;
        manifest.time = naming.time;
        let saved = Saved { file: naming.name(), manifest: manifest.of(sum) };
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

    /// Hands out a good backup's content, unpacked, in chunks. All of it is compared with its manifest first.
    ///
    /// # Errors
    /// It is not what its manifest says, cannot be read or unpacked; or what `take` returned.
    pub async fn read<E: From<StoreError>>(&self, entry: &Entry, take: &mut Chunks<'_, E>) -> Result<(), E> {
        let file = &entry.file;
        let damaged = |fault: Fault| StoreError::NotGood { file: file.clone(), fault };
        let manifest = match (entry.good(), &entry.fault) {
            (Some(manifest), _) => manifest,
            (None, fault) => return Err(damaged(fault.clone().unwrap_or(Fault::NoManifest)).into()),
        };
        if let Some(fault) = self.verify(entry).await? {
            return Err(damaged(fault).into());
        }
        let mut sum = Sum::default();
        let mut unpacker = Unpacker::new(file, take);
        let mut chunk = |chunk: &[u8]| {
            sum.add(chunk);
            unpacker.push(chunk)
        };
        self.bytes(file, &mut chunk).await?;
        unpacker.finish()?;
        // Somebody may have changed it between the two looks.
        if manifest.fits(sum) { Ok(()) } else { Err(damaged(Fault::Digest).into()) }
    }

    /// Why a backup is not good, once all its bytes were read; `None` for a good one.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn verify(&self, entry: &Entry) -> Result<Option<Fault>, StoreError> {
        let Some(manifest) = entry.good() else { return Ok(entry.fault.clone()) };
        let mut sum = Sum::default();
        let mut add = |chunk: &[u8]| {
            sum.add(chunk);
            Ok::<_, StoreError>(())
        };
        self.bytes(&entry.file, &mut add).await?;
        Ok((!manifest.fits(sum)).then_some(Fault::Digest))
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
        let mut text = Vec::new();
        let mut take = |chunk: &[u8]| {
            text.extend_from_slice(chunk);
            if text.len() > LONGEST_MANIFEST {
                return Err(Unreadable(format!("it is longer than {LONGEST_MANIFEST} bytes")));
            }
            Ok(())
        };
        match self.bytes(name, &mut take).await {
            Ok(()) => Ok(text),
            Err(Unreadable(words)) => Err(words),
        }
    }

    /// A file's bytes as they are stored.
    async fn bytes<E: From<StoreError>>(&self, name: &str, take: &mut Chunks<'_, E>) -> Result<(), E> {
        match &self.kind {
            Kind::Directory(directory) => directory.bytes(name, take),
            #[cfg(feature = "object-stores")]
            Kind::Bucket(bucket) => bucket.bytes(name, take).await,
        }
    }
}

/// What a client of an object store knows includes its credentials.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.shown).finish()
    }
}

/// Why a manifest could not be had, for [`Fault::Unreadable`].
struct Unreadable(String);

impl From<StoreError> for Unreadable {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// A backup being written.
enum Draft<'s> {
    File(directory::Draft<'s>),
    #[cfg(feature = "object-stores")]
    Object(bucket::Draft<'s>),
}

impl Draft<'_> {
    /// How many bytes a part should have, at least.
    fn part(&self) -> usize {
        match self {
            Self::File(_) => directory::PART,
            #[cfg(feature = "object-stores")]
            Self::Object(_) => bucket::PART,
        }
    }

    async fn write(&mut self, part: Vec<u8>) -> Result<(), StoreError> {
        match self {
            Self::File(draft) => draft.write(&part),
            #[cfg(feature = "object-stores")]
            Self::Object(draft) => draft.write(part).await,
        }
    }

    /// Gives it a name that was free.
    async fn finish(self, rest: Vec<u8>) -> Result<Naming, StoreError> {
        match self {
            Self::File(draft) => draft.finish(&rest),
            #[cfg(feature = "object-stores")]
            Self::Object(draft) => draft.finish(rest).await,
        }
    }
}
