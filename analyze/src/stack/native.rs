//! What is known of native code.

use v8mini_capture::symbols::path_of;
use v8mini_capture::unwind::canonical_address;
use v8mini_format::model::{Metadata, Region, UnwindRow};

use super::frame::NativeFunction;
use super::registers::Registers;
use super::symbol;

/// How the symbols of V8's builtins begin.
const BUILTIN_PREFIX: &str = "Builtins_";

/// What lies at an address.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    /// The mapping.
    pub(super) region: Option<&'a Region>,
    pub(super) row: Option<&'a UnwindRow>,
    pub(super) function: NativeFunction,
}

impl<'a> Place<'a> {
    /// What lies at the instruction that a frame is at.
    pub(super) fn of(metadata: &'a Metadata, registers: &Registers) -> Self {
        let at = registers.lookup_pc();
        let region = metadata
            .regions
            .iter()
            .find(|region| (region.start..region.end).contains(&at));
        let own = canonical_address(&metadata.regions, at);
        let module = region
            .filter(|region| region.name.starts_with(['/', '[']))
            .map(|region| path_of(region).to_owned())
            .unwrap_or_default();
        let symbol = symbol::find(&metadata.symbols, own).filter(|_| !module.is_empty());
        let begin = symbol.map_or(own, |symbol| symbol.address);
        Self {
            region,
            row: symbol::find_row(&metadata.unwind_rows, own),
            function: NativeFunction {
                offset: own
                    .wrapping_sub(begin)
                    .wrapping_add(u64::from(!registers.is_exact)),
                symbol: symbol.map(|symbol| symbol.name.clone()),
                module,
            },
        }
    }

    /// The name in V8 of the builtin that lies here.
    pub(super) fn builtin(&self) -> Option<&str> {
        let symbol = self.function.symbol.as_deref()?;
        symbol.strip_prefix(BUILTIN_PREFIX)
    }

    /// Whether the instruction can be executed at all, as far as the memory map is known.
    pub(super) fn is_code(&self) -> bool {
        self.region.is_some_and(|region| region.permissions.execute)
    }
}
