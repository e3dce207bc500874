//! `cargo xtask`: everything that a developer of the project runs. One file per task.

mod assets;
mod bench;
mod ci;
mod constants;
mod demo;
mod dist;
mod docs;
mod fuzz;
mod layout;
mod matrix;
mod nodes;
mod time_limit;
mod tools;

use std::process::ExitCode;

use clap::Parser;

/// The tasks of a developer of v8mini
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    Assets(assets::Arguments),
    Bench(bench::Arguments),
    Ci(ci::Arguments),
    Constants(constants::Arguments),
    Demo(demo::Arguments),
    Dist(dist::Arguments),
    Fuzz(fuzz::Arguments),
    Docs(docs::Arguments),
    Layout(layout::Arguments),
    Matrix(matrix::Arguments),
    Nodes(nodes::Arguments),
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Assets(arguments) => assets::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Ci(arguments) => ci::run(&arguments),
        Task::Constants(arguments) => constants::run(&arguments),
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Dist(arguments) => dist::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Docs(arguments) => docs::run(&arguments),
        Task::Layout(arguments) => layout::run(&arguments),
        Task::Matrix(arguments) => matrix::run(&arguments),
        Task::Nodes(arguments) => nodes::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
