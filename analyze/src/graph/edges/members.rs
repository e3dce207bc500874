//! What the fields of V8's own objects are called, by offset: the same for all objects of a map.

use smol_str::SmolStr;

/// Fields up to this word are looked up by their place. Hardly any lie behind it, and a table must not make ours as long as it likes.
const NEAR: usize = 64;

/// The names of fields. Every word of a heap that has no other name is looked up here.
#[derive(Debug, Default)]
pub(super) struct Members {
    near: Vec<Option<SmolStr>>,
    /// Fields further away, and those that are not aligned.
    far: Vec<(u64, SmolStr)>,
}

impl Members {
    /// Names a field by its offset in bytes; of two names, the first counts.
    pub(super) fn add(&mut self, offset: u64, name: &str) {
        if self.at(offset).is_some() {
            return;
        }
        match near(offset) {
            Some(word) => {
                if word >= self.near.len() {
                    self.near.resize(word + 1, None);
                }
                if let Some(place) = self.near.get_mut(word) {
                    *place = Some(name.into());
                }
            }
            None => self.far.push((offset, name.into())),
        }
    }

    /// The name of the field at an offset in bytes.
    pub(super) fn at(&self, offset: u64) -> Option<&SmolStr> {
        match near(offset) {
            Some(word) => self.near.get(word)?.as_ref(),
            None => {
                let mut far = self.far.iter();
                far.find(|(at, _)| *at == offset).map(|(_, name)| name)
            }
        }
    }
}

fn near(offset: u64) -> Option<usize> {
    let word = usize::try_from(offset / 8).ok()?;
    (offset.is_multiple_of(8) && word < NEAR).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_known_by_their_offsets_near_and_far() {
        let mut members = Members::default();
        let all = [0, 16, 19, NEAR as u64 * 8 - 8, NEAR as u64 * 8, u64::MAX];
        for offset in all {
            members.add(offset, &offset.to_string());
            members.add(offset, "another");
        }
        for offset in all {
            assert_eq!(members.at(offset), Some(&SmolStr::from(offset.to_string())));
        }
        for offset in [8, 17, NEAR as u64 * 8 + 8] {
            assert_eq!(members.at(offset), None);
        }
    }
}
