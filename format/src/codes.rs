//! Numbers that stand for names on disk. A number is never reused; an unknown one reads as the `Unknown` of its type.

use crate::model::{GcState, Space};

/// Every space with its number on disk, 0 being [`Space::Unknown`].
const SPACES: [(u16, Space); 14] = [
    (0, Space::Unknown),
    (1, Space::ReadOnly),
    (2, Space::New),
    (3, Space::NewFrom),
    (4, Space::Old),
    (5, Space::Code),
    (6, Space::Map),
    (7, Space::LargeObject),
    (8, Space::NewLargeObject),
    (9, Space::CodeLargeObject),
    (10, Space::Trusted),
    (11, Space::TrustedLargeObject),
    (12, Space::Shared),
    (13, Space::SharedLargeObject),
];

/// The number of a space.
pub(crate) fn space_code(space: Space) -> u16 {
    SPACES
        .iter()
        .find(|(_, s)| *s == space)
        .map_or(0, |(code, _)| *code)
}

/// The space of a number.
pub(crate) fn space_from_code(code: u16) -> Space {
    SPACES
        .iter()
        .find(|(c, _)| *c == code)
        .map_or(Space::Unknown, |(_, space)| *space)
}

/// The number of a GC state.
pub(crate) const fn gc_state_code(state: GcState) -> u8 {
    match state {
        GcState::Unknown => 0,
        GcState::Idle => 1,
        GcState::Collecting => 2,
    }
}

/// The GC state of a number.
pub(crate) const fn gc_state_from_code(code: u8) -> GcState {
    match code {
        1 => GcState::Idle,
        2 => GcState::Collecting,
        _ => GcState::Unknown,
    }
}

/// `e_machine` of ELF for an architecture by its GNU name; 0 (`EM_NONE`) for one that has no number here.
pub(crate) fn machine_code(architecture: &str) -> u16 {
    match architecture {
        "x86_64" => 62,
        "aarch64" => 183,
        "riscv64" => 243,
        "s390x" => 22,
        "ppc64" | "ppc64le" => 21,
        "loongarch64" => 258,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_space_keeps_its_number() {
        for (code, space) in SPACES {
            assert_eq!(space_code(space), code);
            assert_eq!(space_from_code(code), space);
        }
        assert_eq!(space_from_code(999), Space::Unknown);
    }

    #[test]
    fn every_gc_state_keeps_its_number() {
        for (code, state) in [
            (0, GcState::Unknown),
            (1, GcState::Idle),
            (2, GcState::Collecting),
        ] {
            assert_eq!(gc_state_code(state), code);
            assert_eq!(gc_state_from_code(code), state);
        }
        assert_eq!(gc_state_from_code(77), GcState::Unknown);
    }
}
