//! Metadata as chunk payloads, and back.

use std::fmt::Display;

use crate::chunk::ChunkKind;
use crate::error::WriteError;
use crate::limits::{METADATA_MAX, PROBLEMS_MAX, RECORD_MAX, RECORD_SPLIT};
use crate::model::{Metadata, Problem};
use crate::wire::{
    ConstantV1, DecodeError, IsolateV1, MemoryUseV1, ModuleV1, PageV1, ProblemV1, ProcessV1,
    Record, RegionV1, SignalV1, StatisticsV1, SymbolV1, ThreadV1, UnwindRowV1,
};

/// The raw payload of one metadata chunk.
#[derive(Debug)]
pub(crate) struct RawRecord {
    pub(crate) kind: ChunkKind,
    pub(crate) version: u16,
    /// Index of the chunk's first item in the whole list.
    pub(crate) first: u64,
    pub(crate) payload: Vec<u8>,
    /// Bytes that it takes in a reader's memory.
    pub(crate) weight: u64,
}

/// The records that precede the memory, in the order of the file. Empty lists have no chunk.
pub(crate) fn head_records(metadata: &Metadata) -> Result<Vec<RawRecord>, WriteError> {
    let mut out = Vec::new();
    split(
        [ProcessV1::new(&metadata.process, metadata.v8_version)],
        &mut out,
    )?;
    split(metadata.modules.iter().map(ModuleV1::from), &mut out)?;
    let constants = metadata.constants.iter();
    split(
        constants.map(|(name, value)| ConstantV1::new(name, *value)),
        &mut out,
    )?;
    split(metadata.symbols.iter().map(SymbolV1::from), &mut out)?;
    let rows = metadata.unwind_rows.iter();
    split(rows.map(UnwindRowV1::from), &mut out)?;
    split(metadata.threads.iter().map(ThreadV1::from), &mut out)?;
    split(metadata.isolates.iter().map(IsolateV1::from), &mut out)?;
    split(metadata.pages.iter().map(PageV1::from), &mut out)?;
    split(metadata.regions.iter().map(RegionV1::from), &mut out)?;
    split(metadata.accounting.iter().map(MemoryUseV1::from), &mut out)?;
    split(metadata.signal.iter().map(SignalV1::from), &mut out)?;
    problem_records(&metadata.problems, &mut out)?;
    // Problems at the end and statistics must still fit.
    let max = METADATA_MAX - 2 * PROBLEMS_MAX;
    let bytes = out.iter().map(|record| record.weight).sum();
    if bytes > max {
        Err(WriteError::TooMuchMetadata { bytes, max })
    } else {
        Ok(out)
    }
}

/// A list of problems, cut where it would be too long to be read by anyone; the last one then says
/// so.
pub(crate) fn problem_records(
    problems: &[Problem],
    out: &mut Vec<RawRecord>,
) -> Result<(), WriteError> {
    let mut budget = PROBLEMS_MAX;
    let fits = |record: &ProblemV1| match budget.checked_sub(record.weight()) {
        Some(rest) => {
            budget = rest;
            true
        }
        None => false,
    };
    let mut kept: Vec<ProblemV1> = problems
        .iter()
        .map(ProblemV1::from)
        .take_while(fits)
        .collect();
    let omitted = problems.get(kept.len()..).unwrap_or_default();
    if !omitted.is_empty() {
        kept.push(ProblemV1::from(&Problem {
            stage: "problems".to_owned(),
            message: format!("{} more problems are not listed", omitted.len()),
            address: 0,
            bytes: omitted
                .iter()
                .fold(0, |sum, problem| sum.saturating_add(problem.bytes)),
        }));
    }
    split(kept, out)
}

