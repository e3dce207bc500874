//! Which tables there are, and their columns: `spec/fleet.md` says the same to people, and a test holds one against the other.

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// One row: the capture and its figures.
    Captures,
    /// A row for each class.
    Types,
    /// A row for each object.
    Objects,
    /// A row for each reference.
    Edges,
    /// A row for each string.
    Strings,
    /// A row for each thread.
    Threads,
    /// A row for each frame of each stack.
    Frames,
}

/// What the values of a column are. Each may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number of 64 bits with a sign: engines agree on no other.
    Int,
    /// A double.
    Real,
    /// Text.
    Text,
    /// True or false.
    Flag,
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
}

const fn int(name: &'static str) -> Column {
    let kind = Kind::Int;
    Column { name, kind }
}

const fn real(name: &'static str) -> Column {
    let kind = Kind::Real;
    Column { name, kind }
}

const fn text(name: &'static str) -> Column {
    let kind = Kind::Text;
    Column { name, kind }
}

const fn flag(name: &'static str) -> Column {
    let kind = Kind::Flag;
    Column { name, kind }
}

const CAPTURES: &[Column] = &[
    int("captured_at_ms"),
    text("node_version"),
    text("v8_version"),
    text("architecture"),
    text("arguments"),
    text("mode"),
    text("redaction"),
    real("uptime_seconds"),
    int("pause_ns"),
    int("isolates"),
    int("threads"),
    int("committed_bytes"),
    int("resident_bytes"),
    int("objects"),
    int("shallow_bytes"),
    int("live_objects"),
    int("live_bytes"),
    real("coverage_ratio"),
    flag("complete"),
    text("warnings"),
];

const TYPES: &[Column] = &[
    text("class"),
    text("kind"),
    int("objects"),
    int("shallow_bytes"),
    int("live_objects"),
    int("live_bytes"),
    int("retained_bytes"),
];

const OBJECTS: &[Column] = &[
    int("address"),
    text("class"),
    text("kind"),
    text("instance_type"),
    text("space"),
    int("isolate"),
    int("shallow_bytes"),
    flag("live"),
    int("retained_bytes"),
    int("dominator"),
];

const EDGES: &[Column] = &[
    int("source"),
    int("target"),
    text("kind"),
    text("name"),
    flag("strong"),
];

const STRINGS: &[Column] = &[
    int("address"),
    int("length"),
    int("bytes"),
    text("representation"),
    flag("internalized"),
    flag("live"),
    text("text"),
    flag("cut"),
];

const THREADS: &[Column] = &[
    int("tid"),
    text("name"),
    text("kind"),
    text("state"),
    int("isolate"),
    int("frames"),
    flag("complete"),
];

const FRAMES: &[Column] = &[
    int("tid"),
    int("frame"),
    text("kind"),
    text("function"),
    text("file"),
    int("line"),
    int("col"),
    text("symbol"),
    text("module"),
    flag("inlined"),
];

/// The columns by which captures of a fleet are told apart. In a folder of Parquet they are the names of folders.
pub const PARTITION: [Column; 4] = [text("host"), text("service"), int("pid"), text("time")];

impl Table {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Captures,
        Self::Types,
        Self::Objects,
        Self::Edges,
        Self::Strings,
        Self::Threads,
        Self::Frames,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Captures => "captures",
            Self::Types => "types",
            Self::Objects => "objects",
            Self::Edges => "edges",
            Self::Strings => "strings",
            Self::Threads => "threads",
            Self::Frames => "frames",
        }
    }

    /// Its columns, [`PARTITION`] left out.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Captures => CAPTURES,
            Self::Types => TYPES,
            Self::Objects => OBJECTS,
            Self::Edges => EDGES,
            Self::Strings => STRINGS,
            Self::Threads => THREADS,
            Self::Frames => FRAMES,
        }
    }
}
