//! Unpacking a segment.

use std::io;

use zstd::bulk::Decompressor;

use super::column::Cursors;
use super::copies::{Texts, assemble, get_copies};
use super::cursor::{Cursor, Fault};
use super::group::Group;
use super::head::{FrameRecord, SegmentTables};
use super::items::{GROUPS_MAX, Items};
use super::scatter::{Scatter, Scratch};
use super::{Stream, tag};

/// Bytes that streams may have beyond twice those of the memory.
const STREAMS_SLACK: u64 = 64 * 1024;

/// A segment, unpacked.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// Range after range.
    pub(crate) memory: Vec<u8>,
    /// Its own text, of which others may have copies.
    pub(crate) text: Vec<u8>,
}

/// What of its text a segment stores itself: no more than `most` bytes.
pub(crate) fn own_text(payload: &[u8], version: u16, most: u32) -> Result<Vec<u8>, Fault> {
    let tables = SegmentTables::from_bytes(payload, version)?;
    let is_text = |stream| stream == Stream::Text;
    let mut streams = Streams::read(payload, &tables, version, u64::from(most), is_text)?;
    Ok(streams.take(Stream::Text))
}

/// Unpacks a segment, of a chunk of some version of its kind. `payload` was checked by its checksum; `texts` has the own texts of the others.
///
/// Nothing in it is believed: counts are bounded by the length of the memory, which is bounded by the format.
pub(crate) fn decode(payload: &[u8], version: u16, texts: &Texts<'_>) -> Result<Unpacked, Fault> {
    let tables = SegmentTables::from_bytes(payload, version)?;
    let head = tables.head;
    let words = head.memory_len / 8;
    let counts = [
        ("groups", head.group_count, GROUPS_MAX as u64),
        ("items", head.item_count, words),
        ("far targets", head.far_count, words),
        (
            "constants",
            head.constant_count,
            u64::from(u8::MAX - tag::CONSTANT) + 1,
        ),
    ];
    for (what, count, most) in counts {
        if u64::from(count) > most {
            return Err(format!("it claims {count} {what}, of {most} at most"));
        }
    }
    let mut streams = Streams::read(payload, &tables, version, u64::MAX, |_| true)?;
    let own = streams.take(Stream::Text);
    let assembled = if tables.sources.is_empty() {
        None
    } else {
        let copies = streams.cursor(Stream::Copies);
        let copies = get_copies(copies, &tables.sources, own.len())?;
        Some(assemble(&own, &copies, &tables.sources, texts)?)
    };
    let text = assembled.as_ref().unwrap_or(&own);
    let mut structure = streams.cursor(Stream::Structure);
    let mut groups = Vec::with_capacity(head.group_count as usize);
    for _ in 0..head.group_count {
        groups.push(Group::get(&mut structure)?);
    }
    let far = read_far(head.far_count, streams.cursor(Stream::Far))?;
    let items = Items::read(
        &groups,
        head.item_count,
        &tables.ranges,
        streams.cursor(Stream::Sequence),
        streams.cursor(Stream::Sizes),
        &far,
    )?;
    drop(far);
    let mut constants = Vec::with_capacity(head.constant_count as usize);
    for _ in 0..head.constant_count {
        constants.push(target(&items, structure.small()?)? | 1);
    }
    let mut memory = vec![0; usize::try_from(head.memory_len).map_err(|e| e.to_string())?];
    let mut scatter = Scatter {
        cursors: Cursors {
            structure,
            tags: streams.cursor(Stream::Tags),
            references: streams.cursor(Stream::References),
            integers: streams.cursor(Stream::Integers),
            words: streams.cursor(Stream::Words),
            text: Cursor::new(text, Stream::Text.name()),
            bytes: streams.cursor(Stream::Bytes),
        },
        targets: &items.targets,
        constants: &constants,
        memory: memory.as_chunks_mut().0,
        scratch: Scratch::default(),
    };
    for (index, group) in groups.iter().enumerate() {
        let head = match group.head.checked_sub(1) {
            Some(number) => Some(target(&items, number)? | 1),
            None => None,
        };
        scatter.group(group, head, items.of(index))?;
    }
    match scatter.cursors.leftover() {
        None => Ok(Unpacked { memory, text: own }),
        Some(stream) => Err(format!("its stream {} is too long", stream as u8)),
    }
}

/// The address of a target.
fn target(items: &Items, number: u32) -> Result<u64, Fault> {
    items.targets.get(number as usize).copied().ok_or_else(|| {
        format!(
            "a reference leads to target {number}, of {}",
            items.targets.len()
        )
    })
}

