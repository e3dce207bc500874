//! `v8 findjsinstances`: the objects of a type, page by page.

use std::io::Write;
use std::rc::Rc;

use anyhow::bail;

use super::super::spelling::Call;
use super::Format;
use super::objects::is_of_type;
use crate::commands::Outcome;
use crate::heap::PageSelection;
use crate::v8::Address;

/// The page of a listing that was shown last.
#[derive(Debug, Default)]
pub(in crate::shell) struct Page {
    class: String,
    /// Objects of a page; 0 for all.
    limit: usize,
    /// The page, from 0.
    number: usize,
    /// All objects of the class.
    objects: Rc<Vec<Address>>,
}

impl Page {
    /// Goes to the next page if the same is asked for again, back to the first after the last.
    fn turn(&mut self) {
        let next = (self.number + 1).saturating_mul(self.limit);
        self.number = if self.limit == 0 || next >= self.objects.len() {
            0
        } else {
            self.number + 1
        };
    }
}

/// `v8 findjsinstances`
pub(super) fn run(call: &mut Call<'_>) -> anyhow::Result<Outcome> {
    let class = call.options.rest.join(" ");
    if class.is_empty() {
        bail!("a type is missing, as findjsobjects lists them: findjsinstances [flags] TYPE");
    }
    let format = Format::of(&call.options, false)?;
    let limit = call.options.number('n')?.unwrap_or(0);
    let session = call.session();
    let page = &mut call.shell.page;
    if page.class == class && page.limit == limit && !page.objects.is_empty() {
        page.turn();
    } else {
        let found = session.instances_of(PageSelection::default(), |shape| {
            is_of_type(&session.objects, shape, &class)
        });
        *page = Page {
            class: class.clone(),
            limit,
            number: 0,
            objects: Rc::new(found),
        };
    }
    let all = Rc::clone(&page.objects);
    if all.is_empty() {
        writeln!(call.output, "No objects found with type name {class}")?;
        return Ok(Outcome::NothingFound);
    }
    let first = page.number.saturating_mul(limit);
    let last = match limit {
        0 => all.len(),
        _ => first.saturating_add(limit).min(all.len()),
    };
    for object in all.get(first..last).unwrap_or_default() {
        writeln!(call.output, "{}", format.object(&session.objects, *object))?;
    }
    if last < all.len() {
        writeln!(call.output, "..........")?;
    }
    writeln!(
        call.output,
        "(Showing {} to {last} of {} instances)",
        first + 1,
        all.len()
    )?;
    Ok(session.outcome_without_walk())
}
