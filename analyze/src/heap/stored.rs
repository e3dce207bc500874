//! Counts and functions as columns of a cache.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use v8mini_format::model::Space;

use super::{
    Count, Coverage, Definition, DefinitionBytes, Functions, GapStart, Gaps, SpaceCoverage, Tally,
};
use crate::cache::{Coding, Reader, Stored, Writer};
use crate::v8::{Address, Tier};

/// All spaces, by their numbers in a cache.
const SPACES: [Space; 14] = [
    Space::Unknown,
    Space::ReadOnly,
    Space::New,
    Space::NewFrom,
    Space::Old,
    Space::Code,
    Space::Map,
    Space::LargeObject,
    Space::NewLargeObject,
    Space::CodeLargeObject,
    Space::Trusted,
    Space::TrustedLargeObject,
    Space::Shared,
    Space::SharedLargeObject,
];
/// All tiers, by their numbers in a cache.
const TIERS: [Tier; 7] = [
    Tier::Builtin,
    Tier::Lazy,
    Tier::Interpreted,
    Tier::FullCodegen,
    Tier::Baseline,
    Tier::Maglev,
    Tier::Turbofan,
];
/// No address: the first page is never mapped.
const NO_ADDRESS: u64 = 0;
/// A gap that begins with no map; instance types have 16 bits.
const NO_MAP: u64 = 1 << 16;

/// Records of so many numbers each, as columns.
struct Table<const COLUMNS: usize>(Vec<[u64; COLUMNS]>);

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// Sorted, so that equal contents make equal files.
    fn sorted(rows: impl Iterator<Item = [u64; COLUMNS]>) -> Self {
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable();
        Self(rows)
    }

    fn write(&self, to: &mut Writer) {
        for column in 0..COLUMNS {
            let numbers: Vec<u64> = self
                .0
                .iter()
                .filter_map(|row| row.get(column).copied())
                .collect();
            to.wide(&numbers, Coding::Delta);
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let mut rows: Vec<[u64; COLUMNS]> = Vec::new();
        for column in 0..COLUMNS {
            let numbers = from.wide()?;
            if column == 0 {
                rows = vec![[0; COLUMNS]; numbers.len()];
            } else if rows.len() != numbers.len() {
                return None;
            }
            for (row, number) in rows.iter_mut().zip(numbers) {
                *row.get_mut(column)? = number;
            }
        }
        Some(Self(rows))
    }
}

fn number_of<T: PartialEq>(all: &[T], one: &T) -> u64 {
    all.iter().position(|other| other == one).unwrap_or(0) as u64
}

fn of_number<T: Copy>(all: &[T], number: u64) -> Option<T> {
    all.get(usize::try_from(number).ok()?).copied()
}

fn optional(address: u64) -> Option<Address> {
    (address != NO_ADDRESS).then_some(Address(address))
}

fn plain(address: Option<Address>) -> u64 {
    address.map_or(NO_ADDRESS, |address| address.0)
}

fn addresses(list: impl Iterator<Item = Address>) -> Vec<u64> {
    list.map(|address| address.0).collect()
}

fn read_addresses<C: FromIterator<Address>>(from: &mut Reader<'_>) -> Option<C> {
    Some(from.wide()?.into_iter().map(Address).collect())
}

/// Writes how much of the heap was walked.
pub(crate) fn write_coverage(coverage: &Coverage, to: &mut Writer) {
    let rows = coverage.spaces.iter().map(|(space, found)| {
        [
            number_of(&SPACES, space),
            found.pages,
            found.committed,
            found.objects,
            found.free,
            found.unallocated,
            found.idle,
            found.overhead,
            found.unknown,
            found.missing,
            found.gaps,
        ]
    });
    Table::sorted(rows).write(to);
}

/// Reads what [`write_coverage`] wrote.
pub(crate) fn read_coverage(from: &mut Reader<'_>) -> Option<Coverage> {
    let mut coverage = Coverage::default();
    for row in Table::read(from)?.0 {
        let [
            space,
            pages,
            committed,
            objects,
            free,
            unallocated,
            idle,
            overhead,
            unknown,
            missing,
            gaps,
        ] = row;
        coverage.spaces.insert(
            of_number(&SPACES, space)?,
            SpaceCoverage {
                pages,
                committed,
                objects,
                free,
                unallocated,
                idle,
                overhead,
                unknown,
                missing,
                gaps,
            },
        );
    }
    Some(coverage)
}

fn write_counts(counts: &FxHashMap<(Address, Space), Count>, to: &mut Writer) {
    let rows = counts.iter().map(|((map, space), count)| {
        [
            map.0,
            number_of(&SPACES, space),
            count.count,
            count.bytes,
            plain(count.ends.map(|(first, _)| first)),
            plain(count.ends.map(|(_, last)| last)),
        ]
    });
    Table::sorted(rows).write(to);
}

