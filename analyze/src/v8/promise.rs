//! Promises.

use super::{Address, ObjectError, Objects, Tagged};
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
            reactions: if pending {
                self.reactions(word)
            } else {
                Vec::new()
            },
        })
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
