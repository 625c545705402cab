//! A folder with a file for each tenant, and the threads that read and write them.

use super::{Keeper, Stores, file::TenantFile};
use socklet_core::TenantName;
use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use tokio::runtime::{Builder, Runtime};

/// Threads that read and write files.
const THREADS: usize = 4;
/// Files that stay open. One that is beyond that is closed as soon as nobody waits for it.
const OPEN_FILES: usize = 64;

/// Keeps each tenant's stores in a file of its own.
pub(crate) struct Folder {
    path: PathBuf,
    files: Arc<Files>,
    // A std mutex: held for one lookup.
    tenants: Mutex<HashMap<TenantName, Arc<TenantFile>>>,
}

/// What all files have in common.
pub(super) struct Files {
    // None only while it is dropped.
    threads: Option<Runtime>,
    open: AtomicUsize,
}

// === impl Folder ===

impl Folder {
    /// Nothing is opened or made before somebody needs it.
    pub(crate) fn new(path: PathBuf) -> io::Result<Self> {
        Ok(Self { path, files: Arc::new(Files::start()?), tenants: Mutex::default() })
    }
}

impl Keeper for Folder {
    fn of(&self, tenant: &TenantName) -> Arc<dyn Stores> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || TenantFile::new(tenant.clone(), self.path.join(format!("{tenant}.redb")), self.files.clone());
        Arc::new(tenants.entry(tenant.clone()).or_insert_with(new).clone())
    }
}

// === impl Files ===

impl Files {
    pub(super) fn start() -> io::Result<Self> {
        let threads = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(THREADS)
            .thread_name("socklet-store")
            .build()?;
        Ok(Self { threads: Some(threads), open: AtomicUsize::new(0) })
    }

    /// Runs something that waits for the disk.
    pub(super) fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        if let Some(threads) = &self.threads {
            drop(threads.handle().spawn_blocking(work));
        }
    }

    pub(super) fn opened(&self) {
        self.open.fetch_add(1, SeqCst);
    }

    pub(super) fn closed(&self) {
        self.open.fetch_sub(1, SeqCst);
    }

    pub(super) fn are_too_many(&self) -> bool {
        self.open.load(SeqCst) > OPEN_FILES
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            // The last one may be dropped inside another runtime, where waiting is not allowed.
            threads.shutdown_background();
        }
    }
}
