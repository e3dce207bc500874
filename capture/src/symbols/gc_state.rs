//! Where the heap says that a garbage collection is under way.
//!
//! `Heap::gc_state_` moves with almost every V8 release, patch releases included, and no symbol names its offset. But x86-64 code
//! that stores to it spells the offset, and two functions of every official build do so in a form that cannot be mistaken.

/// A function whose code tells the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Witness {
    /// `Heap::SetGCState(HeapState)`, from V8 5.8 on: its only work is the one store.
    Setter,
    /// `Heap::MarkCompact()`: up to V8 5.7, it stores `MARK_COMPACT` (2) at its beginning and `NOT_IN_GC` (0) at its end.
    MarkCompact,
}

impl Witness {
    /// The witness with this mangled name.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"_ZN2v88internal4Heap10SetGCStateENS1_9HeapStateE" => Some(Self::Setter),
            b"_ZN2v88internal4Heap11MarkCompactEv" => Some(Self::MarkCompact),
            _ => None,
        }
    }

    /// The offset of `gc_state_` in the heap, from the witness's code.
    pub(super) fn offset(self, code: &[u8]) -> Option<u64> {
        match self {
            Self::Setter => setter(code),
            Self::MarkCompact => mark_compact(code),
        }
    }
}

/// The one offset at which the function stores both a 2 and a 0.
fn mark_compact(code: &[u8]) -> Option<u64> {
    let stores = |value: u8| {
        code.windows(10).filter_map(move |window| match *window {
            // c7 /0 is mov dword [register+disp32], imm32; ModRM 10 000 xxx, where 100 would mean another form.
            [0xc7, 0x80..=0x83 | 0x85..=0x87, a, b, c, d, low, 0, 0, 0] if low == value => {
                Some(u64::from(u32::from_le_bytes([a, b, c, d])))
            }
            _ => None,
        })
    };
    let mut both = stores(2).filter(|offset| stores(0).any(|other| other == *offset));
    let offset = both.next()?;
    both.all(|other| other == offset).then_some(offset)
}

/// `mov [rdi+disp32], esi`, before or after the frame that builds with frame pointers set up (`push rbp; mov rbp, rsp`).
fn setter(code: &[u8]) -> Option<u64> {
    let code = code.strip_prefix(b"\x55").unwrap_or(code);
    let code = code.strip_prefix(b"\x48\x89\xe5").unwrap_or(code);
    let (opcode, rest) = code.split_first_chunk::<2>()?;
    // 89 /r is mov, 87 /r is xchg (a sequentially consistent store); ModRM 10 110 111 is [rdi+disp32], esi.
    if !matches!(opcode, [0x89 | 0x87, 0xb7]) {
        return None;
    }
    let (offset, _) = rest.split_first_chunk::<4>()?;
    Some(u64::from(u32::from_le_bytes(*offset)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setters_of_real_binaries() {
        // Node 22.23.3: mov %esi,0x198(%rdi); ret
        assert_eq!(
            Witness::Setter.offset(&[0x89, 0xb7, 0x98, 0x01, 0, 0, 0xc3]),
            Some(0x198)
        );
        // Node 10.24.1: push %rbp; mov %esi,0x4cf8(%rdi); mov %rsp,%rbp; pop %rbp; ret
        let code = [
            0x55, 0x89, 0xb7, 0xf8, 0x4c, 0, 0, 0x48, 0x89, 0xe5, 0x5d, 0xc3,
        ];
        assert_eq!(Witness::Setter.offset(&code), Some(0x4cf8));
        // Node 26.10.0: push %rbp; mov %rsp,%rbp; mov %esi,0x228(%rdi); pop %rbp; ret
        let code = [
            0x55, 0x48, 0x89, 0xe5, 0x89, 0xb7, 0x28, 0x02, 0, 0, 0x5d, 0xc3,
        ];
        assert_eq!(Witness::Setter.offset(&code), Some(0x228));
    }

    #[test]
    fn mark_compact_of_a_real_binary() {
        // Node 4.4.7: movl $0x2,0xc28(%rdi) … movl $0x0,0xc28(%rbx), among other code.
        let begin = [
            0x53, 0xc7, 0x87, 0x28, 0x0c, 0, 0, 2, 0, 0, 0, 0x48, 0x89, 0xfb,
        ];
        let end = [
            0xe8, 0, 0, 0, 0, 0xc7, 0x83, 0x28, 0x0c, 0, 0, 0, 0, 0, 0, 0x5b, 0xc3,
        ];
        let code = [begin.as_slice(), &end].concat();
        assert_eq!(Witness::MarkCompact.offset(&code), Some(0xc28));
        assert_eq!(Witness::MarkCompact.offset(&begin), None);
        assert_eq!(Witness::MarkCompact.offset(&end), None);
    }

    #[test]
    fn other_code_is_no_answer() {
        assert_eq!(Witness::Setter.offset(&[]), None);
        assert_eq!(Witness::Setter.offset(&[0x55]), None);
        assert_eq!(Witness::Setter.offset(&[0x89, 0xb7, 0x98]), None);
        assert_eq!(
            Witness::Setter.offset(&[0x89, 0xbe, 0x98, 0x01, 0, 0]),
            None
        );
    }
}
