//! The threads that serve connections: each with a runtime of its own, so that a connection never changes its thread.

use crate::registry::Cork;
use std::{
    io,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};
use tokio::runtime::{Builder, Handle};

/// Owns the threads that serve connections: they end when it is dropped, and what they serve ends with them.
#[derive(Debug)]
pub struct Workers(Arc<Threads>);

/// The threads that serve connections.
#[derive(Debug)]
pub(crate) struct Threads {
    workers: Vec<Arc<Worker>>,
    next: AtomicUsize,
}

/// One thread.
#[derive(Debug)]
pub(crate) struct Worker {
    runtime: Handle,
    pub(crate) cork: Arc<Cork>,
    /// Sockets that it serves.
    sockets: AtomicUsize,
}

/// A socket's place on its thread.
#[derive(Debug)]
pub(crate) struct Place(Arc<Worker>);

// === impl Workers ===

impl Workers {
    /// Starts so many threads.
    ///
    /// # Errors
    ///
    /// When the system has no more threads or descriptors.
    pub fn start(threads: NonZeroUsize) -> io::Result<Self> {
        let workers = (0..threads.get()).map(start).collect::<io::Result<_>>()?;
        Ok(Self(Arc::new(Threads { workers, next: AtomicUsize::new(0) })))
    }

    pub(crate) fn threads(&self) -> Arc<Threads> {
        self.0.clone()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.0.workers.iter().for_each(|worker| worker.cork.close());
    }
}

// === impl Threads ===

impl Threads {
    /// No threads: the runtime of the caller serves.
    #[cfg(test)]
    pub(crate) fn here() -> Arc<Self> {
        let worker = Worker::on(Handle::current());
        let cork = worker.cork.clone();
        tokio::spawn(async move { cork.run().await });
        Arc::new(Self { workers: vec![Arc::new(worker)], next: AtomicUsize::new(0) })
    }

    /// Has every thread do a little, and waits for it.
    pub(crate) async fn answer(&self) {
        for worker in &self.workers {
            // It cannot panic; where its runtime is over, nobody asks for long.
            let _ = worker.runtime().spawn(async {}).await;
        }
    }

    /// The thread that accepts for the next listener.
    pub(crate) fn for_listener(&self) -> &Arc<Worker> {
        &self.workers[self.next.fetch_add(1, Relaxed) % self.workers.len()]
    }

    /// A place on the thread that serves the fewest sockets.
    pub(crate) fn place(&self) -> Place {
        let mut least = &self.workers[0];
        for worker in &self.workers[1..] {
            if worker.sockets.load(Relaxed) < least.sockets.load(Relaxed) {
                least = worker;
            }
        }
        least.sockets.fetch_add(1, Relaxed);
        Place(least.clone())
    }
}

fn start(number: usize) -> io::Result<Arc<Worker>> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let worker = Arc::new(Worker::on(runtime.handle().clone()));
    let cork = worker.cork.clone();
    thread::Builder::new().name(format!("socklet-io-{number}")).spawn(move || runtime.block_on(cork.run()))?;
    Ok(worker)
}

// === impl Worker ===

impl Worker {
    fn on(runtime: Handle) -> Self {
        Self { runtime, cork: Arc::default(), sockets: AtomicUsize::new(0) }
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

// === impl Place ===

impl Place {
    pub(crate) fn worker(&self) -> &Arc<Worker> {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.sockets.fetch_sub(1, Relaxed);
    }
}
