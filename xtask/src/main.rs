//! `cargo xtask`: everything that a developer of the project runs.
fn main() {}
