#![cfg_attr(fuzzing, no_main)]
//! The fuzz target `record`: see [`v8mini_fuzz::targets::record`].

v8mini_fuzz::target!(record);
