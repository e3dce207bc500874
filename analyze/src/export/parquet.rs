//! Tables as files of Apache Parquet, compressed with zstd: one file for each table, one group of rows for each batch.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};
use rayon::prelude::*;

use crate::tables::{Batch, Cells, Column, Kind, Table, Tables};

/// What zstd takes for its own default.
const LEVEL: i32 = 3;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes a table. `progress` is told from time to time how many batches are done.
///
/// As many batches as there are processors are in memory at a time, twice.
///
/// # Errors
/// As writing to `out`.
pub fn write(
    tables: &Tables<'_>,
    table: Table,
    out: impl Write + Send,
    progress: &mut dyn FnMut(usize),
) -> Result<Written> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
        .set_created_by(concat!("v8mini ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(out, schema(table)?, Arc::new(properties))?;
    let mut rows = 0;
    let numbers: Vec<usize> = (0..tables.batches(table)).collect();
    let mut done = 0;
    for some in numbers.chunks(rayon::current_num_threads().saturating_mul(2)) {
        let batches: Vec<Batch> = some
            .par_iter()
            .map(|number| tables.batch(table, *number))
            .collect();
        for batch in batches.iter().filter(|batch| batch.rows() > 0) {
            let mut group = writer.next_row_group()?;
            for cells in batch.columns() {
                let column = group.next_column()?;
                write_column(column.ok_or_else(|| too_few_columns(table))?, cells)?;
            }
            group.close()?;
            rows += batch.rows() as u64;
        }
        done += some.len();
        progress(done);
    }
    writer.finish()?;
    Ok(Written {
        rows,
        bytes: writer.bytes_written() as u64,
    })
}

fn too_few_columns(table: Table) -> ParquetError {
    ParquetError::General(format!("the table {} has too few columns", table.name()))
}

/// The schema of a table, every column optional.
fn schema(table: Table) -> Result<TypePtr> {
    let fields: Result<Vec<TypePtr>> = table.columns().iter().map(field).collect();
    let root = Type::group_type_builder(table.name()).with_fields(fields?);
    Ok(Arc::new(root.build()?))
}

fn field(column: &Column) -> Result<TypePtr> {
    let (physical, logical) = match column.kind {
        Kind::Int => (PhysicalType::INT64, None),
        Kind::Real => (PhysicalType::DOUBLE, None),
        Kind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Flag => (PhysicalType::BOOLEAN, None),
    };
    let builder = Type::primitive_type_builder(column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    Ok(Arc::new(builder.build()?))
}

fn write_column(mut column: SerializedColumnWriter<'_>, cells: &Cells) -> Result<()> {
    match cells {
        Cells::Int(values) => {
            let present: Vec<i64> = values.iter().flatten().copied().collect();
            let levels = levels(values);
            column
                .typed::<Int64Type>()
                .write_batch(&present, Some(&levels), None)?;
        }
        Cells::Real(values) => {
            let present: Vec<f64> = values.iter().flatten().copied().collect();
            let levels = levels(values);
            column
                .typed::<DoubleType>()
                .write_batch(&present, Some(&levels), None)?;
        }
        Cells::Flag(values) => {
            let present: Vec<bool> = values.iter().flatten().copied().collect();
            let levels = levels(values);
            column
                .typed::<BoolType>()
                .write_batch(&present, Some(&levels), None)?;
        }
        Cells::Text(values) => {
            let present: Vec<ByteArray> = values
                .iter()
                .flatten()
                .map(|text| ByteArray::from(text.as_bytes().to_vec()))
                .collect();
            let levels = levels(values);
            column
                .typed::<ByteArrayType>()
                .write_batch(&present, Some(&levels), None)?;
        }
    }
    column.close()
}

/// 1 for each value that there is, 0 for each that is missing.
fn levels<T>(values: &[Option<T>]) -> Vec<i16> {
    values.iter().map(|value| value.is_some().into()).collect()
}
