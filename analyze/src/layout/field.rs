//! The facts about V8's objects that the object views need, by name.
//!
//! A field's value for a V8 version comes from the binary's own `v8dbg_*` constants (`spec/layouts/fields.toml` says
//! which), else from the version's table in `spec/layouts/`. The names are V8's own: `Class.member`.

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A fact about V8's objects.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Field {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Field {
            /// Every field, in declaration order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name that the tables in `spec/layouts/` use.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

fields! {
    // Map
    /// Size of an instance in words; 0 if instances differ in size.
    MapInstanceSizeInWords = "Map.instance_size_in_words",
    /// Where in-object properties begin, in words from the object's start (V8 6.6 and later).
    MapInObjectStartInWords = "Map.in_object_start_in_words",
    /// Number of in-object properties, which end where the object ends (up to V8 6.5).
    MapInObjectCount = "Map.in_object_count",
    /// Instance type: which kind of object this is.
    MapInstanceType = "Map.instance_type",
    /// How the elements are stored: one of `ElementsKind`.
    MapElementsKind = "Map.elements_kind",
    /// How many of the descriptor array's entries are this map's own.
    MapOwnDescriptors = "Map.number_of_own_descriptors",
    /// Whether named properties are in a dictionary.
    MapIsDictionary = "Map.is_dictionary_map",
    /// Whether the only instance is a prototype object.
    MapIsPrototype = "Map.is_prototype_map",
    /// Whether `new` was called on the constructor that the map names, and not on a class derived from it.
    MapNewTargetIsBase = "Map.new_target_is_base",
    /// The prototype of instances.
    MapPrototype = "Map.prototype",
    /// The constructor, or the map that this one is a transition of.
    MapConstructorOrBackPointer = "Map.constructor_or_back_pointer",
    /// Descriptors of the named properties.
    MapInstanceDescriptors = "Map.instance_descriptors",

    // DescriptorArray and PropertyDetails
    /// Offset of the first descriptor: three words, key, details, value.
    DescriptorArrayHeaderSize = "DescriptorArray.header_size",
    /// Data (0) or accessor (1), inside a descriptor.
    DetailsKind = "PropertyDetails.kind",
    /// In the object (0) or in the descriptor (1), inside a descriptor.
    DetailsLocation = "PropertyDetails.location",
    /// `READ_ONLY` 1, `DONT_ENUM` 2, `DONT_DELETE` 4, inside a descriptor.
    DetailsAttributes = "PropertyDetails.attributes",
    /// Representation, inside a descriptor.
    DetailsRepresentation = "PropertyDetails.representation",
    /// Index of the field among the object's fields, inside a descriptor.
    DetailsFieldIndex = "PropertyDetails.field_index",
    /// Value of the representation that stands for a double.
    RepresentationDouble = "PropertyDetails.representation_double",
    /// 1 if in-object double fields hold the raw double (up to V8 8.0), 0 if a pointer to a `HeapNumber`.
    UnboxedDoubleFields = "JSObject.unboxed_double_fields",

    // Objects and their backing stores
    /// Properties that do not fit into the object, a dictionary, or the identity hash.
    JSReceiverProperties = "JSReceiver.raw_properties_or_hash",
    /// Indexed properties.
    JSObjectElements = "JSObject.elements",
    /// `length` of an array: a Smi or a heap number.
    JSArrayLength = "JSArray.length",
    /// Number of elements.
    FixedArrayLength = "FixedArray.length",
    /// Offset of the first element of a `FixedArray` or `FixedDoubleArray`.
    FixedArrayData = "FixedArray.data",
    /// Number of out-of-object properties that there is room for.
    PropertyArrayLength = "PropertyArray.length",
    /// Words between a hash table's `capacity` and the first entry, for `NameDictionary`.
    NameDictionaryPrefixSize = "NameDictionary.prefix_size",
    /// Same, for `NumberDictionary`.
    NumberDictionaryPrefixSize = "NumberDictionary.prefix_size",
    /// Same, for `GlobalDictionary`, whose entries are one `PropertyCell` each.
    GlobalDictionaryPrefixSize = "GlobalDictionary.prefix_size",
    /// Words per entry of a `GlobalDictionary` (3 up to V8 5, then 1).
    GlobalDictionaryEntrySize = "GlobalDictionary.entry_size",

    /// The elements kind that stands for a `NumberDictionary`.
    DictionaryElements = "ElementsKind.dictionary",

    // Names and numbers
    /// Length in code units.
    StringLength = "String.length",
    /// Offset of the characters of a sequential string.
    SeqStringChars = "SeqString.chars",
    /// First half of a concatenation.
    ConsStringFirst = "ConsString.first",
    /// Second half of a concatenation; empty after flattening.
    ConsStringSecond = "ConsString.second",
    /// The string that a slice is part of.
    SlicedStringParent = "SlicedString.parent",
    /// Where a slice begins, in code units.
    SlicedStringOffset = "SlicedString.offset",
    /// The internalized string that a thin string stands for.
    ThinStringActual = "ThinString.actual",
    /// `v8::String::ExternalStringResource*`, untagged.
    ExternalStringResource = "ExternalString.resource",
    /// Cached address of the characters, untagged; not there in uncached external strings.
    ExternalStringData = "ExternalString.resource_data",
    /// First instance type that is not a string.
    FirstNonstringType = "String.first_nonstring_type",
    /// Instance-type bits that tell the representation.
    StringRepresentationMask = "String.representation_mask",
    /// Instance-type bit that is set for one byte a character.
    StringEncodingMask = "String.encoding_mask",
    /// Representation: sequential.
    SeqStringTag = "String.seq_tag",
    /// Representation: concatenation.
    ConsStringTag = "String.cons_tag",
    /// Representation: external.
    ExternalStringTag = "String.external_tag",
    /// Representation: slice.
    SlicedStringTag = "String.sliced_tag",
    /// Representation: thin (V8 5.7 and later).
    ThinStringTag = "String.thin_tag",
    /// Description of a symbol: a string or undefined.
    SymbolDescription = "Symbol.description",
    /// The double.
    HeapNumberValue = "HeapNumber.value",
    /// Which oddball: false, true, undefined, …
    OddballKind = "Oddball.kind",
    /// How an oddball is printed.
    OddballToString = "Oddball.to_string",

    // Functions
    /// First instance type of a JavaScript function (V8 9.0 and later have a range).
    FirstFunctionType = "JSFunction.first_type",
    /// Last instance type of a JavaScript function.
    LastFunctionType = "JSFunction.last_type",
    /// Code-independent part of a function.
    JSFunctionShared = "JSFunction.shared",
    /// Closure variables.
    JSFunctionContext = "JSFunction.context",
    /// Prototype, or the initial map of instances, which holds the prototype.
    JSFunctionPrototypeOrInitialMap = "JSFunction.prototype_or_initial_map",
    /// Name, or `ScopeInfo` with the name in it (V8 6.6 and later).
    SharedNameOrScopeInfo = "SharedFunctionInfo.name_or_scope_info",
    /// Name (up to V8 6.5).
    SharedName = "SharedFunctionInfo.name",
    /// Inferred name (up to V8 6.9).
    SharedInferredName = "SharedFunctionInfo.inferred_name",
    /// Bytecode, `UncompiledData`, `FunctionTemplateInfo`, builtin id, …
    SharedFunctionData = "SharedFunctionInfo.function_data",
    /// The part of the function data that is in trusted space (V8 13 and later), else 0.
    SharedTrustedFunctionData = "SharedFunctionInfo.trusted_function_data",
    /// The script, or a `DebugInfo` that names it.
    SharedScript = "SharedFunctionInfo.script",
    /// Name from the source, before the first compilation (V8 7 and later).
    UncompiledDataInferredName = "UncompiledData.inferred_name",
    /// Offset of the function's own name in a `ScopeInfo`, 0 if it has none: an expression over the `ScopeInfo`.
    ScopeInfoFunctionName = "ScopeInfo.function_name_offset",
    /// Offset of the inferred name in a `ScopeInfo`, 0 if it has none: an expression over the `ScopeInfo`.
    ScopeInfoInferredName = "ScopeInfo.inferred_name_offset",
    /// Class name of instances made from a template.
    TemplateClassName = "FunctionTemplateInfo.class_name",

    // What only the garbage collector and the compiler see
    /// The literal that a boilerplate is copied from.
    AllocationSiteBoilerplate = "AllocationSite.transition_info_or_boilerplate",
}

impl Field {
    /// The field that the tables call `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.name() == name)
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
