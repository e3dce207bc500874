//! What was found out about a file, kept beside it, so that the next command need not find it out again.
//!
//! A cache is never needed and never believed blindly. It is used only if it was made of the very same file by the very same
//! program, which an [`Identity`] says, and only if it was written by the same user: all of it is authenticated with
//! a secret of that user's ([`Secret`]), so that neither damage nor forgery can change a figure. Whatever is wrong with it, it is
//! as if there were none. It may be deleted at any time.
//!
//! What is kept is columns of numbers ([`Writer`], [`Reader`]); what they mean is said where the numbers are from, in
//! `heap/stored.rs` and `graph/stored.rs`. This module knows nothing of V8.

mod columns;
mod file;
mod identity;
mod location;
mod secret;

pub(crate) use columns::{Coding, Number, Reader, Writer};
pub(crate) use file::{Cache, SectionKey, is_cache};
pub(crate) use identity::Identity;
pub(crate) use location::{CACHE_SUFFIX, Locations};

/// What can be kept.
pub(crate) trait Stored: Sized {
    /// Names it in the file; another number whenever the columns change.
    const KIND: u32;
    /// What it refers to, which is kept by itself.
    type Context;

    /// Writes its columns.
    fn write(&self, to: &mut Writer);

    /// Reads them back; `None` if they make no sense.
    fn read(from: &mut Reader<'_>, context: Self::Context) -> Option<Self>;
}
