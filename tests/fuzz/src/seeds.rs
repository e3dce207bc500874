//! The heap that everything starts from: a real one of Node 22, cut down to its read-only space and a few hundred objects of
//! every kind (`cargo run --package v8mini-fuzz --example shrink`).

use std::sync::LazyLock;

use v8mini_analyze::heap::{HeapObject, PageSelection, Visitor, walk};
use v8mini_analyze::layout::Layout;
use v8mini_analyze::v8::Objects;
use v8mini_format::{CaptureFile, Metadata};

use crate::image::Bytes;

/// The capture.
pub const CAPTURE: &[u8] = include_bytes!("../seeds/node-22.v8mini");

/// The capture, taken apart.
#[derive(Debug)]
pub struct Seed {
    /// Its metadata.
    pub metadata: Metadata,
    /// Its memory.
    pub bytes: Bytes,
    /// The layout of its V8.
    pub layout: Layout,
    /// Address and size of each object.
    objects: Vec<(u64, u64)>,
    /// Where the words are that are not zero.
    words: Vec<u64>,
}

impl Seed {
    /// The seed.
    ///
    /// # Panics
    /// If the capture cannot be read whole: it is part of this crate.
    pub fn get() -> &'static Self {
        static SEED: LazyLock<Seed> = LazyLock::new(Seed::read);
        &SEED
    }

    fn read() -> Self {
        let file = CaptureFile::from_bytes(CAPTURE.to_vec()).expect("the seed opens");
        let bytes = Bytes::of(&file).expect("the seed's memory is whole");
        let metadata = file.metadata().clone();
        let version = metadata.v8_version.expect("the seed names its V8");
        let layout = Layout::resolve(version, &metadata.process.architecture, &metadata.constants)
            .expect("its V8 has a layout");
        let heap = Objects::new(bytes.clone().into_image(metadata.clone()), layout.clone());
        let (parts, _) = walk(&heap, PageSelection::default(), Addresses::default);
        let objects: Vec<_> = parts.into_iter().flat_map(|part| part.0).collect();
        assert!(
            objects.len() > 100,
            "the seed holds {} objects",
            objects.len()
        );
        let words = bytes.0.iter().flat_map(|(start, bytes)| {
            let (words, _) = bytes.as_chunks::<8>();
            let filled = words
                .iter()
                .enumerate()
                .filter(|(_, word)| **word != [0; 8]);
            filled.map(move |(i, _)| start + 8 * i as u64)
        });
        Self {
            words: words.collect(),
            metadata,
            bytes,
            layout,
            objects,
        }
    }

    /// The address of an object, by any number.
    pub fn object(&self, number: usize) -> u64 {
        self.objects[number % self.objects.len()].0
    }

    /// Number of objects.
    pub fn object_count(&self) -> usize {
        self.objects.len()
    }

    /// The object that an address lies in.
    pub fn object_around(&self, addr: u64) -> Option<u64> {
        let after = self.objects.partition_point(|(start, _)| *start <= addr);
        let (start, size) = *self.objects.get(after.checked_sub(1)?)?;
        (addr - start < size).then_some(start)
    }

    /// The address of a word that is not zero, by any number.
    pub fn word(&self, number: usize) -> u64 {
        self.words[number % self.words.len()]
    }
}

#[derive(Debug, Default)]
struct Addresses(Vec<(u64, u64)>);

impl Visitor for Addresses {
    fn visit(&mut self, object: &HeapObject<'_>) {
        self.0.push((object.address.0, object.size));
    }
}
