//! Where the heap says that a garbage collection is under way.
//!
//! `Heap::gc_state_` moves with almost every V8 release, patch releases included, and no symbol names its offset. But from V8 5.8 on,
//! the setter `Heap::SetGCState(HeapState)` is a function of its own, in every official build, whose only work is one store:
//! its code in the very binary spells the offset.

/// Whether the code of the function with this mangled name tells the offset.
pub(super) fn is_candidate(name: &[u8]) -> bool {
    name == b"_ZN2v88internal4Heap10SetGCStateENS1_9HeapStateE"
}

/// The offset of `gc_state_` in the heap, from the code of the function `name`.
pub(super) fn offset(_name: &[u8], code: &[u8]) -> Option<u64> {
    setter(code)
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

    const NAME: &[u8] = b"_ZN2v88internal4Heap10SetGCStateENS1_9HeapStateE";

    #[test]
    fn setters_of_real_binaries() {
        // Node 22.23.3: mov %esi,0x198(%rdi); ret
        assert_eq!(
            offset(NAME, &[0x89, 0xb7, 0x98, 0x01, 0, 0, 0xc3]),
            Some(0x198)
        );
        // Node 10.24.1: push %rbp; mov %esi,0x4cf8(%rdi); mov %rsp,%rbp; pop %rbp; ret
        let code = [
            0x55, 0x89, 0xb7, 0xf8, 0x4c, 0, 0, 0x48, 0x89, 0xe5, 0x5d, 0xc3,
        ];
        assert_eq!(offset(NAME, &code), Some(0x4cf8));
        // Node 26.10.0: push %rbp; mov %rsp,%rbp; mov %esi,0x228(%rdi); pop %rbp; ret
        let code = [
            0x55, 0x48, 0x89, 0xe5, 0x89, 0xb7, 0x28, 0x02, 0, 0, 0x5d, 0xc3,
        ];
        assert_eq!(offset(NAME, &code), Some(0x228));
    }

    #[test]
    fn other_code_is_no_answer() {
        assert_eq!(offset(NAME, &[]), None);
        assert_eq!(offset(NAME, &[0x55]), None);
        assert_eq!(offset(NAME, &[0x89, 0xb7, 0x98]), None);
        assert_eq!(offset(NAME, &[0x89, 0xbe, 0x98, 0x01, 0, 0]), None);
    }
}
