#![cfg_attr(fuzzing, no_main)]
//! The fuzz target `core`: see [`v8mini_fuzz::targets::core`].

v8mini_fuzz::target!(core);
