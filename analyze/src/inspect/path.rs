//! Paths of properties: `._httpMessage.socket`, `[3]`, `["x-y"]`, from one object to another.

use thiserror::Error;

use crate::v8::{Address, Name, ObjectError, Objects, PropertyValue, Tagged};

/// Longest path that is followed: nobody types more.
const MAX_STEPS: usize = 256;

/// Why a path leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// It is no path.
    #[error("'{path}' is no path of properties: expected .name, [index] or [\"name\"] at '{rest}'")]
    Syntax {
        /// The path.
        path: String,
        /// From where on it makes no sense.
        rest: String,
    },
    /// The object has no such property of its own.
    #[error("{object} has no property {key} of its own")]
    NoProperty {
        /// The object.
        object: Address,
        /// The key.
        key: String,
    },
    /// What the path led to so far is no object, so that it has no properties.
    #[error("what is to have the property {key} is no object")]
    NotAnObject {
        /// The key.
        key: String,
    },
    /// An object on the way cannot be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// Follows a path from a value. The empty path leads to the value itself.
///
/// # Errors
/// If it is no path, or leads nowhere.
pub fn follow(objects: &Objects, start: Tagged, path: &str) -> Result<PropertyValue, PathError> {
    let mut at = PropertyValue::Tagged(start);
    for key in steps(path)? {
        let PropertyValue::Tagged(word) = at else {
            return Err(PathError::NotAnObject { key });
        };
        let Some(object) = word.object() else {
            return Err(PathError::NotAnObject { key });
        };
        at = property(objects, object, &key)?.ok_or(PathError::NoProperty { object, key })?;
    }
    Ok(at)
}

/// The value of an object's own property, or of its element if the key is an index. A key that no property has may be the
/// description of a symbol.
///
/// # Errors
/// If the object cannot be read.
pub fn property(
    objects: &Objects,
    object: Address,
    key: &str,
) -> Result<Option<PropertyValue>, ObjectError> {
    let map = objects.map_of(object)?;
    if !objects.is_receiver_type(map.instance_type) {
        return Ok(None);
    }
    if let Ok(index) = key.parse::<u64>() {
        let end = index.saturating_add(1);
        let elements = objects.elements(object, &map, end, usize::MAX)?;
        let found = elements.list.into_iter().find(|(at, _)| *at == index);
        if let Some((_, value)) = found {
            return Ok(Some(value));
        }
    }
    let properties = objects.properties(object)?.list;
    let named = |wanted: &dyn Fn(&Name) -> bool| {
        properties
            .iter()
            .find(|property| {
                objects
                    .read_name(property.key)
                    .is_ok_and(|name| wanted(&name))
            })
            .map(|property| property.value)
    };
    let described = |name: &Name| match name {
        Name::Symbol(symbol) => symbol
            .description
            .as_ref()
            .is_some_and(|description| description.is(key)),
        Name::String(_) => false,
    };
    Ok(named(&|name| name.is(key)).or_else(|| named(&described)))
}

/// The keys of a path.
fn steps(path: &str) -> Result<Vec<String>, PathError> {
    let mut keys = Vec::new();
    let mut rest = path;
    while !rest.is_empty() && keys.len() < MAX_STEPS {
        let wrong = || PathError::Syntax {
            path: path.to_owned(),
            rest: rest.to_owned(),
        };
        let (key, after) = if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            name.split_at(end)
        } else if let Some(inside) = rest.strip_prefix('[') {
            let (key, after) = inside.split_once(']').ok_or_else(wrong)?;
            (key.trim_matches(['"', '\'']), after)
        } else {
            return Err(wrong());
        };
        if key.is_empty() {
            return Err(wrong());
        }
        keys.push(key.to_owned());
        rest = after;
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let keys = |path| steps(path).map_err(|error| error.to_string());
        assert_eq!(keys(""), Ok(vec![]));
        assert_eq!(
            keys("._events.close[3]['x-y']"),
            Ok(["_events", "close", "3", "x-y"].map(str::to_owned).to_vec())
        );
        assert_eq!(
            keys(".a b[1").unwrap_err(),
            "'.a b[1' is no path of properties: expected .name, [index] or [\"name\"] at '[1'"
        );
        assert!(keys("a").is_err() && keys("..a").is_err() && keys("[]").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_or_an_error(text in ".*") {
            let _ = steps(&text);
        }
    }
}
