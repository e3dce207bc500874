//! Interprets a captured V8 heap: layout, object views, heap walk, classes.
#![forbid(unsafe_code)]

pub mod layout;
