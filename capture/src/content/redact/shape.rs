//! What the `v8dbg_*` constants say about the objects that matter here.

use std::collections::BTreeMap;

/// Offsets in bytes from the start of an object, and instance types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    first_nonstring_type: u16,
    representation_mask: u16,
    seq_tag: u16,
    cons_tag: u16,
    sliced_tag: u16,
    /// V8 5.8 and later.
    thin_tag: Option<u16>,
    external_tag: u16,
    one_byte_tag: u16,
    not_internalized: u16,
    /// Of a map; one byte up to V8 6.5, then two.
    pub(super) instance_type: u64,
    pub(super) instance_type_is_byte: bool,
    pub(super) descriptors: u64,
    pub(super) bit_field3: u64,
    pub(super) dictionary_bit: u32,
    /// Of a string; a Smi up to V8 7.0, then an int that follows the hash.
    pub(super) length: u64,
    pub(super) length_is_smi: bool,
    pub(super) characters: u64,
    /// The first half of a cons string, and the string that a slice is cut from or a thin one stands for. The second word follows.
    pub(super) indirect: u64,
    /// The resource of an external string; the address of the characters follows.
    pub(super) resource: u64,
    /// Of a descriptor array with a head of its own (V8 7.4 and later).
    pub(super) first_descriptor: u64,
    /// Of a `SharedFunctionInfo` whose scope info is a plain array (up to V8 6.7).
    pub(super) scope_info: Option<u64>,
    /// Whether a `PropertyCell` knows its name (V8 6.1 and later).
    pub(super) property_cells_have_names: bool,
    types: BTreeMap<u16, Type>,
}

/// Objects that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    String(StringType),
    Symbol,
    /// All strings in it are names: function, scope, embedder's class.
    Names,
    /// As `Names`; and a plain array may hold the names of its variables.
    SharedFunctionInfo,
    /// As `Names`, and so are those in arrays that it refers to.
    ScopeInfo,
    Script,
    PropertyCell,
    DescriptorArray,
    /// Bytes that may be anybody's.
    Bytes,
    /// The elements of a typed array (up to V8 7.5), so many bytes each.
    Elements(u8),
    /// Refers to bytes that describe code.
    Code,
    /// One word that is no text: a double, a value.
    Number,
}

/// How a string is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StringType {
    pub(super) representation: Representation,
    pub(super) unit_bytes: u64,
    pub(super) internalized: bool,
}

/// Where a string's characters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Representation {
    Sequential,
    Cons,
    Sliced,
    Thin,
    External,
}

