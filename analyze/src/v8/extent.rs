//! Lengths found in objects, checked against the page that holds the object before anybody believes them.

use super::{Address, MapInfo, ObjectError, Objects};
use crate::layout::Subject;
use v8mini_format::MemoryExt;

/// The words that tell an object's size lie within so many bytes; `ScopeInfo`'s are the furthest.
const SIZE_PREFIX: usize = 256;

impl Objects {
    /// Size of an object in bytes, alignment included; `None` if the layout does not say it, or if the object would reach
    /// over the end of its page.
    pub fn size_of(&self, object: Address, map: &MapInfo) -> Option<u64> {
        let size = match map.instance_size {
            0 => {
                let expr = self.layout().types.size_of(map.instance_type)?;
                let mut prefix = [0; SIZE_PREFIX];
                // The object may end close to the end of what is stored.
                let len = [SIZE_PREFIX, 128, 64, 32, 16].into_iter().find(|len| {
                    let prefix = prefix.get_mut(..*len);
                    prefix.is_some_and(|prefix| self.memory().read_at(object.0, prefix).is_ok())
                })?;
                expr.eval(Subject {
                    bytes: prefix.get(..len)?,
                    memory: self.memory(),
                })?
            }
            size => size,
        };
        let room = self.pages().room_at(object.0)?;
        (size >= 8 && size.is_multiple_of(8) && size <= room).then_some(size)
    }

    /// Checks that `size` bytes at `object` can be one object: they must end on the object's page, and be stored.
    ///
    /// # Errors
    /// [`ObjectError::Implausible`] if the object would reach over the end of its page, [`ObjectError::Memory`] if its
    /// last byte is not in the image.
    pub fn check_extent(
        &self,
        object: Address,
        what: &'static str,
        size: u64,
    ) -> Result<(), ObjectError> {
        let implausible = |why| ObjectError::Implausible {
            address: object,
            what,
            value: size,
            why,
        };
        let end = object
            .0
            .checked_add(size)
            .ok_or_else(|| implausible("it would reach over the end of the address space"))?;
        if let Some(room) = self.pages().room_at(object.0)
            && size > room
        {
            return Err(implausible(
                "the object would reach over the end of its page",
            ));
        }
        if size > 0 {
            self.memory().read_u8(end - 1)?;
        }
        Ok(())
    }
}
