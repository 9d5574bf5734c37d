//! Many jobs in one file: cutting such a file into jobs.

mod objects;

pub use objects::{Broken, Found, Object, Objects, Piece, Reason, Shape};