/// Instance types by what they are here; those that a version lacks have no constant.
const TYPES: &[(&str, Type)] = &[
    ("UncompiledData__UNCOMPILED_DATA_TYPE", Type::Names),
    (
        "UncompiledDataWithPreParsedScope__UNCOMPILED_DATA_WITH_PRE_PARSED_SCOPE_TYPE",
        Type::Names,
    ),
    (
        "UncompiledDataWithoutPreParsedScope__UNCOMPILED_DATA_WITHOUT_PRE_PARSED_SCOPE_TYPE",
        Type::Names,
    ),
    (
        "UncompiledDataWithPreparseData__UNCOMPILED_DATA_WITH_PREPARSE_DATA_TYPE",
        Type::Names,
    ),
    (
        "UncompiledDataWithoutPreparseData__UNCOMPILED_DATA_WITHOUT_PREPARSE_DATA_TYPE",
        Type::Names,
    ),
    (
        "UncompiledDataWithPreparseDataAndJob__UNCOMPILED_DATA_WITH_PREPARSE_DATA_AND_JOB_TYPE",
        Type::Names,
    ),
    (
        "UncompiledDataWithoutPreparseDataWithJob__UNCOMPILED_DATA_WITHOUT_PREPARSE_DATA_WITH_JOB_TYPE",
        Type::Names,
    ),
    (
        "FunctionTemplateInfo__FUNCTION_TEMPLATE_INFO_TYPE",
        Type::Names,
    ),
    // Their names (`undefined`, …) lie in the read-only space since there is one.
    ("Oddball__ODDBALL_TYPE", Type::Names),
    (
        "SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE",
        Type::SharedFunctionInfo,
    ),
    ("ScopeInfo__SCOPE_INFO_TYPE", Type::ScopeInfo),
    ("Script__SCRIPT_TYPE", Type::Script),
    ("PropertyCell__PROPERTY_CELL_TYPE", Type::PropertyCell),
    (
        "DescriptorArray__DESCRIPTOR_ARRAY_TYPE",
        Type::DescriptorArray,
    ),
    ("ByteArray__BYTE_ARRAY_TYPE", Type::Bytes),
    ("TrustedByteArray__TRUSTED_BYTE_ARRAY_TYPE", Type::Bytes),
    ("FixedUint8Array__FIXED_UINT8_ARRAY_TYPE", Type::Elements(1)),
    ("FixedInt8Array__FIXED_INT8_ARRAY_TYPE", Type::Elements(1)),
    (
        "FixedUint8ClampedArray__FIXED_UINT8_CLAMPED_ARRAY_TYPE",
        Type::Elements(1),
    ),
    (
        "FixedUint16Array__FIXED_UINT16_ARRAY_TYPE",
        Type::Elements(2),
    ),
    ("FixedInt16Array__FIXED_INT16_ARRAY_TYPE", Type::Elements(2)),
    (
        "FixedUint32Array__FIXED_UINT32_ARRAY_TYPE",
        Type::Elements(4),
    ),
    ("FixedInt32Array__FIXED_INT32_ARRAY_TYPE", Type::Elements(4)),
    (
        "FixedFloat32Array__FIXED_FLOAT32_ARRAY_TYPE",
        Type::Elements(4),
    ),
    (
        "FixedFloat64Array__FIXED_FLOAT64_ARRAY_TYPE",
        Type::Elements(8),
    ),
    ("BytecodeArray__BYTECODE_ARRAY_TYPE", Type::Code),
    ("Code__CODE_TYPE", Type::Code),
    ("InstructionStream__INSTRUCTION_STREAM_TYPE", Type::Code),
    ("Cell__CELL_TYPE", Type::Number),
    ("HeapNumber__HEAP_NUMBER_TYPE", Type::Number),
    ("MutableHeapNumber__MUTABLE_HEAP_NUMBER_TYPE", Type::Number),
];

