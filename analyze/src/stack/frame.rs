//! What a stack consists of.

use crate::v8::{Address, Location, Tagged};

/// The stack of one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Innermost frame first; inlined functions have frames of their own, before the function that they are inlined into.
    pub frames: Vec<Frame>,
    /// Why it ends where it ends.
    pub end: StackEnd,
    /// What of it could not be read for sure, in words for a person.
    pub problems: Vec<String>,
}

/// Why a stack ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StackEnd {
    /// At the first function of the thread.
    Complete,
    /// After the number of frames that was asked for.
    Limit,
    /// Where nothing says how to reach the caller.
    Lost,
}

/// A frame, of a call that has not returned yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The instruction to go on with. For an inlined function that of the function that it is inlined into.
    pub pc: u64,
    /// The stack pointer in the frame.
    pub sp: u64,
    /// The frame pointer of a frame of V8.
    pub fp: Option<u64>,
    /// What kind of frame it is.
    pub kind: FrameKind,
    /// Whether the function was inlined into the next frame's.
    pub is_inlined: bool,
    /// Whether the function was called by `new`.
    pub is_construct: bool,
    /// The JavaScript function, of the frames that have one.
    pub function: Option<JsFunction>,
    /// The native function or builtin that the instruction is in.
    pub native: Option<NativeFunction>,
    /// Whether the frame was found without knowing for sure that it is the caller of the one before.
    pub is_guess: bool,
}

/// The kinds of frames.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameKind {
    /// C, C++ or any other native code.
    Native,
    /// Bytecode, in the interpreter (Ignition).
    Interpreted,
    /// Code by Sparkplug.
    Baseline,
    /// Code by Maglev.
    Maglev,
    /// Code by the optimising compiler: Crankshaft, later TurboFan.
    Optimized,
    /// Code by the compiler that V8 had before the interpreter.
    FullCodegen,
    /// A function of the language that V8 implements itself.
    Builtin,
    /// A frame without a function of the language, by V8's name of its type in lower case: `entry`, `exit`, `construct`,
    /// `internal`, `arguments adaptor`, `wasm`, …
    Typed(String),
    /// Code of V8 that cannot be told.
    Unknown,
}

impl FrameKind {
    /// One or two words for the kind.
    pub fn name(&self) -> &str {
        match self {
            Self::Native => "native",
            Self::Interpreted => "interpreted",
            Self::Baseline => "baseline",
            Self::Maglev => "maglev",
            Self::Optimized => "optimized",
            Self::FullCodegen => "full-codegen",
            Self::Builtin => "builtin",
            Self::Typed(name) => name,
            Self::Unknown => "unknown",
        }
    }

    /// Whether a frame of this kind runs a function written in JavaScript.
    pub const fn is_javascript(&self) -> bool {
        matches!(
            self,
            Self::Interpreted | Self::Baseline | Self::Maglev | Self::Optimized | Self::FullCodegen
        )
    }
}

/// A JavaScript function in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsFunction {
    /// The closure. An inlined function may have none in the image.
    pub closure: Option<Address>,
    /// What all its closures have in common.
    pub shared: Address,
    /// Its name; empty for an anonymous function.
    pub name: String,
    /// `this`, if it is known.
    pub receiver: Option<Tagged>,
    /// The arguments; `None` if they are not known.
    pub arguments: Option<Vec<Tagged>>,
    /// The context of its variables.
    pub context: Option<Address>,
    /// The script; `None` for builtins.
    pub script: Option<Address>,
    /// Where in the source the call in progress is, or if that is not known, where the function begins.
    pub location: Option<Location>,
    /// Whether the location is that of the call in progress.
    pub is_exact: bool,
}

/// A native function or builtin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeFunction {
    /// Name as in the symbol table, mangled; for a builtin of V8 its name in V8. `None` if there is no symbol.
    pub symbol: Option<String>,
    /// Bytes from the beginning of the function to the instruction.
    pub offset: u64,
    /// Path of the file that it is in; empty for generated code.
    pub module: String,
}
