use v8mini_analyze::v8::Address;

use super::{analysis, size_of};
use crate::allocation::bounded;
use crate::mutation::mutate;
use crate::seeds::Seed;

/// So many objects are looked at whatever was changed: they may lead to what was.
const SAMPLE: usize = 16;

/// The seed's heap with changed words: walked, classified, checked, and the changed objects looked at in every way.
pub fn heap(data: &[u8]) {
    let seed = Seed::get();
    let (bytes, changed) = mutate(seed, data);
    bounded(size_of(data), || {
        let Some(objects) = analysis::open(bytes, seed.metadata.clone()) else {
            return;
        };
        analysis::heap(&objects);
        let around: Vec<u64> = changed
            .iter()
            .filter_map(|addr| seed.object_around(*addr))
            .collect();
        if let Some(first) = around.first() {
            analysis::inspect(&objects, Address(*first), true);
        }
        for addr in &around {
            analysis::inspect(&objects, Address(*addr), false);
        }
        let step = (seed.object_count() / SAMPLE).max(1);
        let sample = (0..seed.object_count()).step_by(step);
        let sample = sample.map(|number| seed.object(number));
        for addr in around.into_iter().chain(sample) {
            analysis::object(&objects, Address(addr));
        }
    });
}
