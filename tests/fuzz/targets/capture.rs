#![cfg_attr(fuzzing, no_main)]
//! The fuzz target `capture`: see [`v8mini_fuzz::targets::capture`].

v8mini_fuzz::target!(capture);
