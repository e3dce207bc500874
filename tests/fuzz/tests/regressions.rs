//! Every input that ever failed, once more. `regressions/TARGET/NAME` says what it was.

mod common;

use v8mini_fuzz::{TARGETS, regressions};

#[test]
fn inputs_that_failed_once_do_not_fail_again() {
    let _turn = common::turn();
    let mut count = 0;
    for target in TARGETS {
        for (name, input) in regressions(target.name).unwrap() {
            println!("{}/{name}", target.name);
            common::run(target, &format!("{}/{name}", target.name), &input);
            count += 1;
        }
    }
    assert!(count > 0, "no regression was found");
}

#[test]
fn every_directory_of_regressions_belongs_to_a_target() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/regressions");
    for entry in std::fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            TARGETS.iter().any(|target| target.name == name),
            "there is no target {name}"
        );
    }
}
