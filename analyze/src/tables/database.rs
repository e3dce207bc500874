//! The tables in an SQLite database of their own, for one query: only the tables that the query reads are filled.
//!
//! Virtual tables would need none of that, but SQLite makes no index for them when it joins, and every join of objects and
//! references would take time with the square of the heap.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Statement, ToSql};
use tempfile::NamedTempFile;
use thiserror::Error;

use super::{Cell, Kind, PARTITION, Partition, Table, Tables};

/// What stands before the name of a table that holds rows: the table itself is a view, which adds the partition.
const ROWS: &str = "rows_of_";
/// Bytes that SQLite may keep in memory, in its unit of minus KiB; the rest is in the file.
const CACHE: &str = "-131072";

/// Why a query was not answered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// SQLite did not take it.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// There was no room for the tables.
    #[error("cannot make a temporary file for the tables")]
    File(#[from] std::io::Error),
    /// It is wrong.
    #[error("{0}; v8mini sql FILE, without a query, names the tables and their columns")]
    Wrong(String),
    /// It is no question.
    #[error("only what reads the tables is answered: SELECT … FROM objects")]
    Writes,
}

/// A value of an answer.
pub type Answer = Value;

/// A database, and the tables that can be asked.
pub struct Database<'a> {
    connection: Connection,
    tables: &'a Tables<'a>,
    /// The database lies here until this is dropped.
    _file: NamedTempFile,
}

impl<'a> Database<'a> {
    /// A database without rows.
    ///
    /// # Errors
    /// If there can be no temporary file.
    pub fn new(tables: &'a Tables<'a>, partition: &Partition) -> Result<Self, QueryError> {
        let file = NamedTempFile::new()?;
        let connection = Connection::open(file.path())?;
        for (name, value) in [
            ("journal_mode", "OFF"),
            ("synchronous", "OFF"),
            ("locking_mode", "EXCLUSIVE"),
            ("cache_size", CACHE),
        ] {
            connection.pragma_update(None, name, value)?;
        }
        let database = Self {
            connection,
            tables,
            _file: file,
        };
        for table in Table::ALL {
            database.create(table, partition)?;
        }
        // As in other engines, where it takes a number.
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        database
            .connection
            .create_scalar_function("hex", 1, flags, |context| {
                Ok(match context.get_raw(0) {
                    ValueRef::Null => None,
                    ValueRef::Integer(number) => Some(format!("{number:X}")),
                    other => Some(
                        other
                            .as_bytes()
                            .unwrap_or_default()
                            .iter()
                            .fold(String::new(), |text, byte| text + &format!("{byte:02X}")),
                    ),
                })
            })?;
        Ok(database)
    }

    fn create(&self, table: Table, partition: &Partition) -> Result<(), QueryError> {
        let name = table.name();
        let columns: Vec<String> = table
            .columns()
            .iter()
            .map(|column| {
                let kind = match column.kind {
                    Kind::Int | Kind::Flag => "INTEGER",
                    Kind::Real => "REAL",
                    Kind::Text => "TEXT",
                };
                format!("\"{}\" {kind}", column.name)
            })
            .collect();
        let [host, service, pid, time] = [
            quoted(&partition.host),
            quoted(&partition.service),
            partition.pid.to_string(),
            quoted(&partition.time),
        ];
        let values = PARTITION
            .iter()
            .zip([host, service, pid, time])
            .map(|(column, value)| format!("{value} AS \"{}\"", column.name));
        self.connection.execute_batch(&format!(
            "CREATE TABLE {ROWS}{name} ({}); CREATE VIEW {name} AS SELECT *, {} FROM {ROWS}{name};",
            columns.join(", "),
            values.collect::<Vec<_>>().join(", ")
        ))?;
        Ok(())
    }

    /// Prepares a query. The tables that it reads are filled first; `progress` is told which.
    ///
    /// # Errors
    /// If it is no SELECT, or wrong.
    pub fn prepare(
        &mut self,
        query: &str,
        progress: &mut dyn FnMut(Table),
    ) -> Result<Statement<'_>, QueryError> {
        let read: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let seen = Arc::clone(&read);
        self.connection
            .authorizer(Some(move |context: AuthContext<'_>| {
                authorize(&context, &seen)
            }))?;
        match self.connection.prepare(query) {
            Ok(statement) if statement.readonly() => {}
            Ok(_) => return Err(QueryError::Writes),
            Err(error) => return Err(refusal(error)),
        }
        let names = std::mem::take(&mut *read.lock().unwrap_or_else(PoisonError::into_inner));
        // Nobody but this program writes, and not while it is asked.
        self.connection
            .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
        for table in Table::ALL {
            if names.contains(&format!("{ROWS}{}", table.name())) {
                progress(table);
                self.fill(table)?;
            }
        }
        self.connection
            .authorizer(Some(move |context: AuthContext<'_>| {
                authorize(&context, &read)
            }))?;
        Ok(self.connection.prepare(query)?)
    }

    fn fill(&mut self, table: Table) -> Result<(), QueryError> {
        let transaction = self.connection.transaction()?;
        {
            let places = vec!["?"; table.columns().len()].join(", ");
            let name = table.name();
            let mut insert =
                transaction.prepare(&format!("INSERT INTO {ROWS}{name} VALUES ({places})"))?;
            for number in 0..self.tables.batches(table) {
                let batch = self.tables.batch(table, number);
                for row in 0..batch.rows() {
                    let cells = (0..table.columns().len()).map(|column| batch.cell(column, row));
                    insert.execute(rusqlite::params_from_iter(cells))?;
                }
            }
        }
        Ok(transaction.commit()?)
    }
}

/// Allows what only reads, and remembers from which tables.
fn authorize(context: &AuthContext<'_>, read: &Mutex<BTreeSet<String>>) -> Authorization {
    match &context.action {
        AuthAction::Read { table_name, .. } => {
            let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
            read.insert((*table_name).to_owned());
            Authorization::Allow
        }
        AuthAction::Select | AuthAction::Recursive | AuthAction::Function { .. } => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

/// What SQLite has against a query.
fn refusal(error: rusqlite::Error) -> QueryError {
    let message = match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        other => return other.into(),
    };
    if message.starts_with("cannot modify") || message == "not authorized" {
        QueryError::Writes
    } else {
        QueryError::Wrong(message)
    }
}

/// A text as a literal of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Flag(value) => ValueRef::Integer((*value).into()),
        }))
    }
}
