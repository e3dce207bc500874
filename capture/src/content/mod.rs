//! What of the memory is worth storing: what is changed in it between the process and the file.
//!
//! Everything here decides from an image, and says what it wants as [`Edits`]: addresses and what to write there. Whoever hands memory
//! to the compressor passes it through [`Edits::apply`] first, in pieces of any size and order. The image itself stays
//! as it was: it is still read, for instance for the contents of external strings.
//!
//! [`DeadMemory`] says what holds no objects. It may also be asked about a process that runs: see there.

mod address_set;
mod buffers;
mod dead;
mod edits;
mod free_space;
mod redact;
mod scan;
mod targets;

pub use buffers::{BufferShape, Buffers};
pub use dead::DeadMemory;
pub use edits::{Edit, Edits, Fill};
pub use redact::{RedactError, redact};
#[cfg(all(feature = "live", target_os = "linux"))]
pub(crate) use scan::outside;
