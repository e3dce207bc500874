//! Fixed binary layouts: little-endian fields at fixed offsets, without padding.
//!
//! [`fixed_layout!`] makes a struct, its encoder, its decoder and a table of its fields from one
//! list, so that the three cannot disagree; a test holds the table against the one in
//! `spec/file-format.md`.

/// A value of fixed size on disk.
pub(crate) trait Fixed: Sized {
    /// Size in bytes.
    const SIZE: usize;
    /// Name of the type in the specification.
    const NAME: &'static str;
    /// Writes the value; `out` is exactly [`Self::SIZE`] bytes.
    fn put(&self, out: &mut [u8]);
    /// Reads the value; `bytes` is exactly [`Self::SIZE`] bytes.
    fn get(bytes: &[u8]) -> Self;
}

macro_rules! fixed_integer {
    ($($ty:ident),*) => {$(
        impl Fixed for $ty {
            const SIZE: usize = size_of::<$ty>();
            const NAME: &'static str = stringify!($ty);
            fn put(&self, out: &mut [u8]) {
                out.copy_from_slice(&self.to_le_bytes());
            }
            fn get(bytes: &[u8]) -> Self {
                let mut value = [0; size_of::<$ty>()];
                value.copy_from_slice(bytes);
                Self::from_le_bytes(value)
            }
        }
    )*};
}

fixed_integer!(u8, u16, u32, u64, i64);

macro_rules! fixed_bytes {
    ($($len:literal),*) => {$(
        impl Fixed for [u8; $len] {
            const SIZE: usize = $len;
            const NAME: &'static str = concat!("bytes[", $len, "]");
            fn put(&self, out: &mut [u8]) {
                out.copy_from_slice(self);
            }
            fn get(bytes: &[u8]) -> Self {
                let mut value = [0; $len];
                value.copy_from_slice(bytes);
                value
            }
        }
    )*};
}

fixed_bytes!(4, 6, 8, 16, 32);

/// One field of a layout, for the test that compares code and specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) offset: usize,
    pub(crate) size: usize,
    pub(crate) ty: &'static str,
}

/// Whether the fields follow each other without gap or overlap and fill `len` bytes.
pub(crate) const fn is_dense(fields: &[Field], len: usize) -> bool {
    let mut end = 0;
    let mut i = 0;
    while i < fields.len() {
        if fields[i].offset != end {
            return false;
        }
        end += fields[i].size;
        i += 1;
    }
    end == len
}

/// Declares a struct with a fixed layout: `offset field: type` lines, checked at compile time to be
/// dense.
macro_rules! fixed_layout {
    (
        $(#[$meta:meta])*
        struct $name:ident [$len:literal] {
            $( $(#[$field_meta:meta])* $offset:literal $field:ident: $ty:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct $name {
            $( $(#[$field_meta])* pub(crate) $field: $ty, )*
        }

        impl $name {
            /// Size on disk in bytes.
            pub(crate) const LEN: usize = $len;

            /// The fields in order.
            pub(crate) const FIELDS: &'static [$crate::layout::Field] = &[
                $( $crate::layout::Field {
                    name: stringify!($field),
                    offset: $offset,
                    size: <$ty as $crate::layout::Fixed>::SIZE,
                    ty: <$ty as $crate::layout::Fixed>::NAME,
                }, )*
            ];

            /// The bytes on disk.
            pub(crate) fn to_bytes(self) -> [u8; $len] {
                use $crate::layout::Fixed;
                let mut bytes = [0; $len];
                $( self.$field.put(&mut bytes[$offset..$offset + <$ty>::SIZE]); )*
                bytes
            }

            /// The value of such bytes.
            pub(crate) fn from_bytes(bytes: &[u8; $len]) -> Self {
                use $crate::layout::Fixed;
                Self { $( $field: <$ty>::get(&bytes[$offset..$offset + <$ty>::SIZE]), )* }
            }
        }

        // Dense layouts also prove that every slice above lies within the array.
        const _: () = assert!($crate::layout::is_dense($name::FIELDS, $name::LEN));
    };
}

pub(crate) use fixed_layout;
