//! What a tenant's file looks like inside, and the operations on it. Whoever calls decides when it becomes lasting.

use super::{Answer, Job, MAX_KEYS, Operation, StoreError};
use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};
use std::{collections::BTreeMap, ops::Bound};

/// By store and key.
const ENTRIES: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("entries");
/// Bytes of all entries together, under [`TOTAL`].
const TOTALS: TableDefinition<'_, &str, u64> = TableDefinition::new("totals");
const TOTAL: &str = "bytes";
/// What an entry counts for beside its key and its value.
const OVERHEAD: u64 = 64;

/// Why an operation did not come to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// That is its result, and the file is well.
    Answer(StoreError),
    /// Something is wrong with the file.
    File(redb::Error),
}

/// The tables while something is written.
pub(super) struct Writing<'a> {
    entries: Table<'a, (&'static str, &'static str), &'static [u8]>,
    totals: Table<'a, &'static str, u64>,
}

/// Makes the tables, where they are not there.
pub(super) fn prepare(writing: &WriteTransaction) -> Result<(), redb::Error> {
    Writing::begin(writing).map(drop)
}

/// Does what changes nothing.
pub(super) fn read(reading: &ReadTransaction, job: &Job) -> Result<Answer, Trouble> {
    answer(&reading.open_table(ENTRIES)?, job)
}

fn answer(
    entries: &impl ReadableTable<(&'static str, &'static str), &'static [u8]>,
    job: &Job,
) -> Result<Answer, Trouble> {
    let store = job.store.as_str();
    match &job.operation {
        Operation::Get(keys) => {
            let (mut values, mut left) = (Vec::with_capacity(keys.len()), job.answer_max);
            for key in keys {
                let Some(value) = entries.get((store, key.as_str()))? else {
                    values.push(None);
                    continue;
                };
                let value = value.value();
                left = left.checked_sub(value.len()).ok_or(StoreError::TooMuch(job.answer_max))?;
                values.push(Some(value.to_vec()));
            }
            Ok(Answer::Values(values))
        }
        Operation::Exists(key) => Ok(Answer::Exists(entries.get((store, key.as_str()))?.is_some())),
        Operation::List { after } => {
            let begin = match after {
                Some(key) => Bound::Excluded((store, key.as_str())),
                None => Bound::Included((store, "")),
            };
            let (mut keys, mut left) = (Vec::new(), job.answer_max);
            for entry in entries.range::<(&str, &str)>((begin, Bound::Unbounded))? {
                let entry = entry?;
                let (of, key) = entry.0.value();
                if of != store {
                    break;
                }
                match left.checked_sub(key.len()) {
                    Some(less) if keys.len() < MAX_KEYS => left = less,
                    _ => return Ok(Answer::Keys { keys, more: true }),
                }
                keys.push(key.to_owned());
            }
            Ok(Answer::Keys { keys, more: false })
        }
        other => unreachable!("{} changes something", other.as_str()),
    }
}

fn cost(key: &str, value: usize) -> u64 {
    key.len() as u64 + value as u64 + OVERHEAD
}

// === impl Writing ===

impl<'a> Writing<'a> {
    pub(super) fn begin(transaction: &'a WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self { entries: transaction.open_table(ENTRIES)?, totals: transaction.open_table(TOTALS)? })
    }

    /// Does what changes something. Where the answer is an error nothing was changed, unless something is wrong with the file.
    pub(super) fn apply(&mut self, job: &Job) -> Result<Answer, Trouble> {
        let store = job.store.as_str();
        match &job.operation {
            Operation::Set(pairs) => {
                // The last one counts where a key is there twice.
                let pairs: BTreeMap<_, _> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect();
                self.set(store, &pairs, job.quota)?;
                Ok(Answer::Done)
            }
            Operation::Delete(keys) => {
                let mut freed = 0;
                for key in keys {
                    if let Some(value) = self.entries.remove((store, key.as_str()))? {
                        freed += cost(key, value.value().len());
                    }
                }
                let total = self.total()?.saturating_sub(freed);
                self.totals.insert(TOTAL, total)?;
                Ok(Answer::Done)
            }
            Operation::Increment { key, by } => {
                let number = match self.entries.get((store, key.as_str()))? {
                    Some(value) => number(value.value()).ok_or(StoreError::NotANumber)?,
                    None => 0,
                };
                let number = number.checked_add(*by).ok_or(StoreError::NotANumber)?;
                let text = number.to_string();
                self.set(store, &BTreeMap::from([(key.as_str(), text.as_bytes())]), job.quota)?;
                Ok(Answer::Number(number))
            }
            _ => answer(&self.entries, job),
        }
    }

    fn total(&self) -> Result<u64, redb::Error> {
        Ok(self.totals.get(TOTAL)?.map_or(0, |total| total.value()))
    }

    fn set(&mut self, store: &str, pairs: &BTreeMap<&str, &[u8]>, quota: Option<usize>) -> Result<(), Trouble> {
        let before = self.total()?;
        let mut after = before;
        for (key, value) in pairs {
            let old = self.entries.get((store, *key))?.map_or(0, |old| cost(key, old.value().len()));
            after = after.saturating_add(cost(key, value.len())).saturating_sub(old);
        }
        // Who has too much may have less, even where that is still too much.
        if let Some(quota) = quota.filter(|quota| after > *quota as u64 && after > before) {
            return Err(StoreError::Full(quota).into());
        }
        for (key, value) in pairs {
            self.entries.insert((store, *key), *value)?;
        }
        self.totals.insert(TOTAL, after)?;
        Ok(())
    }
}

fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

// === impl Trouble ===

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Answer(error)
    }
}

impl From<redb::Error> for Trouble {
    fn from(error: redb::Error) -> Self {
        Self::File(error)
    }
}

impl From<redb::StorageError> for Trouble {
    fn from(error: redb::StorageError) -> Self {
        Self::File(error.into())
    }
}

impl From<redb::TableError> for Trouble {
    fn from(error: redb::TableError) -> Self {
        Self::File(error.into())
    }
}
