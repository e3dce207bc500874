//! `pROB`, `sIGN`, `sTAT`: what went wrong and what it cost.

use bincode::{Decode, Encode};

use super::{bincode_record, clip};
use crate::chunk::ChunkKind;
use crate::model::{FatalSignal, Problem, Statistics};

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct ProblemV1 {
    stage: String,
    message: String,
    address: u64,
    bytes: u64,
}

bincode_record!(ProblemV1, ChunkKind::PROBLEMS, |p| p.stage.len()
    + p.message.len());

impl From<&Problem> for ProblemV1 {
    fn from(problem: &Problem) -> Self {
        Self {
            stage: clip(&problem.stage),
            message: clip(&problem.message),
            address: problem.address,
            bytes: problem.bytes,
        }
    }
}

impl From<ProblemV1> for Problem {
    fn from(problem: ProblemV1) -> Self {
        let ProblemV1 {
            stage,
            message,
            address,
            bytes,
        } = problem;
        Self {
            stage,
            message,
            address,
            bytes,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct StatisticsV1 {
    pause_ns: u64,
    total_ns: u64,
    wanted_bytes: u64,
    captured_bytes: u64,
}

bincode_record!(StatisticsV1, ChunkKind::STATISTICS, |_s| 0_usize);

impl From<&Statistics> for StatisticsV1 {
    fn from(statistics: &Statistics) -> Self {
        let Statistics {
            pause_ns,
            total_ns,
            wanted_bytes,
            captured_bytes,
        } = *statistics;
        Self {
            pause_ns,
            total_ns,
            wanted_bytes,
            captured_bytes,
        }
    }
}

impl From<StatisticsV1> for Statistics {
    fn from(statistics: StatisticsV1) -> Self {
        let StatisticsV1 {
            pause_ns,
            total_ns,
            wanted_bytes,
            captured_bytes,
        } = statistics;
        Self {
            pause_ns,
            total_ns,
            wanted_bytes,
            captured_bytes,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(crate) struct SignalV1 {
    number: u32,
    code: i64,
    address: u64,
    tid: u32,
}

bincode_record!(SignalV1, ChunkKind::SIGNAL, |_s| 0_usize);

impl From<&FatalSignal> for SignalV1 {
    fn from(signal: &FatalSignal) -> Self {
        let FatalSignal {
            number,
            code,
            address,
            tid,
        } = *signal;
        Self {
            number,
            code,
            address,
            tid,
        }
    }
}

impl From<SignalV1> for FatalSignal {
    fn from(signal: SignalV1) -> Self {
        let SignalV1 {
            number,
            code,
            address,
            tid,
        } = signal;
        Self {
            number,
            code,
            address,
            tid,
        }
    }
}
