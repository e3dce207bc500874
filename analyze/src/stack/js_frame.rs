//! Frames of functions of the language: function, receiver, arguments, position.

use v8mini_format::MemoryExt;

use super::code::Code;
use super::frame::{Frame, FrameKind, JsFunction};
use super::inlined::{InlinedCall, calls_at};
use super::registers::Registers;
use super::{baseline, positions};
use crate::layout::Field;
use crate::v8::{Address, Location, Objects, Tagged};

/// Most arguments that are listed.
const MAX_ARGUMENTS: u64 = 1 << 12;
/// The number of parameters of a function that takes whatever comes.
const ANY_PARAMETERS: u64 = 0xffff;

/// The parts of a frame that every kind shares, as words below the frame pointer.
const CONTEXT: u64 = 1;
const FUNCTION: u64 = 2;
/// Of a frame that adapts arguments: their number.
const ADAPTOR_COUNT: u64 = 3;

/// Reads the frames of V8 on a stack.
pub(super) struct FrameReader<'a> {
    pub(super) objects: &'a Objects,
    /// The names of frame types that are markers, by number.
    pub(super) types: &'a super::walk::FrameTypes,
}

/// What a frame's code is, as far as it is known.
#[derive(Clone, Copy)]
pub(super) struct FrameCode<'a> {
    pub(super) code: Option<&'a Code>,
    pub(super) builtin: Option<&'a str>,
}

