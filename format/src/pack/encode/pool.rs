//! Compressors that are used again: a new one asks the system for megabytes, which it clears first, and there are three for each segment.

use std::cell::RefCell;
use std::io;

use zstd::bulk::Compressor;

/// So many are kept by each thread.
const KEPT: usize = 4;

thread_local! {
    static IDLE: RefCell<Vec<(i32, Compressor<'static>)>> = const { RefCell::new(Vec::new()) };
}

/// A compressor of a level, which nobody else has.
pub(super) struct Pooled {
    level: i32,
    /// `None` once it is dropped.
    compressor: Option<Compressor<'static>>,
}

impl Pooled {
    /// One that was used before, or a new one.
    ///
    /// # Errors
    /// If zstd fails, as when memory is short.
    pub(super) fn new(level: i32) -> io::Result<Self> {
        let idle = IDLE.with_borrow_mut(|idle| {
            let place = idle.iter().position(|(other, _)| *other == level)?;
            Some(idle.swap_remove(place).1)
        });
        let compressor = match idle {
            Some(compressor) => compressor,
            None => {
                let mut compressor = Compressor::new(level)?;
                compressor.include_contentsize(true)?;
                compressor
            }
        };
        Ok(Self {
            level,
            compressor: Some(compressor),
        })
    }

    pub(super) fn get(&mut self) -> io::Result<&mut Compressor<'static>> {
        let gone = || io::Error::other("the compressor was given back");
        self.compressor.as_mut().ok_or_else(gone)
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(compressor) = self.compressor.take() {
            // At the end of a thread there is no pool any more.
            let _ = IDLE.try_with(|idle| {
                let mut idle = idle.borrow_mut();
                if idle.len() < KEPT {
                    idle.push((self.level, compressor));
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_again_compresses_alike() {
        let text: Vec<u8> = (0..100_000_u32)
            .flat_map(|n| (n / 7).to_le_bytes())
            .collect();
        let compress = |level, bytes: &[u8]| {
            let mut pooled = Pooled::new(level).unwrap();
            pooled.get().unwrap().compress(bytes).unwrap()
        };
        let first = compress(6, &text);
        compress(9, &text);
        compress(6, b"something else");
        assert_eq!(compress(6, &text), first);
        assert_eq!(IDLE.with_borrow(Vec::len), 2);
    }
}