fn read_counts(from: &mut Reader<'_>) -> Option<FxHashMap<(Address, Space), Count>> {
    let rows = Table::read(from)?.0.into_iter();
    rows.map(|[map, space, count, bytes, first, last]| {
        let count = Count {
            count,
            bytes,
            ends: optional(first).zip(optional(last)),
        };
        Some(((Address(map), of_number(&SPACES, space)?), count))
    })
    .collect()
}

impl Stored for Tally {
    const KIND: u32 = 1;
    type Context = ();

    fn write(&self, to: &mut Writer) {
        write_counts(&self.by_map, to);
        write_counts(&self.boilerplates, to);
        let mut boilerplates = addresses(self.boilerplate_addresses.iter().copied());
        boilerplates.sort_unstable();
        to.wide(&boilerplates, Coding::Delta);
        to.wide(&addresses(self.oddballs.iter().copied()), Coding::Delta);
        write_coverage(&self.coverage, to);
        let gaps = self.gaps.iter().map(|((space, start), gaps)| {
            let start = match start {
                GapStart::Object(instance_type) => u64::from(*instance_type),
                GapStart::NoMap => NO_MAP,
            };
            let (largest, largest_bytes) = gaps.largest;
            [
                number_of(&SPACES, space),
                start,
                gaps.places,
                gaps.bytes,
                largest,
                largest_bytes,
            ]
        });
        Table::sorted(gaps).write(to);
    }

    fn read(from: &mut Reader<'_>, (): ()) -> Option<Self> {
        let by_map = read_counts(from)?;
        let boilerplates = read_counts(from)?;
        let boilerplate_addresses = read_addresses(from)?;
        let oddballs = read_addresses(from)?;
        let coverage = read_coverage(from)?;
        let mut gaps = BTreeMap::new();
        for [space, start, places, bytes, largest, largest_bytes] in Table::read(from)?.0 {
            let start = match u16::try_from(start) {
                Ok(instance_type) => GapStart::Object(instance_type),
                Err(_) => GapStart::NoMap,
            };
            let found = Gaps {
                places,
                bytes,
                largest: (largest, largest_bytes),
            };
            gaps.insert((of_number(&SPACES, space)?, start), found);
        }
        Some(Self {
            by_map,
            boilerplates,
            boilerplate_addresses,
            oddballs,
            coverage,
            gaps,
        })
    }
}

impl Stored for Functions {
    const KIND: u32 = 2;
    type Context = ();

    fn write(&self, to: &mut Writer) {
        let rows = self.definitions.iter().map(|found| {
            let DefinitionBytes {
                shared,
                closures,
                bytecode,
                feedback,
                machine_code,
            } = found.bytes;
            [
                found.shared.0,
                plain(found.script),
                number_of(&TIERS, &found.tier),
                found.closures,
                plain(found.example),
                shared,
                closures,
                bytecode,
                feedback,
                machine_code,
            ]
        });
        Table(rows.collect()).write(to);
        let running = (0..).zip(&self.definitions).flat_map(|(number, found)| {
            let running = found.running.iter();
            running.map(move |(tier, count)| [number, number_of(&TIERS, tier), *count])
        });
        Table(running.collect()).write(to);
        to.wide(&addresses(self.scripts.iter().copied()), Coding::Delta);
        write_coverage(&self.coverage, to);
    }

    fn read(from: &mut Reader<'_>, (): ()) -> Option<Self> {
        let rows = Table::read(from)?.0.into_iter();
        let definitions = rows.map(
            |[
                function,
                script,
                tier,
                count,
                example,
                shared,
                closures,
                bytecode,
                feedback,
                machine_code,
            ]| {
                Some(Definition {
                    shared: Address(function),
                    script: optional(script),
                    tier: of_number(&TIERS, tier)?,
                    closures: count,
                    example: optional(example),
                    running: BTreeMap::new(),
                    bytes: DefinitionBytes {
                        shared,
                        closures,
                        bytecode,
                        feedback,
                        machine_code,
                    },
                })
            },
        );
        let mut definitions: Vec<Definition> = definitions.collect::<Option<_>>()?;
        for [number, tier, count] in Table::read(from)?.0 {
            let definition = definitions.get_mut(usize::try_from(number).ok()?)?;
            definition.running.insert(of_number(&TIERS, tier)?, count);
        }
        Some(Self {
            definitions,
            scripts: read_addresses(from)?,
            coverage: read_coverage(from)?,
        })
    }
}
