//! Some rows of a table, column by column.

use std::sync::Arc;

use super::schema::{Column, Kind};

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// There is none.
    Null,
    /// A whole number.
    Int(i64),
    /// A double.
    Real(f64),
    /// Text.
    Text(Arc<str>),
    /// True or false.
    Flag(bool),
}

/// The values of a column, in the order of the rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Doubles.
    Real(Vec<Option<f64>>),
    /// Texts.
    Text(Vec<Option<Arc<str>>>),
    /// True or false.
    Flag(Vec<Option<bool>>),
}

/// Some rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    columns: Vec<Cells>,
    rows: usize,
}

impl Batch {
    /// No rows, of a table with these columns.
    pub fn new(columns: &[Column]) -> Self {
        let empty = |column: &Column| match column.kind {
            Kind::Int => Cells::Int(Vec::new()),
            Kind::Real => Cells::Real(Vec::new()),
            Kind::Text => Cells::Text(Vec::new()),
            Kind::Flag => Cells::Flag(Vec::new()),
        };
        Self {
            columns: columns.iter().map(empty).collect(),
            rows: 0,
        }
    }

    /// Adds a row: a value for each column. One of another kind than its column counts as missing.
    pub fn push<const N: usize>(&mut self, row: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len());
        let mut row = row.into_iter();
        for column in &mut self.columns {
            let cell = row.next().unwrap_or(Cell::Null);
            match column {
                Cells::Int(values) => values.push(match cell {
                    Cell::Int(value) => Some(value),
                    _ => None,
                }),
                Cells::Real(values) => values.push(match cell {
                    Cell::Real(value) => Some(value),
                    _ => None,
                }),
                Cells::Text(values) => values.push(match cell {
                    Cell::Text(value) => Some(value),
                    _ => None,
                }),
                Cells::Flag(values) => values.push(match cell {
                    Cell::Flag(value) => Some(value),
                    _ => None,
                }),
            }
        }
        self.rows += 1;
    }

    /// How many rows there are.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The values of each column.
    pub fn columns(&self) -> &[Cells] {
        &self.columns
    }

    /// The value of a column in a row.
    pub fn cell(&self, column: usize, row: usize) -> Cell {
        fn at<T: Clone>(values: &[Option<T>], row: usize, cell: fn(T) -> Cell) -> Cell {
            values.get(row).cloned().flatten().map_or(Cell::Null, cell)
        }
        match self.columns.get(column) {
            Some(Cells::Int(values)) => at(values, row, Cell::Int),
            Some(Cells::Real(values)) => at(values, row, Cell::Real),
            Some(Cells::Text(values)) => at(values, row, Cell::Text),
            Some(Cells::Flag(values)) => at(values, row, Cell::Flag),
            None => Cell::Null,
        }
    }
}

/// Sizes and addresses are far below 2^63; what is not comes from a hostile file, and counts as missing.
impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Null, Self::Int)
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value.into())
    }
}

impl From<Arc<str>> for Cell {
    fn from(value: Arc<str>) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_where_they_were_put() {
        let columns = [
            Column {
                name: "number",
                kind: Kind::Int,
            },
            Column {
                name: "text",
                kind: Kind::Text,
            },
        ];
        let mut batch = Batch::new(&columns);
        batch.push([7_u64.into(), "seven".into()]);
        batch.push([u64::MAX.into(), Cell::Null]);
        // A value of the wrong kind.
        batch.push([true.into(), 1.5.into()]);
        assert_eq!(batch.rows(), 3);
        assert_eq!(batch.cell(0, 0), Cell::Int(7));
        assert_eq!(batch.cell(1, 0), Cell::Text("seven".into()));
        assert_eq!(batch.cell(0, 1), Cell::Null);
        assert_eq!(batch.cell(1, 2), Cell::Null);
        assert_eq!(batch.cell(2, 0), Cell::Null);
        assert_eq!(batch.cell(0, 3), Cell::Null);
    }
}
