//! The import `wasi:keyvalue`: the stores of the tenant that the plugin is granted, and no others.

use crate::{
    bindings::keyvalue::{
        atomics, batch,
        store::{self, Error, KeyResponse},
    },
    grants::Granted,
    keyvalue::{Answer, Job, MAX_KEYS, Operation, Shelf, StoreError},
    meter::Meter,
    state::{Scope, State},
};
use socklet_core::StoreName;
use std::{collections::VecDeque, fmt};
use wasmtime::component::{Resource, ResourceTable};

/// Lists that one bucket is in the middle of.
const LISTS: usize = 16;

/// What `wasi:keyvalue` can reach.
pub(crate) struct KeyvalueView<'a> {
    table: &'a mut ResourceTable,
    meter: &'a mut Meter,
    scope: &'a Scope,
}

/// A store that was opened.
#[expect(unreachable_pub, reason = "the generated code names it where it is public")]
pub struct Bucket {
    store: StoreName,
    /// Where lists go on: a number that the guest knows, and the last key that it was told.
    lists: VecDeque<(u64, String)>,
    next: u64,
}

type Result<T, E = Error> = wasmtime::Result<std::result::Result<T, E>>;

// === impl KeyvalueView ===

impl KeyvalueView<'_> {
    pub(super) fn of(state: &mut State) -> KeyvalueView<'_> {
        let (table, meter, scope) = state.keyvalue();
        KeyvalueView { table, meter, scope }
    }

    async fn run(&mut self, bucket: &Resource<Bucket>, operation: Operation) -> Result<Answer> {
        let store = self.table.get(bucket)?.store.clone();
        if operation.writes() {
            self.meter.act()?;
        } else {
            self.meter.host_call()?;
        }
        let Granted { keyvalue: Some(shelf), .. } = &self.scope.granted else { return Ok(Err(Error::AccessDenied)) };
        let name = operation.as_str();
        let counted = |outcome| self.scope.metrics.stored(name, outcome);
        if let Err(wrong) = shelf.check(&operation) {
            counted("refused");
            return Ok(Err(Error::Other(wrong)));
        }
        let quota = shelf.tenant.quotas().keyvalue;
        let job = Job { store, operation, quota, answer_max: self.scope.limits.host_call_bytes_max };
        let answer = shelf.stores.run(job).await;
        match &answer {
            Ok(_) => counted("ok"),
            Err(error) => counted(error.as_str()),
        }
        if let Err(StoreError::Full(_)) = answer {
            self.scope.metrics.over_quota("keyvalue");
        }
        Ok(answer.map_err(|error| Error::Other(error.to_string())))
    }

    async fn get(&mut self, bucket: &Resource<Bucket>, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>> {
        Ok(self.run(bucket, Operation::Get(keys)).await?.map(Answer::into_values))
    }

    async fn change(&mut self, bucket: &Resource<Bucket>, operation: Operation) -> Result<()> {
        Ok(self.run(bucket, operation).await?.map(drop))
    }
}

impl store::Host for KeyvalueView<'_> {
    fn open(&mut self, identifier: String) -> Result<Resource<Bucket>> {
        self.meter.host_call()?;
        let Ok(store) = identifier.parse::<StoreName>() else { return Ok(Err(Error::NoSuchStore)) };
        let names = self.scope.granted.keyvalue.as_ref().map(|shelf| &*shelf.names).unwrap_or_default();
        if !names.contains(&store) {
            return Ok(Err(Error::AccessDenied));
        }
        Ok(Ok(self.table.push(Bucket { store, lists: VecDeque::new(), next: 1 })?))
    }
}

