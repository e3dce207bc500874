//! Promises.

use super::{Address, FixedArray, Name, ObjectError, Objects, PropertyValue, Tagged};
use crate::layout::Field;

/// Most reactions that are followed.
const MAX_REACTIONS: usize = 1 << 12;

/// How far a promise has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PromiseState {
    /// Not settled.
    Pending,
    /// Settled with a value.
    Fulfilled,
    /// Settled with a reason.
    Rejected,
}

/// A promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromiseValue {
    /// How far it has got.
    pub state: PromiseState,
    /// Value or reason; `None` while it is pending.
    pub result: Option<Tagged>,
    /// Whether anybody waits, or has waited, for it.
    pub has_handler: Option<bool>,
    /// What waits for it, in the order in which it was registered.
    pub reactions: Vec<Reaction>,
}

/// Something that waits for a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaction {
    /// What is called on fulfilment: a function, or undefined.
    pub on_fulfilled: Tagged,
    /// What is called on rejection: a function, or undefined.
    pub on_rejected: Tagged,
    /// The promise that the reaction settles, a capability, or undefined for `await`.
    pub promise: Tagged,
}

impl Objects {
    /// The promise at `address`.
    ///
    /// # Errors
    /// [`ObjectError::Implausible`] if its state is none of the three; other errors if it cannot be read.
    pub fn read_promise(&self, address: Address) -> Result<PromiseValue, ObjectError> {
        if self.promises_are_plain_objects() {
            return self.read_plain_promise(address);
        }
        let state = match self.field(address, Field::PromiseStatus)? {
            0 => PromiseState::Pending,
            1 => PromiseState::Fulfilled,
            2 => PromiseState::Rejected,
            value => {
                return Err(ObjectError::Implausible {
                    address,
                    what: "state",
                    value,
                    why: "a promise is pending (0), fulfilled (1) or rejected (2)",
                });
            }
        };
        let word = self.tagged_field(address, Field::PromiseReactionsOrResult)?;
        let pending = state == PromiseState::Pending;
        Ok(PromiseValue {
            state,
            result: (!pending).then_some(word),
            has_handler: self
                .field(address, Field::PromiseHasHandler)
                .ok()
                .map(|bit| bit != 0),
            reactions: match pending {
                true if self.keeps_reactions_itself() => self.own_reactions(address),
                true => self.reactions(word),
                false => Vec::new(),
            },
        })
    }

    /// Whether promises are written in JavaScript and keep their state under private symbols, as up to V8 5.7.
    pub(super) fn promises_are_plain_objects(&self) -> bool {
        self.layout().place(Field::PromiseStatus).is_err()
    }

    fn read_plain_promise(&self, address: Address) -> Result<PromiseValue, ObjectError> {
        const STATUS: [&str; 3] = [
            "Promise#status",
            "promise_status_symbol",
            "promise_state_symbol",
        ];
        const RESULT: [&str; 3] = [
            "Promise#value",
            "promise_value_symbol",
            "promise_result_symbol",
        ];
        const HAS_HANDLER: &str = "promise_has_handler_symbol";
        let (mut status, mut result, mut has_handler) = (None, None, false);
        for property in self.properties(address)?.list {
            let PropertyValue::Tagged(value) = property.value else {
                continue;
            };
            let Ok(Name::Symbol(symbol)) = self.read_name(property.key) else {
                continue;
            };
            let name = symbol
                .description
                .map_or_else(String::new, |name| name.to_text());
            if STATUS.contains(&name.as_str()) {
                status = value.smi();
            } else if RESULT.contains(&name.as_str()) {
                result = Some(value);
            } else if name == HAS_HANDLER {
                has_handler = true;
            }
        }
        let state = match status {
            Some(0) => PromiseState::Pending,
            Some(1) => PromiseState::Fulfilled,
            Some(-1) => PromiseState::Rejected,
            other => {
                return Err(ObjectError::Implausible {
                    address,
                    what: "state",
                    value: other.map_or(0, |state| state as u64),
                    why: "a promise is pending (0), fulfilled (1) or rejected (-1)",
                });
            }
        };
        Ok(PromiseValue {
            state,
            result: result.filter(|_| state != PromiseState::Pending),
            has_handler: Some(has_handler),
            reactions: Vec::new(),
        })
    }

    /// Whether a promise has no list of reactions, but what to call in fields of its own, as from V8 5.8 to 6.5.
    fn keeps_reactions_itself(&self) -> bool {
        let has = |field| self.layout().place(field).is_ok();
        has(Field::PromiseFulfillReactions) && !has(Field::ReactionNext)
    }

    /// What waits for a promise that has what to call in fields of its own: one of each, or arrays.
    fn own_reactions(&self, promise: Address) -> Vec<Reaction> {
        let (Ok(on_fulfilled), Ok(on_rejected), Ok(settled)) = (
            self.tagged_field(promise, Field::PromiseFulfillReactions),
            self.tagged_field(promise, Field::PromiseRejectReactions),
            self.tagged_field(promise, Field::PromiseDeferredPromise),
        ) else {
            return Vec::new();
        };
        let array = |word: Tagged| {
            let found = word.strong()?;
            self.has_type(found, "FIXED_ARRAY_TYPE")
                .then(|| FixedArray::read(self, found).ok())?
        };
        let (Some(fulfilled), Some(rejected)) = (array(on_fulfilled), array(on_rejected)) else {
            let reaction = Reaction {
                on_fulfilled,
                on_rejected,
                promise: settled,
            };
            return match self.is_undefined(on_fulfilled) && self.is_undefined(on_rejected) {
                true => Vec::new(),
                false => vec![reaction],
            };
        };
        let promises = array(settled);
        let count = fulfilled.length.min(MAX_REACTIONS as u64);
        let reactions = (0..count).map_while(|index| {
            let promise = promises
                .as_ref()
                .map_or(Some(settled), |promises| promises.get(self, index).ok());
            Some(Reaction {
                on_fulfilled: fulfilled.get(self, index).ok()?,
                on_rejected: rejected.get(self, index).ok()?,
                promise: promise?,
            })
        });
        reactions
            .filter(|reaction| !self.is_undefined(reaction.on_fulfilled))
            .collect()
    }

    /// The list of reactions, which V8 builds back to front; what cannot be read ends it.
    fn reactions(&self, first: Tagged) -> Vec<Reaction> {
        let mut reactions = Vec::new();
        let mut next = first;
        while let Some(reaction) = next.strong()
            && self.has_type(reaction, "PROMISE_REACTION_TYPE")
            && reactions.len() < MAX_REACTIONS
        {
            let read = |field| self.tagged_field(reaction, field);
            let (Ok(on_fulfilled), Ok(on_rejected), Ok(promise), Ok(after)) = (
                read(Field::ReactionFulfillHandler),
                read(Field::ReactionRejectHandler),
                read(Field::ReactionPromise),
                read(Field::ReactionNext),
            ) else {
                break;
            };
            reactions.push(Reaction {
                on_fulfilled,
                on_rejected,
                promise,
            });
            next = after;
        }
        reactions.reverse();
        reactions
    }
}