impl FrameReader<'_> {
    fn word(&self, fp: u64, below: u64) -> Option<u64> {
        let at = fp.checked_sub(below.checked_mul(8)?)?;
        self.objects.memory().read_u64(at).ok()
    }

    fn above(&self, fp: u64, words: u64) -> Option<Tagged> {
        let at = fp.checked_add(words.checked_mul(8)?)?;
        self.objects.memory().read_u64(at).ok().map(Tagged)
    }

    /// The type of the frame at `fp` by its marker; `None` for frames that hold a context instead.
    pub(super) fn marker(&self, fp: u64) -> Option<&str> {
        self.types.of_marker(self.word(fp, CONTEXT)?)
    }

    /// The function at `fp`, if that is a frame of a function of the language.
    pub(super) fn function(&self, fp: u64) -> Option<Address> {
        let context = Tagged(self.word(fp, CONTEXT)?).strong()?;
        let function = Tagged(self.word(fp, FUNCTION)?).strong()?;
        let is_function = self
            .objects
            .instance_type(function)
            .is_some_and(|found| self.objects.is_function_type(found));
        // Any word may look like a function; a context beside it is no accident.
        (is_function && self.objects.instance_type(context).is_some()).then_some(function)
    }

    /// The frames of the functions at `fp`, inlined ones first.
    pub(super) fn read(
        &self,
        function: Address,
        registers: &Registers,
        code: FrameCode<'_>,
        frame: &Frame,
    ) -> Vec<Frame> {
        let objects = self.objects;
        let fp = registers.fp;
        let Ok(shared) = objects.shared_function_info(function) else {
            return vec![frame.clone()];
        };
        let bytecode = self.bytecode_array(fp);
        let kind = self.kind(fp, code, bytecode, shared);
        let mut calls = Vec::new();
        match (&kind, code.code) {
            (FrameKind::Interpreted, _) => {
                calls.extend(self.interpreted_position(fp, bytecode));
            }
            (FrameKind::Baseline, Some(code)) => {
                let position = bytecode.and_then(|bytecode| {
                    let pc = registers.lookup_pc();
                    let offset = baseline::bytecode_offset(objects, code, bytecode, pc)?;
                    self.bytecode_position(bytecode, offset)
                });
                calls.extend(position);
            }
            (_, Some(code)) if kind.is_javascript() => {
                calls = calls_at(objects, code, registers.lookup_pc());
            }
            _ => {}
        }
        let own = calls.pop();
        let mut frames: Vec<Frame> = calls
            .into_iter()
            .filter_map(|call| {
                let shared = call.shared?;
                Some(Frame {
                    kind: kind.clone(),
                    is_inlined: true,
                    is_construct: false,
                    function: Some(self.describe(None, shared, Some(call))),
                    ..frame.clone()
                })
            })
            .collect();
        let (receiver, arguments) = self.arguments(fp, shared);
        frames.push(Frame {
            kind,
            function: Some(JsFunction {
                receiver,
                arguments,
                context: self
                    .word(fp, CONTEXT)
                    .and_then(|word| Tagged(word).strong()),
                ..self.describe(Some(function), shared, own)
            }),
            ..frame.clone()
        });
        frames
    }

    fn kind(
        &self,
        fp: u64,
        code: FrameCode<'_>,
        bytecode: Option<Address>,
        shared: Address,
    ) -> FrameKind {
        let objects = self.objects;
        if let Some(code) = code.code {
            for (field, kind) in [
                (Field::CodeKindOptimized, FrameKind::Optimized),
                (Field::CodeKindMaglev, FrameKind::Maglev),
                (Field::CodeKindBaseline, FrameKind::Baseline),
                (Field::CodeKindFullCodegen, FrameKind::FullCodegen),
            ] {
                if code.is(objects, field) {
                    return kind;
                }
            }
        }
        let is_builtin = !matches!(objects.function_script(shared), Ok(Some(_)));
        match bytecode {
            Some(_) if is_builtin => FrameKind::Builtin,
            // Without the code that runs, the words of the frame tell: in a baseline frame there is no offset.
            Some(_) if code.builtin.is_none() && code.code.is_none() => {
                match self.frame_bytecode_offset(fp) {
                    Some(_) => FrameKind::Interpreted,
                    None => FrameKind::Baseline,
                }
            }
            Some(_) => FrameKind::Interpreted,
            None if is_builtin => FrameKind::Builtin,
            None => FrameKind::Unknown,
        }
    }

    /// The bytecode of an interpreted or baseline frame.
    fn bytecode_array(&self, fp: u64) -> Option<Address> {
        let below = self
            .objects
            .layout()
            .number(Field::FrameBytecodeArray)
            .ok()?;
        Tagged(self.word(fp, below)?)
            .strong()
            .filter(|array| self.objects.has_type(*array, "BYTECODE_ARRAY_TYPE"))
    }

    /// The word of an interpreted frame that counts from the tagged pointer to the `BytecodeArray`.
    fn frame_bytecode_offset(&self, fp: u64) -> Option<u64> {
        let below = self
            .objects
            .layout()
            .number(Field::FrameBytecodeOffset)
            .ok()?;
        let offset = Tagged(self.word(fp, below)?).smi()?;
        let header = self
            .objects
            .layout()
            .number(Field::BytecodeArrayData)
            .ok()?;
        u64::try_from(offset)
            .ok()?
            .checked_sub(header.checked_sub(1)?)
    }

    fn interpreted_position(&self, fp: u64, bytecode: Option<Address>) -> Option<InlinedCall> {
        self.bytecode_position(bytecode?, self.frame_bytecode_offset(fp)?)
    }

    fn bytecode_position(&self, bytecode: Address, offset: u64) -> Option<InlinedCall> {
        let table = self
            .objects
            .tagged_field(bytecode, Field::BytecodeArrayPositions)
            .ok()?
            .strong()?;
        let position = positions::position_at(self.objects, table, offset).ok()??;
        Some(InlinedCall {
            shared: None,
            position: position.script_offset,
        })
    }

    /// What is known of a function without its frame.
    fn describe(
        &self,
        closure: Option<Address>,
        shared: Address,
        call: Option<InlinedCall>,
    ) -> JsFunction {
        let objects = self.objects;
        let script = objects.function_script(shared).ok().flatten();
        let exact: Option<Location> = call
            .zip(script)
            .and_then(|(call, script)| objects.location(script, call.position).ok());
        let is_exact = exact.is_some();
        let name = objects.function_debug_name(shared).ok().flatten();
        JsFunction {
            closure,
            shared,
            name: name.map_or_else(String::new, |name| name.to_text()),
            receiver: None,
            arguments: None,
            context: None,
            script,
            location: exact.or_else(|| objects.function_location(shared).ok().flatten()),
            is_exact,
        }
    }

    /// `this` and the arguments of the frame at `fp`.
    fn arguments(&self, fp: u64, shared: Address) -> (Option<Tagged>, Option<Vec<Tagged>>) {
        let layout = self.objects.layout();
        if let Ok(below) = layout.number(Field::FrameArgumentCount) {
            let receiver_counts = layout
                .number(Field::FrameArgumentCountHasReceiver)
                .unwrap_or(0);
            let count = self
                .word(fp, below)
                .and_then(|count| count.checked_sub(receiver_counts))
                .filter(|count| *count <= ANY_PARAMETERS);
            let arguments = count.map(|count| {
                (0..count.min(MAX_ARGUMENTS))
                    .map_while(|index| self.above(fp, index + 3))
                    .collect()
            });
            return (self.above(fp, 2), arguments);
        }
        // Up to V8 8 the last argument is nearest. Where there are more or fewer than parameters, an adaptor frame has them.
        let adapted = self.word(fp, 0).filter(|caller| {
            self.marker(*caller)
                .is_some_and(|name| name == "ArgumentsAdaptorFrame")
        });
        let (fp, count) = match adapted {
            Some(caller) => {
                let count = self
                    .word(caller, ADAPTOR_COUNT)
                    .and_then(|word| Tagged(word).smi());
                (caller, count.and_then(|count| u64::try_from(count).ok()))
            }
            None => {
                let count = self.objects.field(shared, Field::SharedParameterCount).ok();
                (fp, count.filter(|count| *count < ANY_PARAMETERS))
            }
        };
        let Some(count) = count.filter(|count| *count <= ANY_PARAMETERS) else {
            return (None, None);
        };
        let arguments = (0..count.min(MAX_ARGUMENTS))
            .map_while(|index| self.above(fp, count + 1 - index))
            .collect();
        (self.above(fp, count + 2), Some(arguments))
    }

    /// Whether the frame at `fp` was entered by `new`: its caller is a frame that constructs.
    pub(super) fn is_construct(&self, fp: u64) -> bool {
        self.word(fp, 0).is_some_and(|caller| {
            matches!(
                self.marker(caller),
                Some("ConstructFrame" | "FastConstructFrame")
            )
        })
    }

    /// The function that a frame of a builtin written in C++ was called for, which lies above the frame pointer with the
    /// arguments.
    pub(super) fn exit_target(&self, fp: u64) -> Option<Address> {
        // `BuiltinExitFrameConstants::kTargetOffset` (V8 5.4 and later).
        let target = self.above(fp, 3)?.strong()?;
        let found = self.objects.instance_type(target)?;
        self.objects.is_function_type(found).then_some(target)
    }

    /// A builtin function written in C++, from its frame.
    pub(super) fn builtin_function(&self, target: Address) -> Option<JsFunction> {
        let shared = self.objects.shared_function_info(target).ok()?;
        Some(self.describe(Some(target), shared, None))
    }
}
