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
    /// Position in the order of insertion, inside the details of a dictionary entry.
    DetailsDictionaryIndex = "PropertyDetails.dictionary_index",
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

    /// Name of a global variable's cell.
    PropertyCellName = "PropertyCell.name",
    /// `PropertyDetails` of a global variable's cell.
    PropertyCellDetails = "PropertyCell.property_details",
    /// Value of a global variable's cell.
    PropertyCellValue = "PropertyCell.value",
    /// Value of a cell: what a module exports.
    CellValue = "Cell.value",
    /// Getter: a function, a `FunctionTemplateInfo`, null or undefined.
    AccessorPairGetter = "AccessorPair.getter",
    /// Setter: a function, a `FunctionTemplateInfo`, null or undefined.
    AccessorPairSetter = "AccessorPair.setter",

    /// The elements kind that stands for a `NumberDictionary`.
    DictionaryElements = "ElementsKind.dictionary",
    /// The elements kind of sloppy `arguments` whose entries are aliases of parameters.
    FastSloppyArgumentsElements = "ElementsKind.fast_sloppy_arguments",
    /// The same with a `NumberDictionary` for those that are no aliases.
    SlowSloppyArgumentsElements = "ElementsKind.slow_sloppy_arguments",
    /// The elements kind of a boxed string whose other elements are fast.
    FastStringWrapperElements = "ElementsKind.fast_string_wrapper",
    /// The same with a `NumberDictionary`.
    SlowStringWrapperElements = "ElementsKind.slow_string_wrapper",

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
    /// Whether JavaScript never sees a symbol: V8's own, and the names of `#private` members.
    SymbolIsPrivate = "Symbol.is_private",
    /// Whether it is one of the language's own symbols, such as `Symbol.iterator`.
    SymbolIsWellKnown = "Symbol.is_well_known",
    /// Whether `Symbol.for` made it.
    SymbolIsRegistered = "Symbol.is_in_public_symbol_table",
    /// Whether it is the name of a `#private` member (V8 6.8 and later).
    SymbolIsPrivateName = "Symbol.is_private_name",
    /// Whether it marks instances of a class with `#private` methods (V8 8 and later).
    SymbolIsPrivateBrand = "Symbol.is_private_brand",
    /// The double.
    HeapNumberValue = "HeapNumber.value",
    /// Whether a BigInt is negative (V8 6.2 and later).
    BigIntSign = "BigInt.sign",
    /// Number of 64-bit digits of a BigInt, least significant first.
    BigIntLength = "BigInt.length",
    /// Offset of a BigInt's first digit.
    BigIntDigits = "BigInt.digits",
    /// Which oddball: false, true, undefined, …
    OddballKind = "Oddball.kind",
    /// The kind that stands for `undefined`.
    OddballUndefined = "Oddball.undefined_kind",
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

    /// First value of a `Tuple2`: the constructor, in a map that holds a tuple of constructor and prototype.
    Tuple2Value1 = "Tuple2.value1",
    /// The part of the function data that is not in trusted space (V8 13 and later).
    SharedUntrustedFunctionData = "SharedFunctionInfo.untrusted_function_data",
    /// Where the function begins in its script, in code units: at its parameter list (up to V8 6.9).
    SharedStartPosition = "SharedFunctionInfo.start_position",
    /// Where the function ends in its script (up to V8 6.9).
    SharedEndPosition = "SharedFunctionInfo.end_position",
    /// Where a function that is not compiled yet begins.
    UncompiledDataStartPosition = "UncompiledData.start_position",
    /// Where a function that is not compiled yet ends.
    UncompiledDataEndPosition = "UncompiledData.end_position",
    /// Bits of a function that tell its kind.
    SharedFunctionKind = "SharedFunctionInfo.function_kind",
    /// Whether it is a class.
    SharedIsClassConstructor = "SharedFunctionInfo.is_class_constructor",
    /// How often a function has been called since V8 counts that, by the interpreter and by code that Sparkplug made (V8 6.2
    /// and later).
    FeedbackInvocations = "FeedbackVector.invocation_count",
    /// Function that a bound function calls.
    BoundTarget = "JSBoundFunction.bound_target_function",
    /// `this` that it calls it with.
    BoundThis = "JSBoundFunction.bound_this",
    /// Target, `this` and first arguments of a bound function that is a plain function (up to V8 4.8).
    FunctionBindings = "JSFunction.bindings",
    /// Arguments that it calls it with first.
    BoundArguments = "JSBoundFunction.bound_arguments",

    /// Tagged address of a function's current `Code`: over the function, as V8 5 keeps the address of the first instruction.
    FunctionCode = "JSFunction.code",
    /// Number of a function's entry in the table outside of the heap that has the `Code` (V8 13.6 and later).
    FunctionDispatchEntry = "JSFunction.dispatch_entry",

    // Scopes and scripts
    /// Number of variables that a scope keeps in its context: over the `ScopeInfo`.
    ScopeInfoLocalCount = "ScopeInfo.context_local_count",
    /// Offset of the first one's name in a `ScopeInfo`, 0 if the names are in a table: over the `ScopeInfo`.
    ScopeInfoLocalNames = "ScopeInfo.context_local_names_offset",
    /// Offset of the table from names to numbers in a `ScopeInfo`, 0 if there is none: over the `ScopeInfo`.
    ScopeInfoLocalNamesTable = "ScopeInfo.context_local_names_table_offset",
    /// Offset of start and end position, two words, in a `ScopeInfo`, 0 if it has none: over the `ScopeInfo`.
    ScopeInfoPositions = "ScopeInfo.position_info_offset",
    /// Slots before the first variable in the contexts of a scope (V8 8 and later): over the `ScopeInfo`.
    ScopeInfoContextHeader = "ScopeInfo.context_header_length",
    /// Offset of the first slot of a context.
    ContextSlots = "Context.slots",
    /// Slots before the first variable.
    ContextMinSlots = "Context.min_slots",
    /// The slot with the `ScopeInfo` (V8 6.6 and later).
    ContextScopeInfoSlot = "Context.scope_info_index",
    /// The slot with the function whose context it is (up to V8 6.5).
    ContextClosureSlot = "Context.closure_index",
    /// The slot with the surrounding context.
    ContextPreviousSlot = "Context.previous_index",
    /// `ScopeInfo` of a function (up to V8 6.5).
    SharedScopeInfo = "SharedFunctionInfo.scope_info",
    /// Source text.
    ScriptSource = "Script.source",
    /// Name: as a rule a file's path.
    ScriptName = "Script.name",
    /// Positions of the line ends as Smis in a `FixedArray`; a Smi or undefined until V8 needs them.
    ScriptLineEnds = "Script.line_ends",
    /// Lines before the script's first one in its file.
    ScriptLineOffset = "Script.line_offset",
    /// Columns before the script's first one in its first line.
    ScriptColumnOffset = "Script.column_offset",
    /// Number that the inspector knows a script by.
    ScriptId = "Script.id",
    /// What kind of script it is: `Script::Type`.
    ScriptType = "Script.script_type",

    // Binary data
    /// Length of an `ArrayBuffer` in bytes.
    ArrayBufferByteLength = "JSArrayBuffer.byte_length",
    /// Longest length that a resizable `ArrayBuffer` may have.
    ArrayBufferMaxByteLength = "JSArrayBuffer.max_byte_length",
    /// Address of the bytes, untagged.
    ArrayBufferBackingStore = "JSArrayBuffer.backing_store",
    /// Whether the contents have moved to another owner.
    ArrayBufferWasDetached = "JSArrayBuffer.was_detached",
    /// Whether it is a `SharedArrayBuffer`.
    ArrayBufferIsShared = "JSArrayBuffer.is_shared",
    /// Whether it can be resized.
    ArrayBufferIsResizable = "JSArrayBuffer.is_resizable_by_js",
    /// Buffer of a typed array or `DataView`.
    ViewBuffer = "JSArrayBufferView.buffer",
    /// First byte of the view in its buffer.
    ViewByteOffset = "JSArrayBufferView.byte_offset",
    /// Length of the view in bytes.
    ViewByteLength = "JSArrayBufferView.byte_length",
    /// Whether the view is as long as its buffer, whatever that becomes.
    ViewIsLengthTracking = "JSArrayBufferView.is_length_tracking",
    /// Number of elements of a typed array.
    TypedArrayLength = "JSTypedArray.length",
    /// What to add to the base pointer for the address of the first element.
    TypedArrayExternalPointer = "JSTypedArray.external_pointer",
    /// Smi 0, or the on-heap elements, tagged.
    TypedArrayBasePointer = "JSTypedArray.base_pointer",
    /// The same in the elements of a typed array (up to V8 7.5).
    ElementsExternalPointer = "FixedTypedArrayBase.external_pointer",
    /// The same in the elements of a typed array (up to V8 7.5).
    ElementsBasePointer = "FixedTypedArrayBase.base_pointer",
    /// Elements kind of `Uint8Array`.
    Uint8Elements = "ElementsKind.uint8",
    /// Elements kind of `Int8Array`.
    Int8Elements = "ElementsKind.int8",
    /// Elements kind of `Uint16Array`.
    Uint16Elements = "ElementsKind.uint16",
    /// Elements kind of `Int16Array`.
    Int16Elements = "ElementsKind.int16",
    /// Elements kind of `Uint32Array`.
    Uint32Elements = "ElementsKind.uint32",
    /// Elements kind of `Int32Array`.
    Int32Elements = "ElementsKind.int32",
    /// Elements kind of `Float16Array` (V8 13 and later).
    Float16Elements = "ElementsKind.float16",
    /// Elements kind of `Float32Array`.
    Float32Elements = "ElementsKind.float32",
    /// Elements kind of `Float64Array`.
    Float64Elements = "ElementsKind.float64",
    /// Elements kind of `Uint8ClampedArray`.
    Uint8ClampedElements = "ElementsKind.uint8_clamped",
    /// Elements kind of `BigUint64Array` (V8 6.6 and later).
    BigUint64Elements = "ElementsKind.biguint64",
    /// Elements kind of `BigInt64Array` (V8 6.6 and later).
    BigInt64Elements = "ElementsKind.bigint64",
    /// Elements kind of `Uint8Array` with its elements outside of the heap (V8 4.5 only).
    ExternalUint8Elements = "ElementsKind.external_uint8",
    /// Elements kind of `Int8Array` with its elements outside of the heap (V8 4.5 only).
    ExternalInt8Elements = "ElementsKind.external_int8",
    /// Elements kind of `Uint16Array` with its elements outside of the heap (V8 4.5 only).
    ExternalUint16Elements = "ElementsKind.external_uint16",
    /// Elements kind of `Int16Array` with its elements outside of the heap (V8 4.5 only).
    ExternalInt16Elements = "ElementsKind.external_int16",
    /// Elements kind of `Uint32Array` with its elements outside of the heap (V8 4.5 only).
    ExternalUint32Elements = "ElementsKind.external_uint32",
    /// Elements kind of `Int32Array` with its elements outside of the heap (V8 4.5 only).
    ExternalInt32Elements = "ElementsKind.external_int32",
    /// Elements kind of `Float32Array` with its elements outside of the heap (V8 4.5 only).
    ExternalFloat32Elements = "ElementsKind.external_float32",
    /// Elements kind of `Float64Array` with its elements outside of the heap (V8 4.5 only).
    ExternalFloat64Elements = "ElementsKind.external_float64",
    /// Elements kind of `Uint8ClampedArray` with its elements outside of the heap (V8 4.5 only).
    ExternalUint8ClampedElements = "ElementsKind.external_uint8_clamped",
    /// What to add to an elements kind for that of the same array on a resizable buffer (V8 9.6 and later).
    ResizableElementsDistance = "ElementsKind.rab_gsab_distance",

    // Other objects of the language
    /// Table of a `Map` or `Set`.
    CollectionTable = "JSCollection.table",
    /// Table of a `WeakMap` or `WeakSet`.
    WeakCollectionTable = "JSWeakCollection.table",
    /// Entries in use, of a `Map`'s or `Set`'s table.
    OrderedHashTableElements = "OrderedHashTable.number_of_elements",
    /// Deleted entries.
    OrderedHashTableDeleted = "OrderedHashTable.number_of_deleted_elements",
    /// Hash buckets, which lie before the entries.
    OrderedHashTableBuckets = "OrderedHashTable.number_of_buckets",
    /// Milliseconds since the epoch: a tagged number, or the raw bits of a double (V8 13 and later).
    DateValue = "JSDate.value",
    /// Source of a regular expression: a string.
    RegExpSource = "JSRegExp.source",
    /// Flags of a regular expression.
    RegExpFlags = "JSRegExp.flags",
    /// Reactions that wait, or the result.
    PromiseReactionsOrResult = "JSPromise.reactions_or_result",
    /// Pending 0, fulfilled 1, rejected 2.
    PromiseStatus = "JSPromise.status",
    /// Whether anybody has asked for the result.
    PromiseHasHandler = "JSPromise.has_handler",
    /// Next reaction.
    ReactionNext = "PromiseReaction.next",
    /// What to call on rejection.
    ReactionRejectHandler = "PromiseReaction.reject_handler",
    /// What to call on fulfilment, or an array of that, in the promise itself (V8 5.8 to 6.5).
    PromiseFulfillReactions = "JSPromise.fulfill_reactions",
    /// The same on rejection.
    PromiseRejectReactions = "JSPromise.reject_reactions",
    /// The promise that these settle, or an array of that.
    PromiseDeferredPromise = "JSPromise.deferred_promise",
    /// What to call on fulfilment.
    ReactionFulfillHandler = "PromiseReaction.fulfill_handler",
    /// The promise that the reaction settles.
    ReactionPromise = "PromiseReaction.promise_or_capability",
    /// Handler that a microtask calls.
    TaskHandler = "PromiseReactionJobTask.handler",
    /// The promise that this settles.
    TaskPromise = "PromiseReactionJobTask.promise_or_capability",
    /// The `then` that a microtask calls.
    TaskThen = "PromiseResolveThenableJobTask.then",
    /// The promise that this may settle.
    TaskPromiseToResolve = "PromiseResolveThenableJobTask.promise_to_resolve",
    /// The function that a microtask calls.
    TaskCallable = "CallableTask.callable",
    /// Handlers that a microtask calls: one, or an array (V8 5.8 to 6.5).
    JobTasks = "PromiseReactionJobInfo.tasks",
    /// The promise that these settle, or an array.
    JobPromise = "PromiseReactionJobInfo.deferred_promise",
    /// The `then` that a microtask calls (V8 5.5 to 6.5; in 5.5 the object is called `PromiseContainer`).
    JobThen = "PromiseResolveThenableJobInfo.then",
    /// What it calls that with.
    JobResolve = "PromiseResolveThenableJobInfo.resolve",
    /// Whether the queue of microtasks is an object of the heap, a root of the isolate (V8 up to 7.0).
    MicrotaskQueueIsRoot = "MicrotaskQueue.is_root",
    /// Target of a proxy; null if it is revoked.
    ProxyTarget = "JSProxy.target",
    /// Handler of a proxy; null if it is revoked.
    ProxyHandler = "JSProxy.handler",
    /// What a boxed primitive boxes.
    WrapperValue = "JSPrimitiveWrapper.value",
    /// Function of a generator.
    GeneratorFunction = "JSGeneratorObject.function",
    /// Context of a generator.
    GeneratorContext = "JSGeneratorObject.context",
    /// Receiver of a generator.
    GeneratorReceiver = "JSGeneratorObject.receiver",
    /// Where a generator goes on; below zero if it runs or is closed.
    GeneratorContinuation = "JSGeneratorObject.continuation",
    /// What to add to `continuation` so that closed is -1 and running -2 (V8 up to 4.9 counts from 0).
    GeneratorContinuationBias = "JSGeneratorObject.continuation_bias",
    /// Where a suspended generator goes on, as frames have it: from the tagged pointer to the `BytecodeArray` (V8 5.4 and later).
    GeneratorPosition = "JSGeneratorObject.input_or_debug_pos",
    /// Values of the parameters and registers of a suspended generator (V8 5.4 and later).
    GeneratorRegisters = "JSGeneratorObject.parameters_and_registers",
    /// The promise that an async function settles (V8 7.2 and later).
    AsyncFunctionPromise = "JSAsyncFunctionObject.promise",
    /// The first of those who wait for the next value of an async generator.
    AsyncGeneratorQueue = "JSAsyncGeneratorObject.queue",
    /// The promise of one who waits for the next value of an async generator.
    AsyncGeneratorRequestPromise = "AsyncGeneratorRequest.promise",
    /// The promise of a capability.
    CapabilityPromise = "PromiseCapability.promise",
    /// Stack trace of an error, in what its private symbol leads to: a string once it was asked for.
    ErrorStackFormatted = "ErrorStackData.call_site_infos_or_formatted_stack",
    /// Target of a `WeakRef`.
    WeakRefTarget = "JSWeakRef.target",
    /// Module of a namespace object.
    NamespaceModule = "JSModuleNamespace.module",
    /// Table from names to cells of a module.
    ModuleExports = "Module.exports",
    /// Context whose slots sloppy `arguments` are aliases of.
    SloppyArgumentsContext = "SloppyArgumentsElements.context",
    /// The arguments that are no aliases.
    SloppyArgumentsArguments = "SloppyArgumentsElements.arguments",
    /// Offset of the first alias, a slot number or a hole.
    SloppyArgumentsMapped = "SloppyArgumentsElements.mapped_entries",
    /// Words of its length that are no aliases (2 up to V8 8, where it is a plain `FixedArray`).
    SloppyArgumentsUnmapped = "SloppyArgumentsElements.unmapped_length",
    /// What an iterator over a `Map`, `Set`, array or string iterates over.
    IteratorSource = "JSIterator.source",
    /// Where it has got to.
    IteratorIndex = "JSIterator.index",

    /// Value of a context slot that lives in a cell of its own (V8 14 and later).
    ContextCellTaggedValue = "ContextCell.tagged_value",
    /// Which of the values of the cell counts: 2 an integer, 3 a double, else the tagged one.
    ContextCellState = "ContextCell.state",
    /// The double, or in its low half the integer.
    ContextCellDoubleValue = "ContextCell.double_value",

    // Frames and code
    /// Number of the word below the frame pointer that holds the `BytecodeArray` of an interpreted or baseline frame.
    FrameBytecodeArray = "UnoptimizedFrame.bytecode_array_word",
    /// The same of the offset in the `BytecodeArray`, a Smi; in a baseline frame it is something else.
    FrameBytecodeOffset = "UnoptimizedFrame.bytecode_offset_word",
    /// The same of the number of arguments, a plain integer (V8 9 and later).
    FrameArgumentCount = "StandardFrame.argument_count_word",
    /// Whether the receiver counts as an argument.
    FrameArgumentCountHasReceiver = "StandardFrame.argument_count_has_receiver",
    /// Number of parameters of a function; the receiver may count.
    SharedParameterCount = "SharedFunctionInfo.formal_parameter_count",
    /// Offset of the first bytecode.
    BytecodeArrayData = "BytecodeArray.data",
    /// Number of bytes of bytecodes.
    BytecodeArrayLength = "BytecodeArray.length",
    /// From bytecode offsets to positions in the script.
    BytecodeArrayPositions = "BytecodeArray.source_position_table",
    /// Bytecode of a function that has been compiled to baseline code or has its own copy of the trampoline.
    InterpreterDataBytecode = "InterpreterData.bytecode_array",
    /// What to take off the first offset of a table of positions: it counts from so many before the first instruction.
    PositionTableBias = "SourcePositionTable.start_bias",
    /// Bits below the offset in an entry of a table of positions; 0 where its sign is the only flag.
    PositionTableFlagBits = "SourcePositionTable.flag_bits",
    /// The position in the script, counted from 1, in an entry of a table of positions.
    PositionScriptOffset = "SourcePosition.script_offset",
    /// The number of the inlined function, counted from 1, in an entry of a table of positions.
    PositionInliningId = "SourcePosition.inlining_id",
    /// The `Code` that instructions belong to (V8 11 and later).
    InstructionStreamCode = "InstructionStream.code",
    /// Address of the first instruction (V8 11 and later).
    CodeInstructionStart = "Code.instruction_start",
    /// Offset of the first instruction in the object (up to V8 10).
    CodeInstructions = "Code.instructions",
    /// Number of bytes of instructions.
    CodeInstructionSize = "Code.instruction_size",
    /// Which compiler made the code.
    CodeKind = "Code.kind",
    /// Data for deoptimisation, or the bytecode of baseline code.
    CodeDeoptimizationData = "Code.deoptimization_data",
    /// From instructions to positions in the script, or to bytecodes.
    CodePositions = "Code.source_position_table",
    /// Kind of code by the optimising compiler: Crankshaft, later TurboFan.
    CodeKindOptimized = "CodeKind.optimized",
    /// Kind of code by Maglev (V8 10 and later).
    CodeKindMaglev = "CodeKind.maglev",
    /// Kind of code by Sparkplug (V8 9 and later).
    CodeKindBaseline = "CodeKind.baseline",
    /// Kind of code by the first compiler of V8 (up to 5.8).
    CodeKindFullCodegen = "CodeKind.full_codegen",
    /// Kind of code of regular expressions.
    CodeKindRegExp = "CodeKind.regexp",
    /// Number of the element with the literals in the data for deoptimisation.
    DeoptimizationLiterals = "DeoptimizationData.literal_array_index",
    /// Number of the element that says which functions were inlined where.
    DeoptimizationInliningPositions = "DeoptimizationData.inlining_positions_index",

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
