//! A second writer of the format, made from the specification alone: it shares no layout, no
//! checksum and no compressor with the crate, so that a mistake in the crate cannot hide in both.

/// CRC-32 as the specification gives it, bit by bit.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
        }
    }
    !crc
}

/// The bytes of a bincode record, field by field.
#[derive(Default)]
pub(crate) struct Fields(pub(crate) Vec<u8>);

impl Fields {
    pub(crate) fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(crate) fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn text(self, value: &str) -> Self {
        let mut fields = self.u64(value.len() as u64);
        fields.0.extend(value.as_bytes());
        fields
    }
}

/// A zstd frame of one raw block without a checksum, laid by hand. At most 255 bytes.
pub(crate) fn zstd_frame(raw: &[u8]) -> Vec<u8> {
    // Single segment, content size in one byte, no checksum, no dictionary.
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0x20, raw.len() as u8];
    let block_header = (raw.len() as u32) << 3 | 1;
    frame.extend(&block_header.to_le_bytes()[..3]);
    frame.extend(raw);
    frame
}

/// What the chunk header and the index say of a chunk.
#[derive(Clone)]
pub(crate) struct Listed {
    pub(crate) offset: u64,
    pub(crate) kind: [u8; 4],
    pub(crate) version: u16,
    pub(crate) encoding: u8,
    pub(crate) raw_len: u64,
    pub(crate) stored_len: u64,
    pub(crate) key: u64,
    pub(crate) crc: u32,
    pub(crate) sequence: u32,
}

/// A file under construction.
pub(crate) struct Foreign {
    pub(crate) bytes: Vec<u8>,
    pub(crate) listed: Vec<Listed>,
    /// Chunks since the last index.
    since_index: usize,
    last_index: u64,
    frames: Vec<(u32, u32)>,
}

pub(crate) const CAPTURE_ID: [u8; 16] = *b"0123456789abcdef";

impl Foreign {
    /// Header of version 1.0.
    pub(crate) fn new() -> Self {
        Self::with_header(|_| ())
    }

    /// Header of version 1.0, changed before its checksum is made.
    pub(crate) fn with_header(change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut header = Vec::new();
        header.extend(0x184D_2A58_u32.to_le_bytes());
        header.extend(120_u32.to_le_bytes());
        header.extend(b"\x8EV8M\r\n\x1A\n");
        header.extend(1_u16.to_le_bytes());
        header.extend(0_u16.to_le_bytes());
        header.extend(4096_u32.to_le_bytes());
        header.extend([0; 24]);
        header.extend(CAPTURE_ID);
        header.extend(1_700_000_000_000_000_000_i64.to_le_bytes());
        header.extend(5_000_000_000_u64.to_le_bytes());
        header.extend(62_u16.to_le_bytes());
        header.extend([8, 0]);
        header.extend([0; 4]);
        header.extend(b"foreign 1.0");
        header.resize(124, 0);
        change(&mut header);
        let crc = crc32(&header);
        header.extend(crc.to_le_bytes());
        Self {
            bytes: header,
            listed: Vec::new(),
            since_index: 0,
            last_index: 0,
            frames: vec![(128, 0)],
        }
    }

    /// Any chunk, with whatever lengths are claimed.
    pub(crate) fn chunk(
        &mut self,
        kind: [u8; 4],
        version: u16,
        encoding: u8,
        key: u64,
        raw_len: u64,
        stored: &[u8],
    ) -> &mut Self {
        let listed = Listed {
            offset: self.bytes.len() as u64,
            kind,
            version,
            encoding,
            raw_len,
            stored_len: stored.len() as u64,
            key,
            crc: crc32(stored),
            sequence: self.listed.len() as u32,
        };
        self.bytes.extend(header(&listed));
        self.bytes.extend(stored);
        if encoding == 2 {
            self.frames.push((64, 0));
            self.frames.push((stored.len() as u32, raw_len as u32));
        } else {
            self.frames.push((64 + stored.len() as u32, 0));
        }
        self.listed.push(listed);
        self
    }

    /// A chunk stored as it is.
    pub(crate) fn raw(&mut self, kind: [u8; 4], key: u64, payload: &[u8]) -> &mut Self {
        self.chunk(kind, 1, 0, key, payload.len() as u64, payload)
    }

    /// A list with one record.
    pub(crate) fn record(&mut self, kind: [u8; 4], fields: Fields) -> &mut Self {
        let mut payload = 1_u64.to_le_bytes().to_vec();
        payload.extend(fields.0);
        self.raw(kind, 0, &payload)
    }

    /// A process record.
    pub(crate) fn process(&mut self) -> &mut Self {
        let fields = Fields::default()
            .u32(77)
            .text("node")
            .text("/bin/node")
            .u64(2)
            .text("node")
            .text("x.js")
            .text("v22.1.0")
            .text("x86_64")
            .text("6.1")
            .u32(4096)
            .u64(60_000_000_000)
            .u64(1_700_000_000_000_000_000)
            .u64(5_000_000_000)
            .text("stop")
            .text("foreign 1.0")
            .u8(1)
            .u32(12)
            .u32(4)
            .u32(254)
            .u32(21);
        self.record(*b"PROC", fields)
    }

