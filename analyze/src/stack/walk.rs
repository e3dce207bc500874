//! From frame to frame.

use v8mini_format::MemoryExt;
use v8mini_format::model::{Metadata, Thread};

use super::code::Code;
use super::frame::{Frame, FrameKind, Stack, StackEnd};
use super::js_frame::{FrameCode, FrameReader};
use super::native::Place;
use super::processor::{FrameState, Processor, ReturnAddress};
use super::registers::Registers;
use super::thread::serves_io_uring;
use crate::v8::Objects;

/// V8's constants with the numbers of frame types begin so.
const FRAME_TYPE_PREFIX: &str = "frametype_";
/// Frame types have smaller numbers.
const MAX_FRAME_TYPE: u64 = 64;
/// Code objects that are remembered: many frames of a deep stack run the same.
const CODES_REMEMBERED: usize = 256;
/// Problems that are listed of one stack.
const MAX_PROBLEMS: usize = 16;

/// V8's names of frame types by their numbers.
#[derive(Debug, Default)]
pub(super) struct FrameTypes(Vec<(u64, String)>);

impl FrameTypes {
    fn of(metadata: &Metadata) -> Self {
        let types = metadata.constants.iter().filter_map(|(name, number)| {
            let name = name.strip_prefix(FRAME_TYPE_PREFIX)?;
            Some((u64::try_from(*number).ok()?, name.to_owned()))
        });
        Self(types.collect())
    }

    /// The type that a word in a frame stands for. Up to V8 5.5 the marker is a Smi, from then on the number shifted by one.
    pub(super) fn of_marker(&self, word: u64) -> Option<&str> {
        if word & 1 != 0 {
            return None;
        }
        let number = if word as u32 == 0 && word != 0 {
            word >> 32
        } else {
            word >> 1
        };
        if number >= MAX_FRAME_TYPE {
            return None;
        }
        self.0
            .iter()
            .find(|(known, _)| *known == number)
            .map(|(_, name)| name.as_str())
    }
}

/// The walk over one stack.
pub(super) struct Walker<'a> {
    objects: &'a Objects,
    metadata: &'a Metadata,
    thread: &'a Thread,
    types: FrameTypes,
    codes: Vec<Code>,
    stack: Stack,
}

impl<'a> Walker<'a> {
    pub(super) fn new(objects: &'a Objects, thread: &'a Thread) -> Self {
        let metadata = &objects.image().metadata;
        Self {
            objects,
            metadata,
            thread,
            types: FrameTypes::of(metadata),
            codes: Vec::new(),
            stack: Stack {
                frames: Vec::new(),
                end: StackEnd::Complete,
                problems: Vec::new(),
            },
        }
    }

    /// Walks at most `limit` frames.
    pub(super) fn walk(mut self, limit: usize) -> Stack {
        if serves_io_uring(self.thread) {
            return self.stack;
        }
        let Some(processor) = Processor::of(self.metadata) else {
            let architecture = &self.metadata.process.architecture;
            self.lost(format!(
                "stacks of the processor '{architecture}' cannot be followed: expected x86_64 or aarch64"
            ));
            return self.stack;
        };
        let mut next = processor.registers(self.thread);
        if next.is_none() {
            self.lost("the thread's registers are not in the image".to_owned());
        }
        let mut is_guess = false;
        let mut walked = 0;
        while let Some(registers) = next.take() {
            if walked >= limit {
                self.stack.end = StackEnd::Limit;
                break;
            }
            walked += 1;
            let place = Place::of(self.metadata, &registers);
            let caller = self.step(&registers, &place, is_guess);
            is_guess = false;
            next = match caller {
                Step::Caller(caller) => Some(caller),
                Step::End => None,
                Step::Lost(why) => {
                    is_guess = true;
                    let found = self.next_exit_frame(&registers);
                    match found {
                        Some(_) => self.problem(why),
                        None => self.lost(why),
                    }
                    found
                }
            };
        }
        self.stack
    }

