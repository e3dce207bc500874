//! Bounds that the specification sets, so that a damaged or hostile file costs bounded memory and
//! time.
//!
//! `spec/file-format.md`, section "Limits", lists the same names and values; a test holds the two
//! together.

/// Largest raw length of a memory chunk, in bytes. A reader refuses more.
pub const MEMORY_CHUNK_MAX: u64 = 1024 * 1024;

/// Memory chunks are cut at multiples of this address, so a writer's chunk is at most this long.
/// It is the page size of V8 today, hence one page is one chunk.
pub const MEMORY_CHUNK_ALIGN: u64 = 256 * 1024;

/// Most memory in a segment of packed memory, in bytes.
pub const SEGMENT_MAX: u64 = 8 * 1024 * 1024;

/// Most ranges of memory in a segment.
pub const SEGMENT_RANGES_MAX: u64 = 4096;

/// Largest payload of a segment, in bytes: somewhat more than the memory in it, for memory that does not get smaller.
pub const SEGMENT_STORED_MAX: u64 = 12 * 1024 * 1024;

/// Most other segments that a segment has copies of text from.
pub const SEGMENT_SOURCES_MAX: u64 = 128;

/// Most text of those, in bytes: that of one is unpacked with no more than this.
pub const SEGMENT_TEXT_MAX: u64 = 64 * 1024 * 1024;

/// Largest raw length of any other chunk that this version knows, in bytes.
pub const RECORD_MAX: u64 = 8 * 1024 * 1024;

/// Where a writer starts a new chunk for a list that is split over several, in bytes. Far below
/// [`RECORD_MAX`], because a decoder that bounds memory counts the items in memory, which are
/// larger than the items on disk.
pub const RECORD_SPLIT: u64 = 1024 * 1024;

/// How much larger than its raw length a stored payload may be, in bytes: what zstd adds to
/// incompressible data.
pub const STORED_SLACK: u64 = 64 * 1024;

/// Largest string in a record, in bytes of UTF-8. Linux bounds one command-line argument by 128
/// KiB.
pub const STRING_MAX: u64 = 256 * 1024;

/// What all metadata of a file may occupy in a reader's memory, in bytes: enough for 65 535
/// mappings, 100 000 symbols and the pages of a heap of 25 GB together.
pub const METADATA_MAX: u64 = 32 * 1024 * 1024;

/// What a writer gives of [`METADATA_MAX`] to each of its two lists of problems, in bytes: the
/// first thousands tell enough.
pub const PROBLEMS_MAX: u64 = 2 * 1024 * 1024;

/// Largest number of chunks in a file.
pub const CHUNKS_MAX: u64 = 1 << 24;

/// Largest number of entries in one index chunk; a writer puts a checkpoint there at the latest.
pub const INDEX_ENTRIES_MAX: u64 = 65_536;

/// A writer puts an index checkpoint at least every so many bytes of file.
pub const CHECKPOINT_BYTES: u64 = 64 * 1024 * 1024;

/// Damage is described one by one up to this count, then only counted.
pub const DAMAGE_REPORTS_MAX: usize = 1024;

/// Decoded memory chunks that a reader keeps, in bytes.
pub const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// Unpacked segments that a reader keeps, in bytes.
pub const SEGMENT_CACHE_BYTES: u64 = 32 * 1024 * 1024;
