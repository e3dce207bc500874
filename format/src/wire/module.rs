//! `mODS`, `cNST`, `sYMS`: what the captured binaries are and what their symbol tables said.

use bincode::{Decode, Encode};

use super::{bincode_record, clip};
use crate::chunk::ChunkKind;
use crate::model::{Module, Symbol};

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct ModuleV1 {
    path: String,
    deleted: bool,
    build_id: Vec<u8>,
    start: u64,
    end: u64,
    load_bias: u64,
}

bincode_record!(ModuleV1, ChunkKind::MODULES, |m| m.path.len()
    + m.build_id.len());

impl From<&Module> for ModuleV1 {
    fn from(module: &Module) -> Self {
        Self {
            path: clip(&module.path),
            deleted: module.deleted,
            build_id: module.build_id.clone(),
            start: module.start,
            end: module.end,
            load_bias: module.load_bias,
        }
    }
}

impl From<ModuleV1> for Module {
    fn from(module: ModuleV1) -> Self {
        let ModuleV1 {
            path,
            deleted,
            build_id,
            start,
            end,
            load_bias,
        } = module;
        Self {
            path,
            deleted,
            build_id,
            start,
            end,
            load_bias,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct ConstantV1 {
    name: String,
    value: i64,
}

bincode_record!(ConstantV1, ChunkKind::CONSTANTS, |c| c.name.len()
    + size_of::<Self>());

impl ConstantV1 {
    pub(crate) fn new(name: &str, value: i64) -> Self {
        Self {
            name: clip(name),
            value,
        }
    }

    pub(crate) fn into_pair(self) -> (String, i64) {
        (self.name, self.value)
    }
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct SymbolV1 {
    address: u64,
    size: u64,
    name: String,
}

bincode_record!(SymbolV1, ChunkKind::SYMBOLS, |s| s.name.len());

impl From<&Symbol> for SymbolV1 {
    fn from(symbol: &Symbol) -> Self {
        Self {
            address: symbol.address,
            size: symbol.size,
            name: clip(&symbol.name),
        }
    }
}

impl From<SymbolV1> for Symbol {
    fn from(symbol: SymbolV1) -> Self {
        let SymbolV1 {
            address,
            size,
            name,
        } = symbol;
        Self {
            address,
            size,
            name,
        }
    }
}
