//! A thread's vector and floating-point registers, in the form in which a signal frame carries them.

use std::arch::x86_64::__cpuid_count;

use nix::errno::Errno;
use nix::libc::pid_t;

use super::Why;
use crate::linux::ptrace;

/// `NT_X86_XSTATE` (`include/uapi/linux/elf.h`): the register set in the processor's standard, not compacted, XSAVE format.
const NT_X86_XSTATE: i32 = 0x202;
/// More than any processor's: 11 KiB with AMX.
const MAX_BYTES: usize = 64 << 10;

/// Offset of `struct _fpx_sw_bytes` (`arch/x86/include/uapi/asm/sigcontext.h`) within the legacy region.
const SOFTWARE_OFFSET: usize = 464;
const SOFTWARE_BYTES: usize = 48;
const MAGIC_1: u32 = 0x4650_5853;
const MAGIC_2: u32 = 0x4650_5845;
/// Offset of `XSTATE_BV`: which components hold anything but their initial values.
const HEADER_OFFSET: usize = 512;
/// Legacy region and header: the least that the kernel takes for an XSAVE area.
const MIN_BYTES: usize = 576;
/// Components whose place is in the legacy region: x87 and SSE.
const LEGACY: u64 = 0b11;
/// The tile data of AMX (`XFEATURE_XTILE_DATA`), for which a program must ask the kernel.
const AMX_TILE_DATA: u64 = 1 << 18;
/// CPUID leaf that says where in the standard format a component is (Intel SDM, volume 1, 13.2).
const CPUID_XSAVE: u32 = 0xd;

/// The registers as a signal frame's `fpstate` wants them.
#[derive(Debug, Clone)]
pub(super) struct Xstate {
    /// To be put at a multiple of 64 bytes.
    pub(super) bytes: Vec<u8>,
}

impl Xstate {
    /// Reads them from a stopped thread.
    pub(super) fn read(tid: pid_t) -> Result<Self, Why> {
        let mut buffer = vec![0; MAX_BYTES];
        let len =
            ptrace::register_set(tid, NT_X86_XSTATE, &mut buffer).map_err(|errno| match errno {
                Errno::ENODEV | Errno::EINVAL => Why::VectorRegisters {
                    tid,
                    reason: "the processor has no XSAVE",
                },
                errno => Why::Trace {
                    what: "reading the registers of",
                    tid,
                    errno,
                },
            })?;
        buffer.truncate(len);
        Self::for_signal_frame(buffer, &component_end)
            .map_err(|reason| Why::VectorRegisters { tid, reason })
    }

    /// Cuts the area behind the last component in use, and marks its end.
    ///
    /// The kernel restores only the legacy part of an area that is larger than what it would save itself. On processors with
    /// AMX `ptrace` gives such an area, with room for tiles that the program never asked for.
    fn for_signal_frame(
        mut bytes: Vec<u8>,
        component_end: &dyn Fn(u32) -> usize,
    ) -> Result<Self, &'static str> {
        let in_use = bytes
            .get(HEADER_OFFSET..)
            .and_then(|header| header.first_chunk())
            .map(|header| u64::from_le_bytes(*header))
            .ok_or("the kernel's register set has no XSAVE header")?;
        if in_use & AMX_TILE_DATA != 0 {
            return Err("AMX tiles are in use");
        }
        let extended = (2..64).filter(|component| in_use >> component & 1 == 1);
        let len = extended.map(component_end).fold(MIN_BYTES, usize::max);
        if len > bytes.len() {
            return Err("the kernel's register set lacks a component");
        }
        bytes.truncate(len);
        let area = u32::try_from(len).map_err(|_| "the register set is too large")?;
        let magic_2 = MAGIC_2.to_le_bytes();
        let whole = area + 4;
        let mut software = [0; SOFTWARE_BYTES];
        for (place, value) in software.chunks_exact_mut(4).zip([MAGIC_1, whole]) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        let features = (in_use | LEGACY).to_le_bytes();
        for (place, value) in software.iter_mut().skip(8).zip(features) {
            *place = value;
        }
        for (place, value) in software.iter_mut().skip(16).zip(area.to_le_bytes()) {
            *place = value;
        }
        for (place, value) in bytes.iter_mut().skip(SOFTWARE_OFFSET).zip(software) {
            *place = value;
        }
        bytes.extend(magic_2);
        Ok(Self { bytes })
    }
}

/// Where a component ends in the standard format on this machine's processor.
fn component_end(component: u32) -> usize {
    // SAFETY: every processor that runs 64-bit code has CPUID, and the kernel has just used XSAVE.
    #[allow(unused_unsafe, reason = "newer releases of Rust declare it safe")]
    let place = unsafe { __cpuid_count(CPUID_XSAVE, component) };
    let (size, offset) = (place.eax, place.ebx);
    usize::try_from(offset.saturating_add(size)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(in_use: u64) -> Vec<u8> {
        let mut bytes = vec![0xaa; 11_008];
        bytes[HEADER_OFFSET..HEADER_OFFSET + 8].copy_from_slice(&in_use.to_le_bytes());
        bytes
    }

    fn end(component: u32) -> usize {
        match component {
            2 => 832,
            9 => 2696,
            18 => 11_008,
            _ => 1664,
        }
    }

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn is_no_longer_than_what_is_in_use() {
        for (in_use, len) in [(0b11, 576), (0b111, 832), (0b10_0000_0111, 2696)] {
            let bytes = Xstate::for_signal_frame(area(in_use), &end).unwrap().bytes;
            assert_eq!(bytes.len(), len + 4);
            assert_eq!(word(&bytes, 464), MAGIC_1);
            assert_eq!(word(&bytes, 468) as usize, len + 4);
            assert_eq!(u64::from(word(&bytes, 472)), in_use);
            assert_eq!(word(&bytes, 480) as usize, len);
            assert_eq!(word(&bytes, len), MAGIC_2);
            assert_eq!(bytes[463], 0xaa);
            assert_eq!(word(&bytes, 508), 0);
        }
    }

    #[test]
    fn tiles_and_nonsense_are_refused() {
        assert!(Xstate::for_signal_frame(area(1 << 18 | 0b111), &end).is_err());
        assert!(Xstate::for_signal_frame(vec![0; 512], &end).is_err());
        let short = area(0b10_0000_0111)[..1000].to_vec();
        assert!(Xstate::for_signal_frame(short, &end).is_err());
    }

    #[test]
    fn this_processor_has_avx_where_it_always_was() {
        if std::is_x86_feature_detected!("avx") {
            assert_eq!(component_end(2), 832);
        }
    }
}
