// cc -shared -fPIC -nostdlib -Os -Wl,--build-id -Wl,-z,noseparate-code -o v8-symbols.so v8-symbols.c
// What v8mini looks for in the binary that V8 is in, and no more. Mangled names are spelled by hand.
#define V8DBG(name, value) int v8dbg_##name = value
V8DBG(SmiTag, 0); V8DBG(SmiTagMask, 1); V8DBG(HeapObjectTag, 1); V8DBG(HeapObjectTagMask, 3);
V8DBG(FirstNonstringType, 128); V8DBG(StringRepresentationMask, 7); V8DBG(ExternalStringTag, 2);
V8DBG(StringEncodingMask, 8); V8DBG(OneByteStringTag, 8); V8DBG(class_String__length__int32_t, 12);
V8DBG(class_Map__instance_type__uint16_t, 12); V8DBG(class_JSObject__elements__Object, 16);
V8DBG(class_FixedArray__data__uintptr_t, 16); V8DBG(type_JSObject__JS_OBJECT_TYPE, 1057);
V8DBG(frametype_EntryFrame, 1); V8DBG(off_fp_context, -8); V8DBG(prop_index_mask, 1023);
V8DBG(class_ExternalString__resource__Object, 16);
int _ZN2v88internal7Version6major_E = 12, _ZN2v88internal7Version6minor_E = 4,
    _ZN2v88internal7Version6build_E = 254, _ZN2v88internal7Version6patch_E = 21;
int _ZN2v88internal7Isolate12isolate_key_E;
__thread void *_ZN2v88internal18g_current_isolate_E;
const char url[] = "\0https://nodejs.org/download/release/v22.23.3/node-v22.23.3-headers.tar.gz";
const char version[] = "\0v22.23.3";
__attribute__((naked)) void _ZN2v88internal4Heap10SetGCStateENS1_9HeapStateE(void) {
  __asm__("movl %esi, 0x198(%rdi)\n ret");
}
__attribute__((naked)) void _ZN2v88internal4Heap11MarkCompactEv(void) {
  __asm__("movl $2, 0xc28(%rdi)\n movl $0, 0xc28(%rbx)\n ret");
}
