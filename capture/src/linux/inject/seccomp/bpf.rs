//! Classic BPF, as far as seccomp allows it (`seccomp_check_filter` in the kernel's `kernel/seccomp.c`).

use nix::libc::{self, c_long};

/// `AUDIT_ARCH_X86_64` (`include/uapi/linux/audit.h`): 64-bit, little-endian, machine 62.
const ARCHITECTURE: u32 = 0xc000_003e;
/// `BPF_MEMWORDS`.
const SCRATCH_WORDS: usize = 16;
/// What a filter says that does something unknown: the worst.
const DEATH: u32 = libc::SECCOMP_RET_KILL_PROCESS;

/// `struct sock_filter`.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Instruction {
    code: u16,
    /// Instructions to skip if a comparison holds, and if it does not.
    jump_true: u8,
    jump_false: u8,
    k: u32,
}

/// `struct seccomp_data`: what a filter may look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data([u32; 16]);

impl Data {
    pub(super) fn new(number: c_long, instruction_pointer: u64, arguments: [u64; 6]) -> Self {
        let mut words = [0; 16];
        let halves = |value: u64| [value as u32, (value >> 32) as u32];
        let number = halves(number.cast_unsigned());
        let wide = std::iter::once(instruction_pointer).chain(arguments);
        let all = [number[0], ARCHITECTURE]
            .into_iter()
            .chain(wide.flat_map(halves));
        for (place, word) in words.iter_mut().zip(all) {
            *place = word;
        }
        Self(words)
    }

    fn word(&self, offset: u32) -> Option<u32> {
        let index = usize::try_from(offset / 4).ok()?;
        self.0
            .get(index)
            .copied()
            .filter(|_| offset.is_multiple_of(4))
    }
}

/// What the filter answers. The kernel has checked its filters; whatever is not as it should be counts as death.
pub(super) fn run(filter: &[Instruction], data: &Data) -> u32 {
    Machine::default().run(filter, data).unwrap_or(DEATH)
}

#[derive(Debug, Default)]
struct Machine {
    a: u32,
    x: u32,
    scratch: [u32; SCRATCH_WORDS],
}

impl Machine {
    fn run(mut self, filter: &[Instruction], data: &Data) -> Option<u32> {
        let mut at = 0_usize;
        // Jumps go forward only: this ends.
        while let Some(&Instruction { code, k, .. }) = filter.get(at) {
            let instruction = filter.get(at)?;
            let (class, operand) = (u32::from(code) & 0x07, u32::from(code) & 0x08);
            let operand = if operand == libc::BPF_X { self.x } else { k };
            let mut skip = 0;
            match class {
                libc::BPF_LD => self.a = self.load(code, k, data)?,
                libc::BPF_LDX => self.x = self.load(code, k, data)?,
                libc::BPF_ST => *self.scratch.get_mut(usize::try_from(k).ok()?)? = self.a,
                libc::BPF_STX => *self.scratch.get_mut(usize::try_from(k).ok()?)? = self.x,
                libc::BPF_ALU => self.a = self.calculate(code, operand)?,
                libc::BPF_JMP => skip = self.jump(instruction, operand)?,
                libc::BPF_RET if u32::from(code) & 0x18 == BPF_A => return Some(self.a),
                libc::BPF_RET => return Some(k),
                libc::BPF_MISC if u32::from(code) & 0xf8 == BPF_TXA => self.a = self.x,
                libc::BPF_MISC => self.x = self.a,
                _ => return None,
            }
            at = at.checked_add(1)?.checked_add(skip)?;
        }
        None
    }

    fn load(&self, code: u16, k: u32, data: &Data) -> Option<u32> {
        match u32::from(code) & 0xe0 {
            libc::BPF_IMM => Some(k),
            libc::BPF_ABS => data.word(k),
            libc::BPF_MEM => self.scratch.get(usize::try_from(k).ok()?).copied(),
            libc::BPF_LEN => Some(size_of::<Data>() as u32),
            _ => None,
        }
    }

    fn calculate(&self, code: u16, operand: u32) -> Option<u32> {
        let a = self.a;
        Some(match u32::from(code) & 0xf0 {
            libc::BPF_ADD => a.wrapping_add(operand),
            libc::BPF_SUB => a.wrapping_sub(operand),
            libc::BPF_MUL => a.wrapping_mul(operand),
            libc::BPF_DIV => a.checked_div(operand)?,
            libc::BPF_AND => a & operand,
            libc::BPF_OR => a | operand,
            libc::BPF_XOR => a ^ operand,
            libc::BPF_LSH => a.checked_shl(operand)?,
            libc::BPF_RSH => a.checked_shr(operand)?,
            libc::BPF_NEG => a.wrapping_neg(),
            _ => return None,
        })
    }

    /// Instructions to skip.
    fn jump(&self, instruction: &Instruction, operand: u32) -> Option<usize> {
        let holds = match u32::from(instruction.code) & 0xf0 {
            libc::BPF_JA => return usize::try_from(instruction.k).ok(),
            libc::BPF_JEQ => self.a == operand,
            libc::BPF_JGT => self.a > operand,
            libc::BPF_JGE => self.a >= operand,
            libc::BPF_JSET => self.a & operand != 0,
            _ => return None,
        };
        Some(usize::from(if holds {
            instruction.jump_true
        } else {
            instruction.jump_false
        }))
    }
}