    /// Memory, up to 255 bytes.
    pub(crate) fn memory(&mut self, addr: u64, raw: &[u8]) -> &mut Self {
        self.chunk(*b"MEMY", 1, 2, addr, raw.len() as u64, &zstd_frame(raw))
    }

    pub(crate) fn statistics(&mut self) -> &mut Self {
        self.record(
            *b"sTAT",
            Fields::default()
                .u64(1_000_000)
                .u64(2_000_000)
                .u64(16)
                .u64(16),
        )
    }

    /// The payload of an index over all chunks since the last one.
    pub(crate) fn index_payload(&self) -> Vec<u8> {
        let entries = &self.listed[self.since_index..];
        let mut payload = Fields::default()
            .u64(self.last_index)
            .u32(entries.len() as u32)
            .u32(48)
            .0;
        for entry in entries {
            payload.extend(entry.offset.to_le_bytes());
            payload.extend(entry.stored_len.to_le_bytes());
            payload.extend(entry.raw_len.to_le_bytes());
            payload.extend(entry.key.to_le_bytes());
            payload.extend(entry.crc.to_le_bytes());
            payload.extend(entry.sequence.to_le_bytes());
            payload.extend(entry.kind);
            payload.extend(entry.version.to_le_bytes());
            payload.extend([entry.encoding, 0]);
        }
        payload
    }

    /// An index over all chunks since the last one.
    pub(crate) fn index(&mut self) -> &mut Self {
        let payload = self.index_payload();
        self.index_of(&payload)
    }

    /// An index with any payload.
    pub(crate) fn index_of(&mut self, payload: &[u8]) -> &mut Self {
        self.since_index = self.listed.len();
        let previous = std::mem::replace(&mut self.last_index, self.bytes.len() as u64);
        self.raw(*b"INDX", previous, payload)
    }

    /// The end record.
    pub(crate) fn end(&mut self) -> &mut Self {
        let memory = || self.listed.iter().filter(|chunk| &chunk.kind == b"MEMY");
        let crcs: Vec<u8> = self
            .listed
            .iter()
            .flat_map(|chunk| chunk.crc.to_le_bytes())
            .collect();
        let payload = Fields::default()
            .u64(self.last_index)
            .u64(self.listed.len() as u64 + 1)
            .u64(memory().count() as u64)
            .u64(
                memory()
                    .map(|chunk| chunk.raw_len)
                    .fold(0, u64::wrapping_add),
            )
            .u64(
                memory()
                    .map(|chunk| chunk.stored_len)
                    .fold(0, u64::wrapping_add),
            )
            .u64(self.bytes.len() as u64)
            .u32(crc32(&crcs))
            .u32(1);
        self.raw(*b"DONE", 0, &payload.0)
    }

    /// The seek table.
    pub(crate) fn seek_table(&mut self) -> &mut Self {
        let mut table = Vec::new();
        table.extend(0x184D_2A5E_u32.to_le_bytes());
        table.extend((self.frames.len() as u32 * 8 + 9).to_le_bytes());
        for (stored, raw) in &self.frames {
            table.extend(stored.to_le_bytes());
            table.extend(raw.to_le_bytes());
        }
        table.extend((self.frames.len() as u32).to_le_bytes());
        table.push(0);
        table.extend(0x8F92_EAB1_u32.to_le_bytes());
        self.bytes.extend(table);
        self
    }

    /// Statistics, index, end record and seek table: the whole file.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        self.statistics().index().end().seek_table();
        std::mem::take(&mut self.bytes)
    }
}

/// A chunk header.
pub(crate) fn header(chunk: &Listed) -> Vec<u8> {
    let mut header = Vec::new();
    let inside = if chunk.encoding == 2 {
        0
    } else {
        chunk.stored_len as u32
    };
    header.extend(0x184D_2A58_u32.to_le_bytes());
    header.extend((56 + inside).to_le_bytes());
    header.extend(b"\x8BV8\x9E");
    header.extend(chunk.kind);
    header.extend(chunk.version.to_le_bytes());
    header.extend([chunk.encoding, 0]);
    header.extend(chunk.sequence.to_le_bytes());
    header.extend(chunk.stored_len.to_le_bytes());
    header.extend(chunk.raw_len.to_le_bytes());
    header.extend(chunk.key.to_le_bytes());
    header.extend(&CAPTURE_ID[..8]);
    header.extend(chunk.crc.to_le_bytes());
    let crc = crc32(&header);
    header.extend(crc.to_le_bytes());
    header
}

/// A small valid file: process, 16 bytes of memory at 0x1000, statistics.
pub(crate) fn tiny() -> Vec<u8> {
    Foreign::new()
        .process()
        .memory(0x1000, b"sixteen bytes ..")
        .finish()
}
