#![cfg_attr(fuzzing, no_main)]
//! The fuzz target `symbols`: see [`v8mini_fuzz::targets::symbols`].

v8mini_fuzz::target!(symbols);
