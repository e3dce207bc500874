//! Locates V8 in any address space (portable), and captures it from a live process (Linux).
