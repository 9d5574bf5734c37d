//! What can go wrong with files and stores.

use std::io;

use crate::snapshot::{Fault, Packing};

/// Why a backup or a file of jobs could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The location itself is wrong.
    #[error("`{shown}` is no place for backups: {cause}")]
    Location {
        /// As given, without what may be credentials.
        shown: String,
        /// Why.
        cause: String,
    },
    /// A file or folder.
    #[error("{doing} {path}: {cause}{}", disk_remedy(.cause))]
    Disk {
        /// `cannot read`, …
        doing: &'static str,
        /// The file or folder.
        path: String,
        /// The operating system's words.
        cause: io::Error,
    },
    /// An object store.
    #[error("{doing} {place}: {cause}; {}", trouble.remedy())]
    Remote {
        /// `cannot read`, …
        doing: &'static str,
        /// The object or the whole store, without credentials.
        place: String,
        /// Of which kind it is.
        trouble: Trouble,
        /// The store's words.
        cause: String,
    },
    /// A backup that is not what it should be.
    #[error("{file} is no good backup: {fault}; take another one (`dkron-jobs backup list` shows them)")]
    NotGood {
        /// Its file.
        file: String,
        /// Why.
        fault: Fault,
    },
    /// A file that cannot be packed or unpacked.
    #[error("{file} is not a whole {packing} file: {cause}; take another one, or pack it anew")]
    Packed {
        /// The file.
        file: String,
        /// What it is, or was to be.
        packing: Packing,
        /// The packer's words.
        cause: io::Error,
    },
    /// A file with more bytes than are read, as it is stored or unpacked.
    #[error("{file} is longer than {limit} bytes; name another file, or cut it into several")]
    TooLong {
        /// The file.
        file: String,
        /// How many bytes it may have.
        limit: usize,
    },
    /// Others were always faster.
    #[error("no free name for a backup in {place}: many others are being written there at this moment; try again")]
    Names {
        /// The store.
        place: String,
    },
    /// A file that must not be written over.
    #[error("{path} is there already; name another file, or say `--force` to write over it")]
    Exists {
        /// The file.
        path: String,
    },
    /// A folder without a file of jobs.
    #[error("{path} holds no file of jobs; they end in `.ndjson` or `.json`, also with `.gz` or `.zst` behind")]
    NoFiles {
        /// The folder.
        path: String,
    },
}

/// What kind of trouble there is with an object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Credentials are wrong, or may not do this.
    Denied,
    /// There is no such bucket or object.
    Missing,
    /// Anything else: no connection, no answer in time, a server error.
    Unavailable,
}

impl Trouble {
    fn remedy(self) -> &'static str {
        match self {
            Self::Denied => "check the credentials (AWS_*, GOOGLE_* or AZURE_*) and what they allow",
            Self::Missing => "check the name, and that the bucket exists",
            Self::Unavailable => "check that the store can be reached and is well, then run it again",
        }
    }
}

fn disk_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "; make room and run it again, nothing was left half-written"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "; let this user read and write there",
        io::ErrorKind::NotFound => "; correct the name",
        io::ErrorKind::NotADirectory => "; name a folder",
        io::ErrorKind::IsADirectory => "; name a file",
        _ => "",
    }
}
