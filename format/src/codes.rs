//! Numbers that stand for names on disk. A number is never reused; an unknown one reads as the
//! `Unknown` of its type.

use crate::model::{GcState, Space};

/// Every space, in the order of [`space_code`].
const SPACES: [Space; 14] = [
    Space::Unknown,
    Space::ReadOnly,
    Space::New,
    Space::NewFrom,
    Space::Old,
    Space::Code,
    Space::Map,
    Space::LargeObject,
    Space::NewLargeObject,
    Space::CodeLargeObject,
    Space::Trusted,
    Space::TrustedLargeObject,
    Space::Shared,
    Space::SharedLargeObject,
];

/// The number of a space.
pub(crate) const fn space_code(space: Space) -> u16 {
    match space {
        Space::Unknown => 0,
        Space::ReadOnly => 1,
        Space::New => 2,
        Space::NewFrom => 3,
        Space::Old => 4,
        Space::Code => 5,
        Space::Map => 6,
        Space::LargeObject => 7,
        Space::NewLargeObject => 8,
        Space::CodeLargeObject => 9,
        Space::Trusted => 10,
        Space::TrustedLargeObject => 11,
        Space::Shared => 12,
        Space::SharedLargeObject => 13,
    }
}

/// The space of a number.
pub(crate) fn space_from_code(code: u16) -> Space {
    SPACES.get(usize::from(code)).copied().unwrap_or_default()
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

/// `e_machine` of ELF for an architecture by its GNU name; 0 (`EM_NONE`) for one that has no number
/// here.
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
        for (code, space) in (0..).zip(SPACES) {
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
