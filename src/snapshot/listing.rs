//! The backups of a folder or store: which are good, and why the others are not.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Manifest, ManifestError, data_of, manifest_name, time_of};

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name of its file.
    pub file: String,
    /// The file's size in bytes; `None` if there is only a manifest.
    pub size: Option<u64>,
    /// The manifest, if there is one that can be read.
    pub manifest: Option<Manifest>,
    /// Why it is not good. As long as nobody reads its bytes, a good one is one whose size fits its manifest.
    pub fault: Option<Fault>,
    /// What its name says of its time.
    named: Timestamp,
}

/// Why a backup is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The run that made it did not come to its end, or the manifest was taken away.
    #[error("it has no manifest, so it was interrupted")]
    NoManifest,
    /// A manifest alone.
    #[error("only its manifest is there")]
    NoFile,
    /// The manifest is of no use.
    #[error("its manifest cannot be used: {0}")]
    Manifest(ManifestError),
    /// The manifest cannot be read.
    #[error("its manifest cannot be read: {0}")]
    Unreadable(String),
    /// Its bytes are those that its manifest was written for, and do not unpack.
    #[error("it cannot be unpacked: {0}")]
    Packed(String),
    /// The file is not the one that the manifest was written for.
    #[error("it has {is} bytes, and its manifest says {said}")]
    Size {
        /// Bytes of the file.
        is: u64,
        /// Bytes as the manifest says.
        said: u64,
    },
    /// The same, found by reading it.
    #[error("its content is not what its manifest says (SHA-256)")]
    Digest,
    /// It does not hold as many jobs as its manifest says.
    #[error("it holds {is} jobs, and its manifest says {said}")]
    Count {
        /// Jobs in the file.
        is: u64,
        /// Jobs as the manifest says.
        said: u64,
    },
}

impl Entry {
    /// When it was made, as its manifest says, or else its name.
    pub fn time(&self) -> Timestamp {
        self.manifest.as_ref().map_or(self.named, |manifest| manifest.time)
    }

    /// Its manifest, if it is a good one.
    pub fn good(&self) -> Option<&Manifest> {
        self.manifest.as_ref().filter(|_| self.fault.is_none())
    }
}

/// The backups of a folder or store, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The backups.
    pub entries: Vec<Entry>,
}

impl Listing {
    /// Judges by names with their sizes and the texts of the manifests by their names. Names of other files do no harm.
    pub fn new(files: &BTreeMap<String, u64>, manifests: &BTreeMap<String, Result<Vec<u8>, String>>) -> Self {
        let mut entries: Vec<_> = files
            .keys()
            .filter_map(|name| match data_of(name) {
                Some(data) if files.contains_key(data) => None,
                Some(data) => Some(data),
                None => Some(name.as_str()),
            })
            .filter_map(|file| {
                let named = time_of(file)?;
                let size = files.get(file).copied();
                let text = manifests.get(&manifest_name(file));
                let (manifest, fault) = match text {
                    None => (None, Some(Fault::NoManifest)),
                    Some(Err(words)) => (None, Some(Fault::Unreadable(words.clone()))),
                    Some(Ok(text)) => match Manifest::parse(text) {
                        Err(error) => (None, Some(Fault::Manifest(error))),
                        Ok(manifest) => {
                            let said = manifest.size;
                            let fault =
                                size.is_some_and(|is| is != said).then(|| size.map(|is| Fault::Size { is, said }));
                            (Some(manifest), fault.flatten())
                        }
                    },
                };
                let fault = if size.is_none() { Some(Fault::NoFile) } else { fault };
                Some(Entry { file: file.to_owned(), size, manifest, fault, named })
            })
            .collect();
        entries.sort_by(|a, b| b.time().cmp(&a.time()).then_with(|| b.file.cmp(&a.file)));
        Self { entries }
    }

    /// The newest good one, of this namespace if one is given.
    pub fn newest_good(&self, namespace: Option<&str>) -> Option<&Entry> {
        self.good(namespace).next()
    }

    /// All good ones, the newest first, of this namespace if one is given.
    pub fn good(&self, namespace: Option<&str>) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| {
            entry.good().is_some_and(|manifest| namespace.is_none_or(|namespace| manifest.namespace == namespace))
        })
    }
}