impl Shape {
    /// The shape, or the first constant that is missing.
    pub(super) fn new(constants: &BTreeMap<String, i64>) -> Result<Self, &'static str> {
        let find = Constants(constants);
        let seq_tag = find.number("SeqStringTag")?;
        let one_byte_tag = find.number("OneByteStringTag")?;
        // The type of a plain one-byte string is its tags and the bit that says that it is not internalized.
        let plain: u16 = find.first_of("type_SeqOneByteString__")?.0;
        let (length, length_type) = find.first_of::<u64>("class_String__length__")?;
        let (instance_type, instance_type_is_byte) =
            match find.first_of("class_Map__instance_type__") {
                Ok((offset, _)) => (offset, false),
                Err(_) => (find.first_of("class_Map__instance_attributes__")?.0, true),
            };
        let first_nonstring_type = find.number("FirstNonstringType")?;
        let mut types: BTreeMap<u16, Type> = TYPES
            .iter()
            .filter_map(|(name, kind)| Some((find.number_named(&format!("type_{name}"))?, *kind)))
            .collect();
        // Symbols have been the first names that are no strings since there are any.
        types.insert(first_nonstring_type, Type::Symbol);
        Ok(Self {
            first_nonstring_type,
            representation_mask: find.number("StringRepresentationMask")?,
            seq_tag,
            cons_tag: find.number("ConsStringTag")?,
            sliced_tag: find.number("SlicedStringTag")?,
            thin_tag: find.number("ThinStringTag").ok(),
            external_tag: find.number("ExternalStringTag")?,
            one_byte_tag,
            not_internalized: plain & !(seq_tag | one_byte_tag),
            instance_type,
            instance_type_is_byte,
            descriptors: find.first_of("class_Map__instance_descriptors")?.0,
            bit_field3: find.first_of("class_Map__bit_field3__")?.0,
            dictionary_bit: find
                .number("bit_field3_is_dictionary_map_shift")
                .or_else(|_| find.number("bit_field3_dictionary_map_shift"))?,
            length,
            length_is_smi: length_type == "SMI",
            characters: find.first_of("class_SeqOneByteString__chars__")?.0,
            indirect: find.first_of("class_SlicedString__parent__")?.0,
            resource: find.first_of("class_ExternalString__resource__")?.0,
            first_descriptor: find
                .first_of("class_DescriptorArray__header_size__")
                .map_or(24, |(size, _)| size),
            scope_info: find
                .first_of("class_SharedFunctionInfo__scope_info__")
                .ok()
                .map(|(offset, _)| offset),
            // The name came between the details and the value, where the value was; what knows nothing of either is newer still.
            property_cells_have_names: find
                .first_of::<u64>("class_PropertyCell__value__")
                .map_or(true, |(offset, _)| offset == 24),
            types,
        })
    }

    /// What objects of an instance type are here.
    pub(super) fn kind(&self, instance_type: u16) -> Option<Type> {
        if instance_type >= self.first_nonstring_type {
            return self.types.get(&instance_type).copied();
        }
        let tag = instance_type & self.representation_mask;
        let representation = if tag == self.seq_tag {
            Representation::Sequential
        } else if tag == self.cons_tag {
            Representation::Cons
        } else if tag == self.sliced_tag {
            Representation::Sliced
        } else if Some(tag) == self.thin_tag {
            Representation::Thin
        } else if tag == self.external_tag {
            Representation::External
        } else {
            return None;
        };
        Some(Type::String(StringType {
            representation,
            unit_bytes: if instance_type & self.one_byte_tag != 0 {
                1
            } else {
                2
            },
            internalized: instance_type & self.not_internalized == 0,
        }))
    }
}

struct Constants<'a>(&'a BTreeMap<String, i64>);

impl Constants<'_> {
    fn number_named<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        T::try_from(*self.0.get(name)?).ok()
    }

    fn number<T: TryFrom<i64>>(&self, name: &'static str) -> Result<T, &'static str> {
        self.number_named(name).ok_or(name)
    }

    /// The first constant whose name begins so, and the rest of its name: the type at its end is spelled differently by every
    /// other version.
    fn first_of<T: TryFrom<i64>>(&self, prefix: &'static str) -> Result<(T, &str), &'static str> {
        let (name, value) = self.0.range(prefix.to_owned()..).next().ok_or(prefix)?;
        let suffix = name.strip_prefix(prefix).ok_or(prefix)?;
        Ok((T::try_from(*value).map_err(|_| prefix)?, suffix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::known_constants;
    use v8mini_format::model::V8Version;

    fn version(major: u32, minor: u32) -> V8Version {
        V8Version {
            major,
            minor,
            ..V8Version::default()
        }
    }

    #[test]
    fn every_version_has_what_is_needed() {
        for (major, minor) in [
            (4, 5),
            (5, 1),
            (5, 8),
            (6, 2),
            (6, 8),
            (7, 4),
            (7, 7),
            (7, 9),
            (8, 4),
            (9, 0),
            (9, 4),
            (10, 2),
            (11, 3),
            (12, 4),
            (13, 6),
            (14, 6),
        ] {
            let shape = Shape::new(&known_constants(version(major, minor)).unwrap());
            let shape = shape.unwrap_or_else(|missing| panic!("V8 {major}.{minor}: {missing}"));
            assert!(
                [0x20, 0x40].contains(&shape.not_internalized),
                "V8 {major}.{minor}: {shape:?}"
            );
            let has = |kind| shape.types.values().any(|known| *known == kind);
            assert!(has(Type::Script) && has(Type::SharedFunctionInfo) && has(Type::Bytes));
            assert!(
                has(Type::ScopeInfo) || shape.scope_info.is_some(),
                "V8 {major}.{minor}: {shape:?}"
            );
        }
    }
}
