//! Where the objects of Node.js are, as columns of a cache.

use super::census::Census;
use crate::cache::{Coding, Reader, Stored, Writer};
use crate::v8::Address;

impl Stored for Census {
    const KIND: u32 = 3;
    type Context = ();

    fn write(&self, to: &mut Writer) {
        for list in self.lists() {
            let addresses: Vec<u64> = list.iter().map(|address| address.0).collect();
            to.wide(&addresses, Coding::Delta);
        }
    }

    fn read(from: &mut Reader<'_>, (): ()) -> Option<Self> {
        let mut census = Self::default();
        for list in census.lists_mut() {
            *list = from.wide()?.into_iter().map(Address).collect();
        }
        Some(census)
    }
}
