//! llnode's commands, with its options and its columns, so that notes and scripts written for it stay true.

mod contents;
mod format;
mod handles;
mod instances;
mod objects;
mod print;
mod refs;
mod session;
mod stack;

use anyhow::bail;

use super::options::Flag;
use super::parse::Word;
use super::spelling::{self, Spelling, Takes, exact};

pub(super) use format::Format;
use format::name_text;
pub(super) use instances::Page;

/// Options of `v8 inspect`, which `findjsinstances` takes too.
const INSPECT: &[Flag] = &[
    Flag {
        short: 'F',
        long: &["full-string"],
        has_value: false,
    },
    Flag {
        short: 'l',
        long: &["length", "string-length", "array-length"],
        has_value: true,
    },
    Flag {
        short: 'm',
        long: &["print-map"],
        has_value: false,
    },
    Flag {
        short: 's',
        long: &["print-source"],
        has_value: false,
    },
    Flag {
        short: 'v',
        long: &["verbose"],
        has_value: false,
    },
    Flag {
        short: 'd',
        long: &["detailed"],
        has_value: false,
    },
    Flag {
        short: 'n',
        long: &["output-limit"],
        has_value: true,
    },
];

/// All commands, by their name after `v8`. Names of more than one word have a space in them.
pub(super) const COMMANDS: &[Spelling] = &[
    Spelling {
        name: "findjsobjects",
        aliases: &[],
        usage: "[-d]",
        about: "Lists all types of objects with their counts and sizes, the most frequent last. With -d (--detailed, -v, \
                --verbose) by type and properties, with a sample object",
        flags: INSPECT,
        takes: Takes::Nothing,
        lists: true,
        run: objects::run,
    },
    Spelling {
        name: "findjsinstances",
        aliases: &[],
        usage: "[-d] [-n NUM] [options of v8 inspect] TYPE",
        about: "Lists the objects of a type. -n (--output-limit) shows so many, and the next so many if the command is \
                repeated, by Enter too; 0 for all. -d (-v) opens each object as `v8 inspect` does",
        flags: INSPECT,
        takes: Takes::Nothing,
        lists: true,
        run: instances::run,
    },
    Spelling {
        name: "inspect",
        aliases: &["i", "jsprint"],
        usage: "[-F] [-l NUM] [-m] [-s] ADDRESS",
        about: "Shows what is in an object. -F (--full-string) whole strings; -l (--length, --string-length, \
                --array-length) so many characters and elements; -m (--print-map) the address of the map; -s \
                (--print-source) the source of a function",
        flags: INSPECT,
        takes: Takes::Object,
        lists: false,
        run: print::inspect,
    },
    Spelling {
        name: "print",
        aliases: &["p"],
        usage: "ADDRESS",
        about: "Shows an object in one line",
        flags: INSPECT,
        takes: Takes::Object,
        lists: false,
        run: print::print,
    },
    Spelling {
        name: "findrefs",
        aliases: &[],
        usage: "[-v] ADDRESS | -n NAME | -s TEXT [-r]",
        about: "Lists who refers to an object (-v, --value), which objects have a property of a name (-n, --name), or who \
                refers to strings of a text (-s, --string). -r (--recursive) goes on with who refers to those, as a tree",
        flags: refs::FLAGS,
        takes: Takes::Object,
        lists: true,
        run: refs::run,
    },
    Spelling {
        name: "nodeinfo",
        aliases: &[],
        usage: "",
        about: "Shows what the process object says: pid, platform, versions, release, command line",
        flags: &[],
        takes: Takes::Nothing,
        lists: false,
        run: session::nodeinfo,
    },
    Spelling {
        name: "getactivehandles",
        aliases: &[],
        usage: "",
        about: "Opens all handles of libuv that are in use, as process._getActiveHandles() would list them",
        flags: &[],
        takes: Takes::Nothing,
        lists: true,
        run: handles::handles,
    },
    Spelling {
        name: "getactiverequests",
        aliases: &[],
        usage: "",
        about: "Opens all requests that are under way, as process._getActiveRequests() would list them",
        flags: &[],
        takes: Takes::Nothing,
        lists: true,
        run: handles::requests,
    },
    Spelling {
        name: "bt",
        aliases: &["jsstack"],
        usage: "[FRAMES]",
        about: "Shows the stack of the selected thread, JavaScript frames with their arguments. FRAMES shows so many",
        flags: &[],
        takes: Takes::Nothing,
        lists: false,
        run: stack::bt,
    },
    Spelling {
        name: "source list",
        aliases: &["jssource"],
        usage: "[-l LINE]",
        about: "Shows four lines of the source of the selected frame, and the next four if it is repeated. -l from a line on",
        flags: stack::SOURCE,
        takes: Takes::Nothing,
        lists: false,
        run: stack::source_list,
    },
    Spelling {
        name: "frame select",
        aliases: &["f"],
        usage: "FRAME",
        about: "Selects a frame of the stack, by its number in `v8 bt`",
        flags: &[],
        takes: Takes::Nothing,
        lists: false,
        run: stack::frame_select,
    },
    Spelling {
        name: "thread list",
        aliases: &[],
        usage: "",
        about: "Lists the threads",
        flags: &[],
        takes: Takes::Nothing,
        lists: false,
        run: stack::thread_list,
    },
    Spelling {
        name: "thread select",
        aliases: &["t"],
        usage: "THREAD",
        about: "Selects a thread, by its number in `thread list`",
        flags: &[],
        takes: Takes::Nothing,
        lists: false,
        run: stack::thread_select,
    },
    Spelling {
        name: "settings set color",
        aliases: &[],
        usage: "auto|always|never",
        about: "Sets when to colour",
        flags: &[],
        takes: Takes::Nothing,
        lists: false,
        run: session::set_color,
    },
    Spelling {
        name: "settings set tree-padding",
        aliases: &[],
        usage: "1..10",
        about: "Sets by how many columns a level of `findrefs -r` is indented",
        flags: &[],
        takes: Takes::Nothing,
        lists: false,
        run: session::set_tree_padding,
    },
];

/// The command that words after `v8` name, and how many of them its name takes.
///
/// # Errors
/// If there is none, or more than one may be meant.
pub(super) fn find(words: &[Word]) -> anyhow::Result<(&'static Spelling, usize)> {
    for length in (2..=3).rev() {
        let name = words.get(..length).map(joined);
        if let Some(found) = name.and_then(|name| exact(COMMANDS, &name)) {
            return Ok((found, length));
        }
    }
    let Some(name) = words.first() else {
        bail!("v8 needs a command: help lists all");
    };
    match spelling::find(COMMANDS, &name.text)? {
        Some(found) if !found.name.contains(' ') => Ok((found, 1)),
        Some(found) => bail!(
            "v8 {} is not complete: v8 {} {}",
            name.text,
            found.name,
            found.usage
        ),
        None => bail!("there is no command 'v8 {}'; help lists all", name.text),
    }
}

/// The same without `v8` before it: only whole names.
pub(super) fn find_without_prefix(words: &[Word]) -> Option<(&'static Spelling, usize)> {
    (1..=3).rev().find_map(|length| {
        let name = words.get(..length).map(joined)?;
        Some((exact(COMMANDS, &name)?, length))
    })
}

fn joined(words: &[Word]) -> String {
    let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    words.join(" ")
}
