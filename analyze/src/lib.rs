//! Interprets a captured V8 heap: layout, object views, heap walk, classes.
