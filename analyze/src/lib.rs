//! Interprets a captured V8 heap: image, layout, object views, heap walk, classes.
#![forbid(unsafe_code)]

mod cache;
pub mod commands;
pub mod export;
pub mod graph;
pub mod growth;
pub mod heap;
pub mod image;
pub mod inspect;
pub mod layout;
pub mod node;
pub mod pack;
mod report;
pub mod self_check;
mod shell;
pub mod source;
pub mod stack;
pub mod strings;
pub mod suspects;
pub mod tables;
pub mod top;
mod tui;
pub mod v8;
pub mod waste;
pub mod whatis;
