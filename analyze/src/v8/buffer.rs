//! `ArrayBuffer`, `SharedArrayBuffer`, typed arrays (Node's `Buffer` among them), `DataView`.

use v8mini_format::MemoryExt;

use super::{Address, MapInfo, ObjectError, Objects, Tagged};
use crate::layout::Field;

/// `JSArrayBuffer::kMaxByteLength` is 2^53 - 1 at most.
const MAX_BYTE_LENGTH: u64 = (1 << 53) - 1;
/// Bytes read at a time.
const MAX_STEP: u64 = 1 << 16;

/// An `ArrayBuffer` or `SharedArrayBuffer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayBufferValue {
    /// Length in bytes.
    pub byte_length: u64,
    /// Longest length that it may be resized to; `None` if it cannot be resized.
    pub max_byte_length: Option<u64>,
    /// Untagged address of the bytes; 0 if there are none, or if they are inside a typed array that nobody has asked for its
    /// buffer yet.
    pub backing_store: u64,
    /// Whether the contents were transferred away.
    pub is_detached: bool,
    /// Whether it is a `SharedArrayBuffer`.
    pub is_shared: bool,
}

/// What the elements of a typed array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// `Uint8Array`, `Buffer`
    Uint8,
    /// `Int8Array`
    Int8,
    /// `Uint16Array`
    Uint16,
    /// `Int16Array`
    Int16,
    /// `Uint32Array`
    Uint32,
    /// `Int32Array`
    Int32,
    /// `Float16Array`
    Float16,
    /// `Float32Array`
    Float32,
    /// `Float64Array`
    Float64,
    /// `Uint8ClampedArray`
    Uint8Clamped,
    /// `BigUint64Array`
    BigUint64,
    /// `BigInt64Array`
    BigInt64,
}

impl ElementType {
    const FIELDS: [(Field, Self); 21] = [
        (Field::Uint8Elements, Self::Uint8),
        (Field::Int8Elements, Self::Int8),
        (Field::Uint16Elements, Self::Uint16),
        (Field::Int16Elements, Self::Int16),
        (Field::Uint32Elements, Self::Uint32),
        (Field::Int32Elements, Self::Int32),
        (Field::Float16Elements, Self::Float16),
        (Field::Float32Elements, Self::Float32),
        (Field::Float64Elements, Self::Float64),
        (Field::Uint8ClampedElements, Self::Uint8Clamped),
        (Field::BigUint64Elements, Self::BigUint64),
        (Field::BigInt64Elements, Self::BigInt64),
        (Field::ExternalUint8Elements, Self::Uint8),
        (Field::ExternalInt8Elements, Self::Int8),
        (Field::ExternalUint16Elements, Self::Uint16),
        (Field::ExternalInt16Elements, Self::Int16),
        (Field::ExternalUint32Elements, Self::Uint32),
        (Field::ExternalInt32Elements, Self::Int32),
        (Field::ExternalFloat32Elements, Self::Float32),
        (Field::ExternalFloat64Elements, Self::Float64),
        (Field::ExternalUint8ClampedElements, Self::Uint8Clamped),
    ];

    /// Bytes of an element.
    pub const fn width(self) -> u64 {
        match self {
            Self::Uint8 | Self::Int8 | Self::Uint8Clamped => 1,
            Self::Uint16 | Self::Int16 | Self::Float16 => 2,
            Self::Uint32 | Self::Int32 | Self::Float32 => 4,
            Self::Float64 | Self::BigUint64 | Self::BigInt64 => 8,
        }
    }

    /// An element from its bytes, zero-extended to 64 bits.
    fn value(self, raw: u64) -> ElementValue {
        let number = |value: f64| ElementValue::Number(value.to_bits());
        match self {
            Self::Uint8 | Self::Uint8Clamped | Self::Uint16 | Self::Uint32 => {
                // At most 32 bits: exact.
                number(raw as f64)
            }
            Self::Int8 => number(f64::from(raw as u8 as i8)),
            Self::Int16 => number(f64::from(raw as u16 as i16)),
            Self::Int32 => number(f64::from(raw as u32 as i32)),
            Self::Float16 => number(half_to_double(raw as u16)),
            Self::Float32 => number(f64::from(f32::from_bits(raw as u32))),
            Self::Float64 => ElementValue::Number(raw),
            Self::BigUint64 => ElementValue::BigInt(i128::from(raw)),
            Self::BigInt64 => ElementValue::BigInt(i128::from(raw as i64)),
        }
    }
}