/// Records of one list, as few chunks as the limits allow.
pub(crate) fn split<R: Record>(
    items: impl IntoIterator<Item = R>,
    out: &mut Vec<RawRecord>,
) -> Result<(), WriteError> {
    let mut bytes = Vec::new();
    let (mut first, mut count, mut weight) = (0, 0, 0);
    let mut seal = |first: u64, count: usize, weight: u64, bytes: &[u8]| {
        let payload = R::seal(count, bytes);
        let weight = weight.max(payload.len() as u64);
        out.push(RawRecord {
            kind: R::KIND,
            version: R::VERSION,
            first,
            payload,
            weight,
        });
    };
    for item in items {
        let start = bytes.len();
        item.encode(&mut bytes)
            .map_err(|error| WriteError::Encode {
                kind: R::KIND,
                reason: error.to_string(),
            })?;
        let len = (bytes.len() - start) as u64;
        let item_weight = item.weight().max(len);
        if item_weight + RECORD_SPLIT > RECORD_MAX {
            return Err(WriteError::RecordTooLarge {
                kind: R::KIND,
                len: item_weight,
                max: RECORD_MAX,
            });
        }
        if count > 0 && weight + item_weight > RECORD_SPLIT {
            seal(first, count, weight, &bytes[..start]);
            bytes.drain(..start);
            first += count as u64;
            (count, weight) = (0, 0);
        }
        count += 1;
        weight += item_weight;
    }
    if count > 0 {
        seal(first, count, weight, &bytes);
    }
    Ok(())
}

/// Decodes a metadata chunk into `metadata`. Returns what it takes in memory, or what is wrong with
/// it.
pub(crate) fn apply(
    kind: ChunkKind,
    payload: &[u8],
    metadata: &mut Metadata,
) -> Result<u64, String> {
    match kind {
        ChunkKind::PROCESS => {
            let (record, weight) = single::<ProcessV1>(payload)?;
            (metadata.process, metadata.v8_version) = record.into_model();
            Ok(weight)
        }
        ChunkKind::STATISTICS => {
            let (record, weight) = single::<StatisticsV1>(payload)?;
            metadata.statistics = Some(record.into());
            Ok(weight)
        }
        ChunkKind::SIGNAL => {
            let (record, weight) = single::<SignalV1>(payload)?;
            metadata.signal = Some(record.into());
            Ok(weight)
        }
        ChunkKind::CONSTANTS => {
            let (records, weight) = list::<ConstantV1>(payload)?;
            metadata
                .constants
                .extend(records.into_iter().map(ConstantV1::into_pair));
            Ok(weight)
        }
        ChunkKind::MODULES => append::<ModuleV1, _>(payload, &mut metadata.modules),
        ChunkKind::SYMBOLS => append::<SymbolV1, _>(payload, &mut metadata.symbols),
        ChunkKind::UNWIND_ROWS => append::<UnwindRowV1, _>(payload, &mut metadata.unwind_rows),
        ChunkKind::THREADS => append::<ThreadV1, _>(payload, &mut metadata.threads),
        ChunkKind::ISOLATES => append::<IsolateV1, _>(payload, &mut metadata.isolates),
        ChunkKind::PAGES => append::<PageV1, _>(payload, &mut metadata.pages),
        ChunkKind::REGIONS => append::<RegionV1, _>(payload, &mut metadata.regions),
        ChunkKind::ACCOUNTING => append::<MemoryUseV1, _>(payload, &mut metadata.accounting),
        ChunkKind::PROBLEMS => append::<ProblemV1, _>(payload, &mut metadata.problems),
        // Memory, index, end record, kinds of the future: no metadata.
        _ => Ok(0),
    }
}

/// Whether a chunk of this kind is metadata that [`apply`] knows.
pub(crate) fn is_metadata(kind: ChunkKind) -> bool {
    kind.known_version().is_some()
        && !matches!(
            kind,
            ChunkKind::MEMORY | ChunkKind::PACKED | ChunkKind::INDEX | ChunkKind::END
        )
}

fn list<R: Record>(payload: &[u8]) -> Result<(Vec<R>, u64), String> {
    let records = R::decode_all(payload).map_err(|error: DecodeError| error.to_string())?;
    let weight = records.iter().map(Record::weight).sum();
    Ok((records, weight))
}

fn append<R: Record, T: From<R>>(payload: &[u8], out: &mut Vec<T>) -> Result<u64, String> {
    let (records, weight) = list::<R>(payload)?;
    if out.capacity() - out.len() < records.len() {
        // Doubling would take twice the limit on metadata at its worst.
        out.reserve_exact(records.len().max(out.len() / 4));
    }
    out.extend(records.into_iter().map(T::from));
    Ok(weight)
}

fn single<R: Record>(payload: &[u8]) -> Result<(R, u64), String> {
    let (records, weight) = list::<R>(payload)?;
    let count = records.len();
    match <[R; 1]>::try_from(records) {
        Ok([record]) => Ok((record, weight)),
        Err(_) => Err(expected_one(count)),
    }
}

fn expected_one(count: impl Display) -> String {
    format!("it holds {count} records where one is expected")
}
