//! Names of native functions.

use v8mini_capture::unwind::MAX_UNSIZED_BYTES;
use v8mini_format::model::{Symbol, UnwindRow};

/// Longest mangled name that is taken apart, in bytes: the effort may grow faster than the name.
const MAX_MANGLED_BYTES: usize = 4096;

/// The last symbol that begins at or below an address and reaches it.
pub(super) fn find(symbols: &[Symbol], address: u64) -> Option<&Symbol> {
    let after = symbols.partition_point(|symbol| symbol.address <= address);
    symbols
        .get(..after)?
        .iter()
        .rev()
        .take(NEIGHBOURS)
        .find(|symbol| {
            let reach = match symbol.size {
                0 => MAX_UNSIZED_BYTES,
                size => size,
            };
            address - symbol.address < reach
        })
}

/// The row that an address lies in.
pub(super) fn find_row(rows: &[UnwindRow], address: u64) -> Option<&UnwindRow> {
    let after = rows.partition_point(|row| row.start <= address);
    rows.get(..after)?
        .iter()
        .rev()
        .take(NEIGHBOURS)
        .find(|row| address < row.end)
}

/// Symbols and rows should not overlap; so many that begin later are passed over all the same.
const NEIGHBOURS: usize = 4;

/// The name of a function as it is written in C++ or Rust; what is not mangled stays as it is.
pub fn demangle(symbol: &str) -> String {
    if symbol.len() > MAX_MANGLED_BYTES {
        return symbol.to_owned();
    }
    if let Ok(name) = rustc_demangle::try_demangle(symbol) {
        return format!("{name:#}");
    }
    // Calls through a symbol of the C++ standard's mangling only: the parser would take some plain names for types.
    if !symbol.starts_with("_Z") {
        return symbol.to_owned();
    }
    let options = cpp_demangle::DemangleOptions::new().no_return_type();
    cpp_demangle::Symbol::new(symbol)
        .ok()
        .and_then(|name| name.demangle_with_options(&options).ok())
        .unwrap_or_else(|| symbol.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_demangled() {
        assert_eq!(demangle("_ZN4node5StartEiPPc"), "node::Start(int, char**)");
        assert_eq!(demangle("epoll_pwait"), "epoll_pwait");
        assert_eq!(demangle("_ZNbroken"), "_ZNbroken");
        assert_eq!(demangle("_RNvC6_123foo3bar"), "123foo::bar");
    }
}