/// IEEE 754 binary16 to binary64, exactly.
fn half_to_double(half: u16) -> f64 {
    let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f64::from(half & 0x3ff);
    sign * match half >> 10 & 0x1f {
        0 => fraction * 2_f64.powi(-24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        exponent => (1024.0 + fraction) * 2_f64.powi(i32::from(exponent) - 25),
    }
}

/// An element of a typed array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementValue {
    /// The bits of a double.
    Number(u64),
    /// A 64-bit integer.
    BigInt(i128),
}

/// A typed array or `DataView`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewValue {
    /// Its buffer.
    pub buffer: Tagged,
    /// First byte in the buffer.
    pub byte_offset: u64,
    /// Length in bytes.
    pub byte_length: u64,
    /// What the elements are; `None` for a `DataView`.
    pub element_type: Option<ElementType>,
    /// Number of elements; 0 for a `DataView`.
    pub length: u64,
    /// Untagged address of the first byte; `None` if the layout does not say.
    pub data: Option<u64>,
    /// Whether the elements lie in the heap, in an object of their own.
    pub on_heap: bool,
}

impl Objects {
    /// The buffer at `address`.
    ///
    /// # Errors
    /// [`ObjectError::Implausible`] if its length cannot be; other errors if it cannot be read.
    pub fn read_array_buffer(&self, address: Address) -> Result<ArrayBufferValue, ObjectError> {
        let flag = |field| self.field(address, field).is_ok_and(|bit| bit != 0);
        let max_byte_length = if flag(Field::ArrayBufferIsResizable) {
            Some(self.byte_count(address, Field::ArrayBufferMaxByteLength)?)
        } else {
            None
        };
        Ok(ArrayBufferValue {
            byte_length: self.byte_count(address, Field::ArrayBufferByteLength)?,
            max_byte_length,
            backing_store: self.field(address, Field::ArrayBufferBackingStore)?,
            is_detached: flag(Field::ArrayBufferWasDetached),
            is_shared: flag(Field::ArrayBufferIsShared),
        })
    }

    /// The typed array or `DataView` at `address`.
    ///
    /// # Errors
    /// [`ObjectError::Implausible`] if its length cannot be; other errors if it cannot be read.
    pub fn read_view(&self, address: Address, map: &MapInfo) -> Result<ViewValue, ObjectError> {
        let buffer = self.tagged_field(address, Field::ViewBuffer)?;
        let mut byte_offset = self.byte_count(address, Field::ViewByteOffset)?;
        let mut byte_length = self.byte_count(address, Field::ViewByteLength)?;
        let backing = buffer
            .strong()
            .and_then(|buffer| self.read_array_buffer(buffer).ok());
        if let Some(backing) = &backing {
            if backing.is_detached {
                (byte_offset, byte_length) = (0, 0);
            } else if self
                .field(address, Field::ViewIsLengthTracking)
                .is_ok_and(|bit| bit != 0)
            {
                byte_length = backing.byte_length.saturating_sub(byte_offset);
            }
        }
        let is_typed_array = self.is_type(map.instance_type, "JS_TYPED_ARRAY_TYPE");
        let element_type = is_typed_array.then(|| self.element_type(map)).flatten();
        let (mut data, mut on_heap) = (None, false);
        if is_typed_array {
            if let Some((address, in_heap)) = self.typed_array_data(address)? {
                (data, on_heap) = (Some(address), in_heap);
            }
        } else if let Some(backing) = &backing {
            data = Some(backing.backing_store.wrapping_add(byte_offset));
        }
        Ok(ViewValue {
            buffer,
            byte_offset,
            byte_length,
            element_type,
            length: element_type.map_or(0, |element| byte_length / element.width()),
            data,
            on_heap,
        })
    }

    /// A number of bytes: a Smi, a heap number or a raw word, as the layout says.
    fn byte_count(&self, address: Address, field: Field) -> Result<u64, ObjectError> {
        let place = self.layout().place(field)?;
        let word = self.load(address, place)?;
        let count = match place.encoding {
            crate::layout::Encoding::Tagged => self
                .read_number(Tagged(word))?
                .and_then(super::Number::to_integer)
                .and_then(|count| u64::try_from(count).ok())
                // Undefined in a view whose buffer is not made yet.
                .unwrap_or(0),
            _ => word,
        };
        if count > MAX_BYTE_LENGTH {
            return Err(ObjectError::Implausible {
                address,
                what: "length",
                value: count,
                why: "no buffer is that long",
            });
        }
        Ok(count)
    }

