//! `PAGE`: V8 heap pages, in a fixed layout because there may be hundreds of thousands.

use super::{DecodeError, Record};
use crate::chunk::ChunkKind;
use crate::codes::{space_code, space_from_code};
use crate::layout::fixed_layout;
use crate::model::Page;

fixed_layout! {
    /// One page.
    struct PageV1 [88] {
        0 address: u64,
        8 size: u64,
        16 flags: u64,
        24 area_start: u64,
        32 area_end: u64,
        40 heap: u64,
        48 owner: u64,
        56 allocated_bytes: u64,
        64 high_water_mark: u64,
        72 metadata_address: u64,
        80 space: u16,
        82 unused: [u8; 6],
    }
}

impl Record for PageV1 {
    const KIND: ChunkKind = ChunkKind::PAGES;

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), bincode::error::EncodeError> {
        out.extend_from_slice(&self.to_bytes());
        Ok(())
    }

    fn seal(_count: usize, items: &[u8]) -> Vec<u8> {
        items.to_vec()
    }

    fn decode_all(payload: &[u8]) -> Result<Vec<Self>, DecodeError> {
        let (records, rest) = payload.as_chunks::<{ Self::LEN }>();
        if !rest.is_empty() {
            return Err(DecodeError::NotMultiple {
                len: payload.len(),
                item: Self::LEN,
            });
        }
        Ok(records.iter().map(Self::from_bytes).collect())
    }

    fn weight(&self) -> u64 {
        size_of::<Page>() as u64
    }
}

impl From<&Page> for PageV1 {
    fn from(page: &Page) -> Self {
        Self {
            address: page.address,
            size: page.size,
            flags: page.flags,
            area_start: page.area_start,
            area_end: page.area_end,
            heap: page.heap,
            owner: page.owner,
            allocated_bytes: page.allocated_bytes,
            high_water_mark: page.high_water_mark,
            metadata_address: page.metadata_address,
            space: space_code(page.space),
            unused: [0; 6],
        }
    }
}

impl From<PageV1> for Page {
    fn from(page: PageV1) -> Self {
        Self {
            address: page.address,
            size: page.size,
            flags: page.flags,
            area_start: page.area_start,
            area_end: page.area_end,
            heap: page.heap,
            owner: page.owner,
            allocated_bytes: page.allocated_bytes,
            high_water_mark: page.high_water_mark,
            space: space_from_code(page.space),
            metadata_address: page.metadata_address,
        }
    }
}
