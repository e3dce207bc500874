//! Lengths found in objects, checked against the page that holds the object before anybody believes them.

use super::{Address, ObjectError, Objects};
use v8mini_format::MemoryExt;

impl Objects {
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