    /// What the elements of a map's typed arrays are.
    fn element_type(&self, map: &MapInfo) -> Option<ElementType> {
        let kind = u64::from(map.elements_kind);
        let resizable = self.layout().number(Field::ResizableElementsDistance).ok();
        ElementType::FIELDS.iter().find_map(|(field, element)| {
            let number = self.layout().number(*field).ok()?;
            (number == kind || resizable.is_some_and(|distance| number + distance == kind))
                .then_some(*element)
        })
    }

    /// Untagged address of a typed array's first element, and whether it lies in the heap.
    fn typed_array_data(&self, address: Address) -> Result<Option<(u64, bool)>, ObjectError> {
        let layout = self.layout();
        let (holder, base, external) = if let (Ok(base), Ok(external)) = (
            layout.place(Field::TypedArrayBasePointer),
            layout.place(Field::TypedArrayExternalPointer),
        ) {
            (address, base, external)
        } else {
            // Up to V8 7.5 the elements object holds both.
            let (Ok(base), Ok(external)) = (
                layout.place(Field::ElementsBasePointer),
                layout.place(Field::ElementsExternalPointer),
            ) else {
                return Ok(None);
            };
            let elements = self.tagged_field(address, Field::JSObjectElements)?;
            let Some(elements) = elements.strong() else {
                return Ok(None);
            };
            (elements, base, external)
        };
        let base = self.load(holder, base)?;
        let external = self.load(holder, external)?;
        // The base is Smi 0 or a tagged pointer; the tag is part of the sum.
        Ok(Some((base.wrapping_add(external), base & 1 == 1)))
    }

    /// The first `limit` elements of a typed array.
    ///
    /// # Errors
    /// [`ObjectError::Memory`] if they are not in the image, as contents outside of the heap are as a rule.
    pub fn typed_array_elements(
        &self,
        view: &ViewValue,
        limit: usize,
    ) -> Result<Vec<ElementValue>, ObjectError> {
        let (Some(element), Some(data)) = (view.element_type, view.data) else {
            return Ok(Vec::new());
        };
        let width = element.width();
        let mut values = Vec::new();
        for index in 0..view.length.min(limit as u64) {
            let mut raw = [0; 8];
            let bytes = raw.split_at_mut(width as usize).0;
            match self
                .memory()
                .read_at(data.wrapping_add(index * width), bytes)
            {
                // Of a long one, a capture may have the beginning.
                Err(_) if index > 0 => break,
                read => read?,
            }
            values.push(element.value(u64::from_le_bytes(raw)));
        }
        Ok(values)
    }

    /// The first bytes at an untagged address: `limit`, or as many of them as are in the image, which may have the beginning only.
    ///
    /// # Errors
    /// [`ObjectError::Memory`] if not even the first is.
    pub fn first_bytes(&self, address: u64, limit: u64) -> Result<Vec<u8>, ObjectError> {
        let mut bytes = Vec::new();
        let mut step = limit.clamp(1, MAX_STEP);
        while (bytes.len() as u64) < limit {
            let at = address.wrapping_add(bytes.len() as u64);
            let len = step.min(limit - bytes.len() as u64) as usize;
            match self.memory().read_vec(at, len) {
                Ok(more) => bytes.extend(more),
                Err(_) if step > 1 => step = (step / 2).max(1),
                Err(error) if bytes.is_empty() => return Err(error.into()),
                Err(_) => break,
            }
        }
        Ok(bytes)
    }

    /// The first `limit` bytes at an untagged address, if they are in the image.
    ///
    /// # Errors
    /// [`ObjectError::Memory`] if they are not.
    pub fn raw_bytes(&self, address: u64, limit: usize) -> Result<Vec<u8>, ObjectError> {
        Ok(self.memory().read_vec(address, limit)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_is_exact() {
        for (half, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x7c00, f64::INFINITY),
        ] {
            assert_eq!(half_to_double(half), value);
        }
        assert!(half_to_double(0x7e00).is_nan());
        assert!(half_to_double(0x8000).is_sign_negative());
    }

    #[test]
    fn elements_are_sign_extended() {
        let number = |value: f64| ElementValue::Number(value.to_bits());
        assert_eq!(ElementType::Int16.value(0xffff), number(-1.0));
        assert_eq!(ElementType::Uint16.value(0xffff), number(65535.0));
        assert_eq!(ElementType::Float32.value(0x3f00_0000), number(0.5));
        assert_eq!(
            ElementType::BigInt64.value(u64::MAX),
            ElementValue::BigInt(-1)
        );
    }
}