/// Of `include/uapi/linux/filter.h`: return the accumulator; move the index register to it.
const BPF_A: u32 = 0x10;
const BPF_TXA: u32 = 0x80;

#[cfg(test)]
impl Instruction {
    /// A filter's last word.
    pub(super) fn ret(answer: u32) -> Self {
        Self::new(libc::BPF_RET, 0, 0, answer)
    }

    fn new(code: u32, jump_true: u8, jump_false: u8, k: u32) -> Self {
        Self {
            code: u16::try_from(code).unwrap(),
            jump_true,
            jump_false,
            k,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const JEQ: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;

    fn data(number: c_long, first_argument: u64) -> Data {
        Data::new(number, 0x7f12_3456_789a, [first_argument, 0, 0, 0, 0, 7])
    }

    #[test]
    fn a_filter_as_docker_writes_it() {
        // clone is allowed unless it makes a namespace; everything else is an error; another architecture is death.
        const NAMESPACES: u32 = 0x7e02_0000;
        let filter = [
            Instruction::new(LOAD, 0, 0, 4),
            Instruction::new(JEQ, 1, 0, ARCHITECTURE),
            Instruction::ret(libc::SECCOMP_RET_KILL_PROCESS),
            Instruction::new(LOAD, 0, 0, 0),
            Instruction::new(JEQ, 0, 4, libc::SYS_clone as u32),
            Instruction::new(LOAD, 0, 0, 16),
            Instruction::new(libc::BPF_ALU | libc::BPF_AND, 0, 0, NAMESPACES),
            Instruction::new(JEQ, 0, 1, 0),
            Instruction::ret(libc::SECCOMP_RET_ALLOW),
            Instruction::ret(libc::SECCOMP_RET_ERRNO | 1),
        ];
        let answer = |number, flags| run(&filter, &data(number, flags));
        assert_eq!(
            answer(libc::SYS_clone, 0x8000_0e00),
            libc::SECCOMP_RET_ALLOW
        );
        assert_eq!(
            answer(libc::SYS_clone, 0x1000_0000),
            libc::SECCOMP_RET_ERRNO | 1
        );
        assert_eq!(
            answer(libc::SYS_userfaultfd, 0),
            libc::SECCOMP_RET_ERRNO | 1
        );
    }

    #[test]
    fn every_instruction() {
        let (k, x) = (libc::BPF_K, libc::BPF_X);
        let new = Instruction::new;
        let filter = [
            new(libc::BPF_LDX | libc::BPF_IMM, 0, 0, 3),
            new(LOAD, 0, 0, 8),
            new(libc::BPF_ALU | libc::BPF_RSH | k, 0, 0, 4),
            new(libc::BPF_ALU | libc::BPF_ADD | x, 0, 0, 0),
            new(libc::BPF_ALU | libc::BPF_MUL | k, 0, 0, 2),
            new(libc::BPF_ALU | libc::BPF_SUB | k, 0, 0, 6),
            new(libc::BPF_ALU | libc::BPF_DIV | k, 0, 0, 2),
            new(libc::BPF_ALU | libc::BPF_LSH | k, 0, 0, 4),
            new(libc::BPF_ALU | libc::BPF_OR | k, 0, 0, 0xa),
            new(libc::BPF_ALU | libc::BPF_XOR | k, 0, 0, 0xff),
            new(libc::BPF_ALU | libc::BPF_NEG, 0, 0, 0),
            new(libc::BPF_ST, 0, 0, 15),
            new(libc::BPF_MISC, 0, 0, 0),
            new(libc::BPF_STX, 0, 0, 14),
            new(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0, 0, 0),
            new(libc::BPF_JMP | libc::BPF_JGT | k, 0, 1, 63),
            new(libc::BPF_JMP | libc::BPF_JA, 0, 0, 1),
            Instruction::ret(1),
            new(libc::BPF_JMP | libc::BPF_JSET | k, 1, 0, 64),
            Instruction::ret(2),
            new(libc::BPF_JMP | libc::BPF_JGE | k, 0, 1, 65),
            Instruction::ret(3),
            new(libc::BPF_LD | libc::BPF_MEM, 0, 0, 14),
            new(libc::BPF_MISC | BPF_TXA, 0, 0, 0),
            new(libc::BPF_RET | BPF_A, 0, 0, 0),
        ];
        let low = 0x3456_789a_u32;
        let expected = ((low / 16 * 16) | 0xa) ^ 0xff;
        assert_eq!(run(&filter, &data(0, 0)), expected.wrapping_neg());
        // The sixth argument is the last: beyond it there is nothing.
        let answer = |offset| {
            let read = [new(LOAD, 0, 0, offset), new(libc::BPF_RET | BPF_A, 0, 0, 0)];
            run(&read, &data(0, 0))
        };
        assert_eq!((answer(56), answer(60)), (7, 0));
        assert_eq!((answer(64), answer(57)), (DEATH, DEATH));
    }

    #[test]
    fn nonsense_is_death() {
        let data = data(0, 0);
        assert_eq!(run(&[], &data), DEATH);
        assert_eq!(run(&[Instruction::new(0xffff, 0, 0, 0)], &data), DEATH);
        let ja = libc::BPF_JMP | libc::BPF_JA;
        assert_eq!(run(&[Instruction::new(ja, 0, 0, u32::MAX)], &data), DEATH);
        let divide = libc::BPF_ALU | libc::BPF_DIV;
        assert_eq!(run(&[Instruction::new(divide, 0, 0, 0)], &data), DEATH);
    }
}