    /// Adds the frame of `registers`, and finds its caller.
    fn step(&mut self, registers: &Registers, place: &Place<'_>, is_guess: bool) -> Step {
        let memory = self.objects.memory();
        let frame = Frame {
            pc: registers.pc,
            sp: registers.sp,
            fp: None,
            kind: FrameKind::Native,
            is_inlined: false,
            is_construct: false,
            function: None,
            native: Some(place.function.clone()),
            is_guess,
        };
        // The first function of a program has no caller, and in many builds no row that says so.
        if place.function.symbol.as_deref() == Some("_start") {
            self.stack.frames.push(frame);
            return Step::End;
        }
        if let Some(row) = place.row
            && place.builtin().is_none()
        {
            self.stack.frames.push(frame);
            if row.return_address == v8mini_format::model::UnwindRule::Undefined {
                return Step::End;
            }
            return match registers.by_row(memory, row) {
                // Some first functions of a thread say that they have a caller at 0.
                Some(caller) if caller.pc == 0 => Step::End,
                Some(caller) => Step::Caller(caller),
                None => Step::Lost(format!(
                    "the caller of {:#x} cannot be read from the stack",
                    registers.pc
                )),
            };
        }
        let code = self.code_at(registers.lookup_pc());
        if registers.is_exact
            && let Some(code) = code
            && let FrameState::Absent(place) =
                code.frame_state(self.objects, registers.processor, registers.pc)
        {
            return self.step_without_frame(registers, frame, place);
        }
        let reader = FrameReader {
            objects: self.objects,
            types: &self.types,
        };
        let fp = registers.fp;
        let marker = reader.marker(fp).map(str::to_owned);
        let function = reader.function(fp);
        let frame = Frame {
            fp: Some(fp),
            ..frame
        };
        match (marker, function) {
            (Some(name), _) => {
                let target = match name.as_str() {
                    "BuiltinExitFrame" => reader.exit_target(fp),
                    _ => None,
                };
                let function = target.and_then(|target| reader.builtin_function(target));
                self.stack.frames.push(Frame {
                    kind: FrameKind::Typed(words(&name)),
                    function,
                    is_construct: false,
                    ..frame
                });
            }
            (None, Some(function)) => {
                let code = FrameCode {
                    code: code.as_ref(),
                    builtin: place.builtin(),
                };
                let frame = Frame {
                    is_construct: reader.is_construct(fp),
                    ..frame
                };
                let frames = reader.read(function, registers, code, &frame);
                self.stack.frames.extend(frames);
            }
            (None, None) => {
                let is_native = place.builtin().is_none() && code.is_none();
                let module = frame.native.as_ref().map(|native| native.module.clone());
                self.stack.frames.push(Frame {
                    kind: if is_native {
                        FrameKind::Native
                    } else {
                        FrameKind::Unknown
                    },
                    ..frame
                });
                if is_native {
                    return self.guess(registers, module.as_deref().unwrap_or_default());
                }
            }
        }
        match registers.by_frame_pointer(memory) {
            Some(caller) => Step::Caller(caller),
            None => Step::Lost(format!(
                "the frame pointer {fp:#x} at {:#x} does not lead up the stack",
                registers.pc
            )),
        }
    }

    /// Goes on from an instruction whose function has not made its frame yet, or has taken it down.
    fn step_without_frame(
        &mut self,
        registers: &Registers,
        frame: Frame,
        place: ReturnAddress,
    ) -> Step {
        self.stack.frames.push(Frame {
            kind: FrameKind::Unknown,
            ..frame
        });
        let slot = match (place, registers.link) {
            (ReturnAddress::Above(bytes), _) => registers.sp.wrapping_add(bytes),
            (ReturnAddress::InRegister, Some(pc)) => {
                return Step::Caller(registers.caller(pc, registers.sp, registers.fp));
            }
            (ReturnAddress::InRegister, None) => {
                return Step::Lost("the link register is not in the image".to_owned());
            }
        };
        match self.objects.memory().read_u64(slot) {
            Ok(pc) => Step::Caller(registers.caller(pc, slot.wrapping_add(8), registers.fp)),
            Err(error) => Step::Lost(error.to_string()),
        }
    }

    /// Native code of which no row is known: its frame pointer may lead to its caller, if that is code.
    fn guess(&self, registers: &Registers, module: &str) -> Step {
        let why = match module {
            "" => format!("{:#x} is in no file", registers.pc),
            module => format!("nothing says how to unwind {:#x} in {module}", registers.pc),
        };
        let caller = registers.by_native_frame_pointer(self.objects.memory());
        match caller.filter(|caller| Place::of(self.metadata, caller).is_code()) {
            Some(caller) if caller.fp > registers.fp => Step::Caller(caller),
            _ => Step::Lost(why),
        }
    }

    /// The next frame further up by which V8 has left its own code: a frame pointer whose frame says so.
    fn next_exit_frame(&self, registers: &Registers) -> Option<Registers> {
        let reader = FrameReader {
            objects: self.objects,
            types: &self.types,
        };
        let memory = self.objects.memory();
        let isolate = self
            .metadata
            .isolates
            .iter()
            .find(|isolate| isolate.address != 0 && isolate.address == self.thread.isolate)?;
        let range = v8mini_capture::locate::isolate_block(memory, isolate.address, isolate.heap);
        let bytes = memory
            .read_vec(range.start, range.len.min(1 << 20) as usize)
            .ok()?;
        let (words, _) = bytes.as_chunks::<8>();
        let fp = words
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .filter(|fp| *fp > registers.sp && *fp < self.thread.stack_end && fp.is_multiple_of(8))
            .filter(|fp| reader.marker(*fp).is_some_and(|name| name.contains("Exit")))
            .min()?;
        let sp = memory.read_u64(fp.checked_sub(16)?).ok()?;
        let pc = memory.read_u64(sp.checked_sub(8)?).ok()?;
        (sp > registers.sp && sp <= fp).then(|| registers.caller(pc, sp, fp))
    }

    fn code_at(&mut self, pc: u64) -> Option<Code> {
        if let Some(code) = self.codes.iter().find(|code| code.contains(pc)) {
            return Some(*code);
        }
        let code = Code::at(self.objects, pc)?;
        if self.codes.len() < CODES_REMEMBERED {
            self.codes.push(code);
        }
        Some(code)
    }

    fn problem(&mut self, why: String) {
        if self.stack.problems.len() < MAX_PROBLEMS {
            self.stack.problems.push(why);
        }
    }

    fn lost(&mut self, why: String) {
        self.problem(why);
        self.stack.end = StackEnd::Lost;
    }
}

/// What comes after a frame.
enum Step {
    Caller(Registers),
    End,
    /// Nothing says how to go on: why.
    Lost(String),
}

/// V8's name of a frame type in words: `ArgumentsAdaptorFrame` is `arguments adaptor`.
fn words(name: &str) -> String {
    let name = name.strip_suffix("Frame").unwrap_or(name);
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}
