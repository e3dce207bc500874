#![cfg_attr(fuzzing, no_main)]
//! The fuzz target `locate`: see [`v8mini_fuzz::targets::locate`].

v8mini_fuzz::target!(locate);
