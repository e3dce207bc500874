//! Rows of the call-frame table that a compiler writes next to its code (`.eh_frame`).

use gimli::{
    AArch64, BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, Expression, LittleEndian,
    Operation, Register, RegisterRule, UnwindContext, UnwindExpression, UnwindSection, Vendor,
    X86_64,
};
use object::Endianness;
use object::elf::{EM_AARCH64, EM_X86_64, PT_GNU_EH_FRAME, PT_LOAD};
use object::read::elf::{ElfFile64, ProgramHeader};
use v8mini_format::model::{UnwindBase, UnwindRow, UnwindRule};

type Slice<'data> = EndianSlice<'data, LittleEndian>;

/// The rows that hold at `addresses` (sorted, of the process). Empty for a file without such a table, or for another
/// architecture than x86-64 and AArch64.
pub(super) fn rows(file: &[u8], load_bias: u64, addresses: &[u64]) -> Vec<UnwindRow> {
    let Some(table) = Table::parse(file) else {
        return Vec::new();
    };
    let mut context = UnwindContext::new();
    let mut rows: Vec<UnwindRow> = Vec::new();
    for address in addresses {
        // The call before a return address may be the last instruction of its function, or of a row.
        for address in [address.wrapping_sub(1), *address] {
            if rows
                .last()
                .is_some_and(|row| (row.start..row.end).contains(&address))
            {
                continue;
            }
            let own = address.wrapping_sub(load_bias);
            rows.extend(table.row(&mut context, own).map(|row| UnwindRow {
                start: row.start.wrapping_add(load_bias),
                end: row.end.wrapping_add(load_bias),
                ..row
            }));
        }
    }
    rows.dedup();
    rows
}

/// The tables of a file. Addresses are those of the file.
struct Table<'data> {
    header: gimli::ParsedEhFrameHdr<Slice<'data>>,
    frames: EhFrame<Slice<'data>>,
    bases: BaseAddresses,
    registers: Registers,
}

/// What the registers are called that a walk carries from frame to frame.
#[derive(Clone, Copy)]
struct Registers {
    frame_pointer: Register,
    return_address: Register,
    /// Whether a function that does not say where the address to return to is has it where the call has put it, in a register. Else
    /// such a function has no caller.
    returns_by_register: bool,
}

impl Registers {
    fn of(machine: object::elf::Machine) -> Option<Self> {
        match machine {
            EM_X86_64 => Some(Self {
                frame_pointer: X86_64::RBP,
                return_address: X86_64::RA,
                returns_by_register: false,
            }),
            EM_AARCH64 => Some(Self {
                frame_pointer: AArch64::X29,
                return_address: AArch64::X30,
                returns_by_register: true,
            }),
            _ => None,
        }
    }
}

impl<'data> Table<'data> {
    fn parse(file: &'data [u8]) -> Option<Self> {
        let elf = ElfFile64::<Endianness>::parse(file).ok()?;
        let endian = elf.endian();
        let registers = Registers::of(elf.elf_header().e_machine.get(endian))?;
        let headers = elf.elf_program_headers();
        let header = headers
            .iter()
            .find(|p| p.p_type(endian) == PT_GNU_EH_FRAME)?;
        let header_address = header.p_vaddr(endian);
        let bytes = loaded(&elf, file, header_address)?;
        let bases = BaseAddresses::default().set_eh_frame_hdr(header_address);
        let header = EhFrameHdr::new(bytes, LittleEndian).parse(&bases, 8).ok()?;
        let gimli::Pointer::Direct(frames_address) = header.eh_frame_ptr() else {
            return None;
        };
        let mut frames = EhFrame::new(loaded(&elf, file, frames_address)?, LittleEndian);
        if registers.returns_by_register {
            // Its compilers note where a return address is signed by an instruction that means something else elsewhere.
            frames.set_vendor(Vendor::AArch64);
        }
        Some(Self {
            header,
            registers,
            frames,
            bases: bases.set_eh_frame(frames_address),
        })
    }