fn read_far(count: u32, mut from: Cursor<'_>) -> Result<Vec<u64>, Fault> {
    let mut far = Vec::with_capacity(count as usize);
    let mut last = 0_u64;
    for _ in 0..count {
        let gap = from.number()?.checked_mul(8);
        last = gap
            .and_then(|gap| last.checked_add(gap))
            .ok_or("a far target lies behind the last address")?;
        far.push(last);
    }
    if from.is_empty() {
        Ok(far)
    } else {
        Err("it has more far targets than it claims".to_owned())
    }
}

/// The decompressed streams.
struct Streams {
    streams: [Vec<u8>; Stream::ALL.len()],
}

impl Streams {
    /// Those that are wanted, of no more than `most` bytes.
    fn read(
        payload: &[u8],
        tables: &SegmentTables,
        version: u16,
        most: u64,
        wanted: impl Fn(Stream) -> bool,
    ) -> Result<Self, Fault> {
        let head = &tables.head;
        let ended = "it ends inside its frames";
        let tables_len = SegmentTables::len_of(head, version).unwrap_or(u64::MAX);
        let rest = usize::try_from(tables_len)
            .ok()
            .and_then(|len| payload.get(len..))
            .ok_or(ended)?;
        let records_len = (head.frame_count as usize).checked_mul(FrameRecord::LEN);
        let (records, mut rest) = records_len
            .and_then(|len| rest.split_at_checked(len))
            .ok_or("it ends inside its table of frames")?;
        let records: Vec<FrameRecord> = records
            .as_chunks::<{ FrameRecord::LEN }>()
            .0
            .iter()
            .map(FrameRecord::from_bytes)
            .collect();
        let is_wanted = |frame: &&FrameRecord| frame.stream().is_none_or(&wanted);
        let lens = records.iter().filter(is_wanted);
        let total: u64 = lens.map(|frame| u64::from(frame.raw_len)).sum();
        let most = most.min(2 * head.memory_len + STREAMS_SLACK);
        if total > most {
            return Err(format!(
                "its streams are {total} bytes long, at most {most} are allowed"
            ));
        }
        let mut decompressor = Decompressor::new().map_err(|error| error.to_string())?;
        let mut streams: [Vec<u8>; Stream::ALL.len()] = Default::default();
        // What a stream takes in all is allocated once.
        for (stream, bytes) in Stream::ALL.iter().zip(&mut streams) {
            if !wanted(*stream) {
                continue;
            }
            let of_stream = records
                .iter()
                .filter(|frame| frame.stream() == Some(*stream));
            bytes.reserve_exact(of_stream.map(|frame| frame.raw_len as usize).sum());
        }
        for frame in &records {
            let stored = frame.stored_len as usize;
            let (stored, after) = rest.split_at_checked(stored).ok_or(ended)?;
            rest = after;
            let known = frame.stream().filter(|stream| match stream {
                Stream::Copies => !tables.sources.is_empty(),
                _ => true,
            });
            let (Some(known), Some(stream)) = (known, streams.get_mut(frame.stream as usize))
            else {
                return Err(format!("a frame is of the unknown stream {}", frame.stream));
            };
            if !wanted(known) {
                continue;
            }
            append(&mut decompressor, stored, frame.raw_len as usize, stream)?;
        }
        if rest.is_empty() {
            Ok(Self { streams })
        } else {
            Err(format!("{} bytes follow its last frame", rest.len()))
        }
    }

    fn take(&mut self, stream: Stream) -> Vec<u8> {
        let bytes = self.streams.get_mut(stream as usize);
        bytes.map(std::mem::take).unwrap_or_default()
    }

    fn cursor(&self, stream: Stream) -> Cursor<'_> {
        let bytes = self.streams.get(stream as usize);
        Cursor::new(bytes.map_or(&[], Vec::as_slice), stream.name())
    }
}

/// Decompresses one frame to the end of a stream.
fn append(
    decompressor: &mut Decompressor<'_>,
    stored: &[u8],
    raw_len: usize,
    stream: &mut Vec<u8>,
) -> Result<(), Fault> {
    if zstd::zstd_safe::find_frame_compressed_size(stored) != Ok(stored.len()) {
        return Err("one of its frames is not exactly one zstd frame".to_owned());
    }
    let start = stream.len();
    stream.reserve(raw_len);
    let mut room = io::Cursor::new(stream);
    room.set_position(start as u64);
    match decompressor.decompress_to_buffer(stored, &mut room) {
        Ok(len) if len == raw_len => Ok(()),
        Ok(len) => Err(format!(
            "one of its frames decompresses to {len} bytes instead of {raw_len}"
        )),
        Err(error) => Err(format!("one of its frames does not decompress: {error}")),
    }
}