impl store::HostBucket for KeyvalueView<'_> {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>> {
        Ok(Self::get(self, &bucket, vec![key]).await?.map(|values| values.into_iter().next().flatten()))
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<()> {
        self.change(&bucket, Operation::Set(vec![(key, value)])).await
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Result<()> {
        self.change(&bucket, Operation::Delete(vec![key])).await
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Result<bool> {
        Ok(self.run(&bucket, Operation::Exists(key)).await?.map(|answer| answer == Answer::Exists(true)))
    }

    async fn list_keys(&mut self, bucket: Resource<Bucket>, cursor: Option<u64>) -> Result<KeyResponse> {
        let after = match cursor {
            None => None,
            Some(cursor) => match self.table.get_mut(&bucket)?.go_on(cursor) {
                Some(key) => Some(key),
                None => {
                    let wrong = "there is no such cursor, or it was used, or 16 others came after it: begin anew";
                    return Ok(Err(Error::Other(wrong.into())));
                }
            },
        };
        let answer = self.run(&bucket, Operation::List { after }).await?;
        let bucket = self.table.get_mut(&bucket)?;
        Ok(answer.map(|answer| match answer {
            Answer::Keys { keys, more } => {
                let cursor = keys.last().filter(|_| more).map(|last| bucket.stop_at(last.clone()));
                KeyResponse { keys, cursor }
            }
            _ => KeyResponse { keys: Vec::new(), cursor: None },
        }))
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for KeyvalueView<'_> {
    async fn increment(&mut self, bucket: Resource<Bucket>, key: String, by: u64) -> Result<u64> {
        let answer = self.run(&bucket, Operation::Increment { key, by }).await?;
        Ok(answer.map(|answer| if let Answer::Number(number) = answer { number } else { by }))
    }
}

impl batch::Host for KeyvalueView<'_> {
    async fn get_many(
        &mut self,
        bucket: Resource<Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<(String, Vec<u8>)>>> {
        let values = Self::get(self, &bucket, keys.clone()).await?;
        let pair = |(key, value): (String, Option<Vec<u8>>)| value.map(|value| (key, value));
        Ok(values.map(|values| keys.into_iter().zip(values).map(pair).collect()))
    }

    async fn set_many(&mut self, bucket: Resource<Bucket>, pairs: Vec<(String, Vec<u8>)>) -> Result<()> {
        self.change(&bucket, Operation::Set(pairs)).await
    }

    async fn delete_many(&mut self, bucket: Resource<Bucket>, keys: Vec<String>) -> Result<()> {
        self.change(&bucket, Operation::Delete(keys)).await
    }
}

// === impl Bucket ===

impl Bucket {
    /// The number of a list that goes on behind a key. The oldest one of many is forgotten.
    fn stop_at(&mut self, last: String) -> u64 {
        if self.lists.len() == LISTS {
            self.lists.pop_front();
        }
        let number = self.next;
        self.next += 1;
        self.lists.push_back((number, last));
        number
    }

    fn go_on(&mut self, number: u64) -> Option<String> {
        let place = self.lists.iter().position(|(list, _)| *list == number)?;
        self.lists.remove(place).map(|(_, last)| last)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("store", &self.store).finish_non_exhaustive()
    }
}

// === impl Shelf ===

impl Shelf {
    /// What is too long or too many, before anything is done.
    fn check(&self, operation: &Operation) -> std::result::Result<(), String> {
        let key = |key: &String| match key.len() {
            0 => Err("the key is empty".to_owned()),
            len if len > self.key_max => Err(format!("the key has {len} bytes, at most {} are allowed", self.key_max)),
            _ => Ok(()),
        };
        let few = |count: usize| match count {
            0..=MAX_KEYS => Ok(()),
            _ => Err(format!("{count} keys at once, at most {MAX_KEYS} are allowed")),
        };
        match operation {
            Operation::Get(keys) | Operation::Delete(keys) => {
                few(keys.len())?;
                keys.iter().try_for_each(key)
            }
            Operation::Exists(one) | Operation::Increment { key: one, .. } => key(one),
            Operation::List { .. } => Ok(()),
            Operation::Set(pairs) => {
                few(pairs.len())?;
                for (one, value) in pairs {
                    key(one)?;
                    if value.len() > self.value_max {
                        let (len, max) = (value.len(), self.value_max);
                        return Err(format!("the value has {len} bytes, at most {max} are allowed"));
                    }
                }
                Ok(())
            }
        }
    }
}

// === impl Answer ===

impl Answer {
    fn into_values(self) -> Vec<Option<Vec<u8>>> {
        match self {
            Self::Values(values) => values,
            _ => Vec::new(),
        }
    }
}
