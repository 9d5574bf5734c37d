//! Many jobs in one file, as data: how a backup is read, written, described, named, judged and rotated.
//!
//! ```text
//!   bytes --Reader--> records, or what is wrong with them    (restore, clone, import, lint)
//!   Dkron's list --Lines--> lines, parents first + Manifest  (backup)
//!   names, sizes, manifests --Listing--> good or not, the newest good one, what may go
//! ```
//!
//! A backup is one job a line as Dkron gave it, without `dependent_jobs` (FACTS 9), and a manifest beside it. A file without a
//! manifest that fits it is never a good one: that is how an interrupted backup is told from a whole one.

mod lines;
mod listing;
mod manifest;
mod name;
mod reader;
mod rotation;
mod shrink;

pub use lines::Lines;
pub use listing::{Entry, Fault, Listing};
pub use manifest::{Manifest, ManifestError};
pub use name::{Packing, data_of, file_name, is_ours, manifest_name, time_of};
pub use reader::{Flaw, Problem, Reader, Record};
pub use rotation::{Keep, expired};
pub use shrink::{Shrunk, shrinks};

/// The longest job, in bytes: Dkron's own store takes no larger one.
pub const LONGEST_JOB: usize = 16 << 20;
