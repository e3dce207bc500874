//! Processors for which no signal frames are built.

use std::time::Duration;

use nix::libc::pid_t;
use v8mini_format::memory::Memory;
use v8mini_format::model::Region;

use super::call::Call;
use super::{Outcome, Returned, Why};
use crate::linux::Frozen;

/// Makes system calls in another process: not on this processor, so that there is no such value.
#[derive(Debug, Clone, Copy)]
pub enum Injector {}

impl Injector {
    /// Never succeeds.
    ///
    /// # Errors
    /// Always [`Why::Architecture`].
    pub fn find(_pid: pid_t, _memory: &dyn Memory, _regions: &[Region]) -> Result<Self, Why> {
        Err(Why::Architecture)
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// Never.
    pub fn run(
        &self,
        _calls: &[Call],
        _limit: Duration,
        _on_return: &mut (dyn FnMut(usize, Returned) + Send),
    ) -> Result<Vec<Returned>, Why> {
        match *self {}
    }

    /// Cannot be called.
    ///
    /// # Errors
    /// Never.
    pub fn run_frozen(
        &self,
        _frozen: &Frozen,
        _regions: &[Region],
        _calls: &[Call],
        _later: &[Call],
        _limit: Duration,
    ) -> Result<Outcome, Why> {
        match *self {}
    }
}
