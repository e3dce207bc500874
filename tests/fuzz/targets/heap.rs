#![cfg_attr(fuzzing, no_main)]
//! The fuzz target `heap`: see [`v8mini_fuzz::targets::heap`].

v8mini_fuzz::target!(heap);
