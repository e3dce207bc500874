//! Looking into the memory map.

use crate::model::Region;

impl Region {
    /// The region that an address lies in. `regions` is sorted and disjoint.
    pub fn at(regions: &[Self], address: u64) -> Option<&Self> {
        let at = regions.partition_point(|region| region.end <= address);
        regions.get(at).filter(|region| region.start <= address)
    }

    /// Whether a file is mapped there, rather than memory, a stack, or what the kernel provides.
    pub fn is_file(&self) -> bool {
        self.name.starts_with('/')
    }
}
