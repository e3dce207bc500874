//! The code that an instruction belongs to, of what V8 has compiled.

use v8mini_format::MemoryExt;

use super::processor::{FrameState, Processor};
use crate::layout::Field;
use crate::v8::{Address, FixedArray, Objects, Tagged};

/// Code is looked for so many bytes below an instruction; larger functions are on pages of their own.
const MAX_CODE_BYTES: u64 = 1 << 20;
/// Code that checks for deoptimisation first makes its frame within so many bytes.
const MAX_PROLOGUE_BYTES: u64 = 128;

/// Compiled code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code {
    /// The `Code` object, which has the tables.
    pub(super) object: Address,
    /// Address of the first instruction.
    pub(super) start: u64,
    /// Bytes of instructions.
    pub(super) size: u64,
    /// V8's number of its kind.
    pub(super) kind: u64,
}

impl Code {
    /// The code that holds the instruction at `pc`.
    pub(super) fn at(objects: &Objects, pc: u64) -> Option<Self> {
        let page = objects.pages().page_of(pc)?;
        if pc < page.area_start {
            return None;
        }
        let first = page.area_start.max(pc.saturating_sub(MAX_CODE_BYTES)) & !7;
        let bytes = objects
            .memory()
            .read_vec(first, (pc - first) as usize)
            .ok()?;
        let (words, _) = bytes.as_chunks::<8>();
        // Backwards: the object begins below the instruction, and nearly every word in between is no map.
        let words = words.iter().enumerate().rev();
        words
            .filter(|(_, word)| u64::from_le_bytes(**word) & 3 == 1)
            .find_map(|(index, _)| Self::read(objects, Address(first + 8 * index as u64)))
            .filter(|code| code.contains(pc))
    }

    fn read(objects: &Objects, address: Address) -> Option<Self> {
        let layout = objects.layout();
        let found = objects.instance_type(address)?;
        let object = if objects.is_type(found, "INSTRUCTION_STREAM_TYPE") {
            objects
                .tagged_field(address, Field::InstructionStreamCode)
                .ok()?
                .strong()?
        } else if objects.is_type(found, "CODE_TYPE")
            && layout.place(Field::InstructionStreamCode).is_err()
        {
            address
        } else {
            return None;
        };
        Self::of(objects, object)
    }

    /// What the `Code` object at `object` says.
    pub(super) fn of(objects: &Objects, object: Address) -> Option<Self> {
        let layout = objects.layout();
        let start = match layout.place(Field::CodeInstructionStart) {
            Ok(place) => objects.load(object, place).ok()?,
            Err(_) => object
                .0
                .checked_add(layout.number(Field::CodeInstructions).ok()?)?,
        };
        Some(Self {
            object,
            start,
            size: objects.field(object, Field::CodeInstructionSize).ok()?,
            kind: objects.field(object, Field::CodeKind).ok()?,
        })
    }

    pub(super) fn contains(&self, pc: u64) -> bool {
        pc.checked_sub(self.start)
            .is_some_and(|offset| offset < self.size)
    }

    /// Whether the code is of a kind that a field names.
    pub(super) fn is(&self, objects: &Objects, kind: Field) -> bool {
        objects.layout().number(kind) == Ok(self.kind)
    }

    /// A table of the code, if it has it.
    pub(super) fn table(&self, objects: &Objects, field: Field) -> Option<Address> {
        objects.tagged_field(self.object, field).ok()?.strong()
    }

    /// An element of the data for deoptimisation.
    pub(super) fn deoptimization_element(&self, objects: &Objects, index: Field) -> Option<Tagged> {
        let data = self.table(objects, Field::CodeDeoptimizationData)?;
        let index = objects.layout().number(index).ok()?;
        FixedArray::read(objects, data)
            .ok()?
            .get(objects, index)
            .ok()
    }

    /// Whether the frame of the function is there when it is interrupted at `pc`.
    pub(super) fn frame_state(
        &self,
        objects: &Objects,
        processor: Processor,
        pc: u64,
    ) -> FrameState {
        let memory = objects.memory();
        let Some(offset) = pc.checked_sub(self.start) else {
            return FrameState::Built;
        };
        // The last instruction of the memory may be shorter than what is read.
        let next = memory
            .read_array(pc)
            .or_else(|_| memory.read_u8(pc).map(|byte| [byte, 0, 0, 0]));
        let len = MAX_PROLOGUE_BYTES.min(self.size) as usize;
        match (next, memory.read_vec(self.start, len)) {
            (Ok(next), Ok(prologue)) => processor.frame_state(next, &prologue, offset),
            _ => FrameState::Built,
        }
    }
}