    fn row(&self, context: &mut UnwindContext<usize>, address: u64) -> Option<UnwindRow> {
        let search = self.header.table()?;
        let entry = search
            .fde_for_address(&self.frames, &self.bases, address, EhFrame::cie_from_offset)
            .ok()?;
        let row = entry
            .unwind_info_for_address(&self.frames, &self.bases, context, address)
            .ok()?;
        let encoding = entry.cie().encoding();
        let expression = |expression: &UnwindExpression<usize>| {
            let expression = expression.get(&self.frames).ok()?;
            sum(expression, encoding)
        };
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                UnwindRule::Value(UnwindBase::Register(register.0), *offset)
            }
            CfaRule::Expression(code) => expression(code)?.into_value(),
        };
        let rule = |register: Register| match row.register(register) {
            None | Some(RegisterRule::SameValue) => UnwindRule::Unchanged,
            Some(RegisterRule::Offset(offset)) => UnwindRule::Memory(UnwindBase::Cfa, offset),
            Some(RegisterRule::ValOffset(offset)) => UnwindRule::Value(UnwindBase::Cfa, offset),
            Some(RegisterRule::Register(other)) => {
                UnwindRule::Value(UnwindBase::Register(other.0), 0)
            }
            Some(RegisterRule::Expression(code)) => {
                expression(&code).map_or(UnwindRule::Undefined, Sum::into_location)
            }
            Some(RegisterRule::ValExpression(code)) => {
                expression(&code).map_or(UnwindRule::Undefined, Sum::into_value)
            }
            _ => UnwindRule::Undefined,
        };
        let return_address = match rule(self.registers.return_address) {
            UnwindRule::Unchanged if self.registers.returns_by_register => {
                UnwindRule::Value(UnwindBase::Register(self.registers.return_address.0), 0)
            }
            // Without a rule for it there is no caller: the first function of a thread.
            UnwindRule::Unchanged => UnwindRule::Undefined,
            rule => rule,
        };
        Some(UnwindRow {
            start: row.start_address(),
            end: row.end_address(),
            is_signal_frame: entry.is_signal_trampoline(),
            cfa,
            frame_pointer: rule(self.registers.frame_pointer),
            return_address,
        })
    }
}

/// The bytes of the segment that holds an address, from there on.
fn loaded<'data>(
    elf: &ElfFile64<'data, Endianness>,
    file: &'data [u8],
    address: u64,
) -> Option<&'data [u8]> {
    let endian = elf.endian();
    elf.elf_program_headers()
        .iter()
        .filter(|p| p.p_type(endian) == PT_LOAD)
        .find_map(|p| {
            let within = address.checked_sub(p.p_vaddr(endian))?;
            let len = p.p_filesz(endian).checked_sub(within)?;
            let start = p.p_offset(endian).checked_add(within)?;
            let start = usize::try_from(start).ok()?;
            let end = start.checked_add(usize::try_from(len).ok()?)?;
            file.get(start..end).filter(|bytes| !bytes.is_empty())
        })
}

/// What an expression computes: a register and an offset, or the word in memory there.
#[derive(Clone, Copy)]
struct Sum {
    register: Register,
    offset: i64,
    dereferenced: bool,
}

impl Sum {
    /// The rule of a value that the expression computes.
    fn into_value(self) -> UnwindRule {
        let base = UnwindBase::Register(self.register.0);
        if self.dereferenced {
            UnwindRule::Memory(base, self.offset)
        } else {
            UnwindRule::Value(base, self.offset)
        }
    }

    /// The rule of a value that lies where the expression says.
    fn into_location(self) -> UnwindRule {
        if self.dereferenced {
            return UnwindRule::Undefined;
        }
        UnwindRule::Memory(UnwindBase::Register(self.register.0), self.offset)
    }
}

/// Understands `register + offset`, with a load at the end: what the C library writes for the return from a signal handler, and
/// compilers for functions that align their stack. Expressions of other forms are rare; where one is met, the stack has to go
/// on by its frame pointers.
fn sum(expression: Expression<Slice<'_>>, encoding: gimli::Encoding) -> Option<Sum> {
    let mut operations = expression.operations(encoding);
    let mut sum = match operations.next().ok()?? {
        Operation::RegisterOffset {
            register, offset, ..
        } => Sum {
            register,
            offset,
            dereferenced: false,
        },
        _ => return None,
    };
    while let Some(operation) = operations.next().ok()? {
        if sum.dereferenced {
            return None;
        }
        match operation {
            Operation::PlusConstant { value } => {
                sum.offset = sum.offset.checked_add(i64::try_from(value).ok()?)?;
            }
            Operation::Deref { size: 8, .. } => sum.dereferenced = true,
            _ => return None,
        }
    }
    Some(sum)
}
