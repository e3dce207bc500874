//! The classes, and of a class that was entered its objects: as `v8mini histogram` and `v8mini instances` answer.

use std::ffi::OsString;

use serde::Deserialize;

use super::answers::Answers;
use super::list::Cursor;

/// Objects of a class that are listed.
const INSTANCES: &str = "1000";

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ClassRow {
    pub(super) name: String,
    pub(super) count: u64,
    pub(super) shallow_bytes: u64,
    #[serde(default)]
    pub(super) retained_bytes: u64,
    #[serde(default)]
    example: Option<String>,
}

#[derive(Deserialize)]
struct Histogram {
    rows: Vec<ClassRow>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Instance {
    pub(super) address: String,
    #[serde(default)]
    pub(super) retained_bytes: u64,
    pub(super) summary: String,
}

#[derive(Deserialize)]
struct Instances {
    count: u64,
    instances: Vec<Instance>,
}

/// The objects of a class.
pub(super) struct Entered {
    pub(super) class: String,
    pub(super) count: u64,
    pub(super) instances: Vec<Instance>,
    /// Where the cursor was among the classes, and what filtered them.
    before: (Cursor, String),
}

/// By what classes are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Retained,
    Shallow,
    Count,
    Name,
}

/// The classes or the objects of one.
pub(super) struct ClassesPane {
    rows: Vec<ClassRow>,
    pub(super) order: Order,
    pub(super) entered: Option<Entered>,
    shown: Vec<usize>,
    pub(super) filter: String,
    pub(super) cursor: Cursor,
}

impl ClassesPane {
    /// All classes.
    ///
    /// # Errors
    /// As `v8mini histogram`.
    pub(super) fn new(answers: &Answers<'_>) -> anyhow::Result<Self> {
        let options = ["--retained", "--limit", "0"].map(OsString::from);
        let histogram: Histogram = answers.json("histogram", &options, None)?;
        let mut pane = Self {
            rows: histogram.rows,
            order: Order::Retained,
            entered: None,
            shown: Vec::new(),
            filter: String::new(),
            cursor: Cursor::default(),
        };
        pane.sort();
        Ok(pane)
    }

    /// How many rows there are to show.
    pub(super) fn len(&self) -> usize {
        self.shown.len()
    }

    /// A class to show, unless one was entered.
    pub(super) fn class(&self, index: usize) -> Option<&ClassRow> {
        self.rows.get(*self.shown.get(index)?)
    }

    /// An object to show, of the class that was entered.
    pub(super) fn instance(&self, index: usize) -> Option<&Instance> {
        let entered = self.entered.as_ref()?;
        entered.instances.get(*self.shown.get(index)?)
    }

    /// The address of the chosen object, or of one of the chosen class.
    pub(super) fn address(&self) -> Option<String> {
        match &self.entered {
            Some(_) => Some(self.instance(self.cursor.at)?.address.clone()),
            None => self.class(self.cursor.at)?.example.clone(),
        }
    }

    /// Enters the chosen class.
    ///
    /// # Errors
    /// As `v8mini instances`.
    pub(super) fn enter(&mut self, answers: &Answers<'_>) -> anyhow::Result<()> {
        if self.entered.is_some() {
            return Ok(());
        }
        let Some(class) = self.class(self.cursor.at) else {
            return Ok(());
        };
        let options = ["--sort", "retained", "--limit", INSTANCES].map(OsString::from);
        let name = class.name.clone();
        let found: Instances = answers.json("instances", &options, Some(&name))?;
        self.entered = Some(Entered {
            class: name,
            count: found.count,
            instances: found.instances,
            before: (self.cursor, std::mem::take(&mut self.filter)),
        });
        self.cursor = Cursor::default();
        self.apply_filter();
        Ok(())
    }

    /// Goes back to the classes.
    pub(super) fn leave(&mut self) {
        if let Some(entered) = self.entered.take() {
            (self.cursor, self.filter) = entered.before;
            let at = self.cursor.at;
            self.apply_filter();
            self.cursor.at = at;
        }
    }

    /// Sorts by the next key.
    pub(super) fn sort_otherwise(&mut self) {
        if self.entered.is_none() {
            self.order = match self.order {
                Order::Retained => Order::Shallow,
                Order::Shallow => Order::Count,
                Order::Count => Order::Name,
                Order::Name => Order::Retained,
            };
            self.sort();
            self.cursor = Cursor::default();
        }
    }

    fn sort(&mut self) {
        let order = self.order;
        self.rows.sort_by(|a, b| {
            let key = |row: &ClassRow| match order {
                Order::Retained => row.retained_bytes,
                Order::Shallow => row.shallow_bytes,
                Order::Count => row.count,
                Order::Name => 0,
            };
            key(b).cmp(&key(a)).then_with(|| a.name.cmp(&b.name))
        });
        self.apply_filter();
    }

    /// Shows the rows that have the filter in them.
    pub(super) fn apply_filter(&mut self) {
        let wanted = self.filter.to_lowercase();
        let matches = |text: &str| wanted.is_empty() || text.to_lowercase().contains(&wanted);
        let texts: Vec<&str> = match &self.entered {
            Some(entered) => (entered.instances.iter())
                .map(|instance| instance.summary.as_str())
                .collect(),
            None => self.rows.iter().map(|row| row.name.as_str()).collect(),
        };
        self.shown = (0..)
            .zip(texts)
            .filter(|(_, text)| matches(text))
            .map(|(place, _)| place)
            .collect();
        self.cursor.at = self.cursor.at.min(self.shown.len().saturating_sub(1));
    }
}

impl Order {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Retained => "retained",
            Self::Shallow => "shallow",
            Self::Count => "count",
            Self::Name => "name",
        }
    }
}
