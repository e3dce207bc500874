#![cfg_attr(fuzzing, no_main)]
//! The fuzz target `expression`: see [`v8mini_fuzz::targets::expression`].

v8mini_fuzz::target!(expression);
