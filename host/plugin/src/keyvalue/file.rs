//! The stores of one tenant in a file of its own. Operations queue up; whatever is in the queue becomes lasting together, and then
//! all of it is answered.

use super::{
    Answer, Job, StoreError, Stores,
    folder::Files,
    tables::{self, Trouble, Writing},
};
use redb::{Builder, Database, ReadableDatabase, StorageError, backends::FileBackend};
use socklet_core::{BoxFuture, TenantName};
use std::{
    collections::VecDeque,
    fmt,
    fs::{DirBuilder, OpenOptions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;
use tracing::warn;

/// Operations that wait at once, and bytes that they carry.
const QUEUE: usize = 1_024;
const QUEUE_BYTES: usize = 32 << 20;
/// Operations that become lasting together.
const BATCH: usize = 256;
/// What is kept of a file in memory.
const CACHE: usize = 4 << 20;

/// The stores of one tenant.
pub(super) struct TenantFile {
    tenant: TenantName,
    source: Source,
    files: Arc<Files>,
    // A std mutex: held to put something into the queue or to take it out.
    queue: Mutex<Queue>,
    // Held by whoever works on the queue, of whom there is one.
    open: Mutex<Option<Database>>,
}

/// Where the data is.
enum Source {
    File(PathBuf),
    /// A disk that fails when the test wants it to.
    #[cfg(test)]
    Disk(tests::Disk),
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Somebody works on it.
    worked_on: bool,
    /// The last thing that was tried with the file failed: it is not told twice.
    told: bool,
}

struct Waiting {
    job: Job,
    reply: oneshot::Sender<Result<Answer, StoreError>>,
}

// === impl TenantFile ===

impl TenantFile {
    pub(super) fn new(tenant: TenantName, path: PathBuf, files: Arc<Files>) -> Arc<Self> {
        Self::of(tenant, Source::File(path), files)
    }

    fn of(tenant: TenantName, source: Source, files: Arc<Files>) -> Arc<Self> {
        Arc::new(Self { tenant, source, files, queue: Mutex::default(), open: Mutex::default() })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job into the queue, and has somebody work on that.
    fn push(self: &Arc<Self>, job: Job) -> Result<oneshot::Receiver<Result<Answer, StoreError>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let weight = job.operation.weight();
        let mut queue = self.queue();
        if queue.waiting.len() >= QUEUE || queue.bytes.saturating_add(weight) > QUEUE_BYTES {
            return Err(StoreError::Busy);
        }
        queue.bytes += weight;
        queue.waiting.push_back(Waiting { job, reply });
        if !std::mem::replace(&mut queue.worked_on, true) {
            self.work_soon();
        }
        Ok(answer)
    }

    fn work_soon(self: &Arc<Self>) {
        let file = self.clone();
        self.files.spawn(move || file.work());
    }

    /// Works on one batch. What is left comes later: others have their turn, too.
    fn work(self: Arc<Self>) {
        let batch = self.take();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A damaged file may make the database panic. Whoever waits is told by the end of their channel.
        let served = catch_unwind(AssertUnwindSafe(|| self.serve(&mut open, batch)));
        match served {
            Ok(Ok(())) => self.queue().told = false,
            Ok(Err(error)) => self.failed(&mut open, &error),
            Err(_) => self.failed(&mut open, &"the database panicked"),
        }
        let mut queue = self.queue();
        queue.worked_on = !queue.waiting.is_empty();
        if queue.worked_on {
            drop(queue);
            self.work_soon();
        } else if open.is_some() && self.files.are_too_many() {
            drop(queue);
            self.close(&mut open);
        }
    }

    fn take(&self) -> Vec<Waiting> {
        let mut queue = self.queue();
        let many = queue.waiting.len().min(BATCH);
        let batch: Vec<_> = queue.waiting.drain(..many).collect();
        queue.bytes -= batch.iter().map(|waiting| waiting.job.operation.weight()).sum::<usize>();
        batch
    }

    /// The next operation opens the file anew: after an error the database knows nothing for sure.
    fn failed(&self, open: &mut Option<Database>, error: &dyn fmt::Display) {
        self.close(open);
        if !std::mem::replace(&mut self.queue().told, true) {
            warn!(tenant = %self.tenant, file = %self.source, %error, "failed to use the key-value stores of a tenant");
        }
    }

    fn close(&self, open: &mut Option<Database>) {
        if let Some(database) = open.take() {
            self.files.closed();
            // It writes a little when it closes, and a damaged file may make it panic.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
        }
    }

    fn serve(&self, open: &mut Option<Database>, batch: Vec<Waiting>) -> Result<(), redb::Error> {
        // Who does not wait any more has done nothing.
        let batch = batch.into_iter().filter(|waiting| !waiting.reply.is_closed());
        let (writes, reads): (Vec<_>, Vec<_>) = batch.partition(|waiting| waiting.job.operation.writes());
        let outcome = self.serve_all(open, reads, &writes);
        let (answers, outcome) = match outcome {
            Ok(answers) => (answers, Ok(())),
            Err(error) => (writes.iter().map(|_| Err(StoreError::Failed)).collect(), Err(error)),
        };
        for (waiting, answer) in writes.into_iter().zip(answers) {
            let _ = waiting.reply.send(answer);
        }
        outcome
    }

    /// Answers what only reads; what writes is lasting when this returns, all of it or nothing.
    fn serve_all(
        &self,
        open: &mut Option<Database>,
        reads: Vec<Waiting>,
        writes: &[Waiting],
    ) -> Result<Vec<Result<Answer, StoreError>>, redb::Error> {
        let database = match open {
            Some(database) => database,
            None => {
                let database = open.insert(self.source.open()?);
                self.files.opened();
                database
            }
        };
        if !reads.is_empty() {
            let reading = database.begin_read()?;
            for Waiting { job, reply } in reads {
                let answer = lasting(tables::read(&reading, &job));
                let (answer, error) = match answer {
                    Ok(answer) => (answer, None),
                    Err(error) => (Err(StoreError::Failed), Some(error)),
                };
                let _ = reply.send(answer);
                if let Some(error) = error {
                    return Err(error);
                }
            }
        }
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let transaction = database.begin_write()?;
        let mut writing = Writing::begin(&transaction)?;
        let answers = writes.iter().map(|waiting| lasting(writing.apply(&waiting.job))).collect::<Result<_, _>>()?;
        drop(writing);
        transaction.commit()?;
        Ok(answers)
    }
}

impl Stores for Arc<TenantFile> {
    fn run(&self, job: Job) -> BoxFuture<Result<Answer, StoreError>> {
        let answer = self.push(job);
        Box::pin(async move { answer?.await.unwrap_or(Err(StoreError::Failed)) })
    }
}

/// What is an answer, and what is a failure of the file.
fn lasting(result: Result<Answer, Trouble>) -> Result<Result<Answer, StoreError>, redb::Error> {
    match result {
        Ok(answer) => Ok(Ok(answer)),
        Err(Trouble::Answer(error)) => Ok(Err(error)),
        Err(Trouble::File(error)) => Err(error),
    }
}

// === impl Source ===

impl Source {
    fn open(&self) -> Result<Database, redb::Error> {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
        let database = match self {
            Self::File(path) => {
                if let Some(folder) = path.parent() {
                    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(StorageError::Io)?;
                }
                let file =
                    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
                builder.create_with_backend(FileBackend::new(file.map_err(StorageError::Io)?)?)?
            }
            #[cfg(test)]
            Self::Disk(disk) => builder.create_with_backend(disk.clone())?,
        };
        let writing = database.begin_write()?;
        tables::prepare(&writing)?;
        writing.commit()?;
        Ok(database)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            #[cfg(test)]
            Self::Disk(_) => f.write_str("a disk of a test"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyvalue::Operation;
    use redb::{StorageBackend, backends::InMemoryBackend};
    use std::{
        io::Result as Io,
        sync::atomic::{AtomicBool, Ordering::SeqCst},
    };

    /// What is on it survives the database.
    #[derive(Clone, Debug)]
    pub(super) struct Disk {
        memory: Arc<InMemoryBackend>,
        full: Arc<AtomicBool>,
    }

    impl StorageBackend for Disk {
        fn len(&self) -> Io<u64> {
            self.memory.len()
        }

        fn read(&self, offset: u64, out: &mut [u8]) -> Io<()> {
            self.memory.read(offset, out)
        }

        fn set_len(&self, len: u64) -> Io<()> {
            self.memory.set_len(len)
        }

        fn sync_data(&self) -> Io<()> {
            self.memory.sync_data()
        }

        fn write(&self, offset: u64, data: &[u8]) -> Io<()> {
            if self.full.load(SeqCst) {
                return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
            }
            self.memory.write(offset, data)
        }
    }

    fn job(operation: Operation) -> Job {
        Job { store: "s".parse().unwrap(), operation, quota: None, answer_max: 1 << 20 }
    }

    fn set(key: &str, value: &str) -> Operation {
        Operation::Set(vec![(key.into(), value.into())])
    }

    fn get(keys: &[&str]) -> Operation {
        Operation::Get(keys.iter().map(|key| (*key).into()).collect())
    }

    async fn run(file: &Arc<TenantFile>, operation: Operation) -> Result<Answer, StoreError> {
        file.run(job(operation)).await
    }

    fn values(values: &[Option<&str>]) -> Answer {
        Answer::Values(values.iter().map(|value| value.map(|value| value.as_bytes().to_vec())).collect())
    }

    fn file(path: PathBuf) -> Arc<TenantFile> {
        TenantFile::new("acme".parse().unwrap(), path, Arc::new(Files::start().unwrap()))
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_the_end_of_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/acme.redb");
        {
            let file = file(path.clone());
            assert_eq!(run(&file, get(&["a"])).await, Ok(values(&[None])));
            run(&file, set("a", "1")).await.unwrap();
            assert_eq!(run(&file, Operation::Increment { key: "a".into(), by: 41 }).await, Ok(Answer::Number(42)));
            run(&file, set("b", "x")).await.unwrap();
            run(&file, Operation::Delete(vec!["b".into(), "c".into()])).await.unwrap();
            // As if the process were killed: nothing is closed.
            std::mem::forget(file.open.lock().unwrap().take());
            std::fs::copy(&path, folder.path().join("left.redb")).unwrap();
        }
        let file = self::file(folder.path().join("left.redb"));
        assert_eq!(run(&file, get(&["a", "b"])).await, Ok(values(&[Some("42"), None])));
        assert_eq!(run(&file, Operation::Exists("b".into())).await, Ok(Answer::Exists(false)));
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_full_disk_fails_what_it_cannot_hold_and_nothing_else() {
        let disk = Disk { memory: Arc::new(InMemoryBackend::new()), full: Arc::default() };
        let file =
            TenantFile::of("acme".parse().unwrap(), Source::Disk(disk.clone()), Arc::new(Files::start().unwrap()));
        run(&file, set("a", "old")).await.unwrap();
        disk.full.store(true, SeqCst);
        let pairs = Operation::Set(vec![("a".into(), "new".into()), ("b".into(), "new".into())]);
        assert_eq!(run(&file, pairs).await, Err(StoreError::Failed));
        disk.full.store(false, SeqCst);
        assert_eq!(run(&file, get(&["a", "b"])).await, Ok(values(&[Some("old"), None])), "nothing half");
        run(&file, set("b", "new")).await.unwrap();
        assert_eq!(run(&file, get(&["a", "b"])).await, Ok(values(&[Some("old"), Some("new")])));
    }

    #[tokio::test]
    async fn a_damaged_file_is_told_and_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.redb");
        let file = file(path.clone());
        for number in 0..200 {
            run(&file, set(&format!("key-{number}"), &"x".repeat(100))).await.unwrap();
        }
        drop(file.open.lock().unwrap().take());
        let whole = std::fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        damaged[4096..].fill(0x5a);
        for bytes in [&damaged[..], b"not a database, but long enough to look at", &whole[..whole.len() / 2]] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(run(&file, get(&["key-7"])).await, Err(StoreError::Failed));
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(run(&file, get(&["key-7"])).await, Ok(values(&[Some(&"x".repeat(100))])));
    }

    #[tokio::test]
    async fn a_quota_holds_for_all_stores_together_and_counts_what_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path().join("acme.redb"));
        let run = async |store: &str, operation| {
            let job = Job { store: store.parse().unwrap(), operation, quota: Some(300), answer_max: 100 };
            file.run(job).await
        };
        let set = |key: &str, bytes| Operation::Set(vec![(key.to_owned(), vec![b'x'; bytes])]);
        run("a", set("k", 100)).await.unwrap();
        run("b", set("k", 69)).await.unwrap();
        assert_eq!(run("b", set("l", 1)).await, Err(StoreError::Full(300)));
        run("b", set("k", 10)).await.unwrap();
        run("b", set("k", 70)).await.unwrap();
        assert_eq!(run("b", set("k", 71)).await, Err(StoreError::Full(300)));
        assert_eq!(run("a", Operation::Get(vec!["k".into(); 2])).await, Err(StoreError::TooMuch(100)));
        run("a", Operation::Delete(vec!["k".into()])).await.unwrap();
        run("b", set("l", 100)).await.unwrap();
        let job = Job { quota: Some(10), ..job(Operation::Set(vec![("l".into(), vec![0; 50])])) };
        let shrinks = Job { store: "b".parse().unwrap(), ..job };
        assert_eq!(file.run(shrinks).await, Ok(Answer::Done), "less is no more");
        run("b", Operation::Delete(vec!["l".into()])).await.unwrap();
        let twice = Operation::Set(vec![("m".into(), b"1".to_vec()), ("m".into(), b"2".to_vec())]);
        run("c", twice).await.unwrap();
        assert_eq!(run("c", get(&["m"])).await, Ok(values(&[Some("2")])));
        assert_eq!(run("c", Operation::Increment { key: "m".into(), by: u64::MAX }).await, Err(StoreError::NotANumber));
    }

    #[tokio::test]
    async fn keys_are_listed_in_pages_and_stores_are_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path().join("acme.redb"));
        let pairs = (0..1500).map(|number| (format!("{number:04}"), Vec::new())).collect();
        run(&file, Operation::Set(pairs)).await.unwrap();
        for other in ["r", "t"] {
            file.run(Job { store: other.parse().unwrap(), ..job(set("other", "")) }).await.unwrap();
        }
        let Ok(Answer::Keys { keys, more: true }) = run(&file, Operation::List { after: None }).await else { panic!() };
        assert_eq!((keys.len(), keys[999].as_str()), (1000, "0999"));
        let after = Operation::List { after: Some("0999".into()) };
        let Ok(Answer::Keys { keys, more: false }) = run(&file, after).await else { panic!() };
        assert_eq!((keys.len(), keys[499].as_str()), (500, "1499"));
    }

    #[tokio::test]
    async fn the_queue_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path().join("acme.redb"));
        // Nobody works as long as this is held.
        let open = file.open.lock().unwrap();
        let mut waiting = Vec::new();
        let refused = loop {
            match file.push(job(set("a", &"x".repeat(1 << 20)))) {
                Ok(answer) => waiting.push(answer),
                Err(error) => break error,
            }
        };
        assert_eq!(refused, StoreError::Busy);
        assert!((31..300).contains(&waiting.len()), "{}", waiting.len());
        drop(open);
        for answer in waiting {
            assert_eq!(answer.await.unwrap(), Ok(Answer::Done));
        }
    }
}
