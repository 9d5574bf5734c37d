//! Many jobs in one file, as data: how a backup is read, written, described, named, judged and rotated.
//!
//! ```text
//!   bytes --Objects--> pieces --Reader--> records            (restore, clone, import)
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
mod objects;
mod reader;
mod rotation;
mod shrink;

pub use lines::Lines;
pub use listing::{Entry, Fault, Listing};
pub use manifest::{Manifest, ManifestError, Sum};
pub use name::{Packing, data_of, file_name, is_ours, manifest_name, time_of};
pub use objects::{Broken, Found, Object, Objects, Piece, Reason, Shape};
pub use reader::{Flaw, Problem, Read, Reader, Record, Take};
pub use rotation::{Keep, expired};
pub use shrink::{Shrunk, shrinks};

/// The longest job, in bytes: Dkron's own store takes no larger one.
pub const LONGEST_JOB: usize = 16 << 20;
