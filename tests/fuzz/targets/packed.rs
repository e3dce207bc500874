#![cfg_attr(fuzzing, no_main)]
//! The fuzz target `packed`: see [`v8mini_fuzz::targets::packed`].

v8mini_fuzz::target!(packed);
