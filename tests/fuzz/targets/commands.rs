#![cfg_attr(fuzzing, no_main)]
//! The fuzz target `commands`: see [`v8mini_fuzz::targets::commands`].

v8mini_fuzz::target!(commands);
