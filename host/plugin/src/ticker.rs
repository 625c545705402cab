//! Advances the epochs of the engines, once a millisecond, while guests run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};
use wasmtime::EngineWeak;

/// One tick of the epoch.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// How many ticks a call that saw the ticker awake can count on at least: enough for its first slice, which ends it or moves it.
const LINGER: u32 = 100;

/// Keeps the epochs going. It ends by itself when the engines are gone.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: thread::Thread,
}

/// The ticker goes on while one of these is alive.
#[derive(Debug)]
pub(crate) struct Awake(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// A call began since the ticker last looked.
    touched: AtomicBool,
    /// Calls that are not done at once.
    held: AtomicUsize,
    asleep: AtomicBool,
}

// === impl Ticker ===

impl Ticker {
    pub(crate) fn start(engines: Vec<EngineWeak>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let ticking = shared.clone();
        let thread = thread::Builder::new().name("socklet-epoch".into()).spawn(move || tick(&ticking, &engines))?;
        Ok(Self { shared, thread: thread.thread().clone() })
    }

    /// A call begins: epochs advance for at least [`LINGER`] ticks.
    pub(crate) fn touch(&self) {
        // Reading first keeps the line shared between the cores that call.
        if !self.shared.touched.load(SeqCst) {
            self.shared.touched.store(true, SeqCst);
        }
        if self.shared.asleep.load(SeqCst) && self.shared.asleep.swap(false, SeqCst) {
            self.thread.unpark();
        }
    }

    /// Epochs advance until the guard is dropped.
    pub(crate) fn hold(&self) -> Awake {
        self.shared.held.fetch_add(1, SeqCst);
        self.touch();
        Awake(self.shared.clone())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // It finds its engines gone, or goes to sleep again.
        self.shared.asleep.store(false, SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, SeqCst);
    }
}

fn tick(shared: &Shared, engines: &[EngineWeak]) {
    loop {
        for _ in 0..LINGER {
            thread::sleep(TICK);
            let mut alive = false;
            for engine in engines {
                if let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                    alive = true;
                }
            }
            if !alive {
                return;
            }
        }
        if shared.touched.swap(false, SeqCst) || shared.held.load(SeqCst) > 0 {
            continue;
        }
        shared.asleep.store(true, SeqCst);
        // A call that began between the look and the store has seen nobody asleep.
        while shared.asleep.load(SeqCst) && !shared.touched.load(SeqCst) {
            thread::park_timeout(Duration::from_secs(1));
            if engines.iter().all(|engine| engine.upgrade().is_none()) {
                return;
            }
        }
        shared.asleep.store(false, SeqCst);
    }
}
