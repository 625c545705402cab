//! A witness: a connection that hears of every birth and every end on its route.

use crate::{Client, Connect, eventually};
use serde_json::Value;
use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_tungstenite::tungstenite::Message;

/// Watches a route whose behavior is a guest.
#[derive(Debug)]
pub struct Observer {
    seen: Arc<Mutex<Seen>>,
    words: mpsc::UnboundedSender<String>,
    turns: AtomicU64,
    task: JoinHandle<()>,
}

/// What a guest was told in `on-close`.
#[derive(Clone, Debug)]
pub struct Obituary {
    /// Whose.
    pub id: u64,
    /// The close code.
    pub code: u16,
    /// The close reason.
    pub reason: String,
    /// The cause, as the contract spells it.
    pub cause: String,
    /// Whether both sides completed the closing handshake.
    pub clean: bool,
    /// How long it lived.
    pub duration_ms: u64,
    /// Messages from the client.
    pub messages_received: u64,
    /// Messages for the client.
    pub messages_sent: u64,
    /// The attachment, as text.
    pub attachment: String,
    /// The principal's subject.
    pub principal: Option<String>,
    /// No other hook was called on this instance before.
    pub fresh: bool,
}

#[derive(Debug, Default)]
struct Seen {
    births: Vec<u64>,
    obituaries: Vec<Obituary>,
    words: Vec<String>,
    /// Births that [`Observer::birth`] has returned.
    told: usize,
    /// How the witness itself ended.
    end: Option<String>,
}

impl Observer {
    /// Connects to a route: the same request, with the query `watch` and nothing else in it.
    pub async fn connect(to: Connect) -> Self {
        let mut client = to.open().await;
        client.expect_text("watching").await;
        let seen = Arc::<Mutex<Seen>>::default();
        let (words, heard) = mpsc::unbounded_channel();
        let task = tokio::spawn(watch(client, heard, seen.clone()));
        Self { seen, words, turns: AtomicU64::new(0), task }
    }

    /// Every connection that opened so far.
    pub fn births(&self) -> Vec<u64> {
        self.seen().births.clone()
    }

    /// Every connection that ended so far.
    pub fn obituaries(&self) -> Vec<Obituary> {
        self.seen().obituaries.clone()
    }

    /// The next connection that opens, or opened since the last call.
    pub async fn birth(&self) -> u64 {
        self.until("a birth", |seen| seen.births.len() > seen.told).await;
        let mut seen = self.seen();
        seen.told += 1;
        seen.births[seen.told - 1]
    }

    /// The end of a connection.
    pub async fn obituary(&self, id: u64) -> Obituary {
        self.until("an obituary", |seen| seen.obituaries.iter().any(|dead| dead.id == id)).await;
        self.obituaries().into_iter().find(|dead| dead.id == id).expect("it was seen")
    }

    /// Waits until so many connections have opened, and as many have ended.
    ///
    /// # Panics
    ///
    /// When one ended twice, or without having been opened.
    pub async fn settled(&self, connections: usize) {
        self.until("every end", |seen| seen.births.len() >= connections && seen.obituaries.len() >= connections).await;
        // Whatever was published before the answer is in front of it.
        self.is_served().await;
        let (mut births, mut ends) = (self.births(), self.obituaries().iter().map(|dead| dead.id).collect::<Vec<_>>());
        births.sort_unstable();
        ends.sort_unstable();
        assert_eq!(births.len(), connections);
        assert_eq!(births, ends, "one on-close for every on-open");
    }

    /// The route still serves: a message of the witness comes back.
    pub async fn is_served(&self) {
        let word = format!("still here, {}", self.turns.fetch_add(1, Ordering::Relaxed));
        self.words.send(word.clone()).expect("the witness runs");
        self.until("the witness's own message", |seen| seen.words.contains(&word)).await;
        self.seen().words.clear();
    }

    async fn until(&self, what: &str, condition: impl Fn(&Seen) -> bool) {
        eventually(what, async || {
            let seen = self.seen();
            let done = condition(&seen);
            assert!(done || seen.end.is_none(), "{what}: the witness has ended, {:?}", seen.end);
            done
        })
        .await;
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nobody panics with the lock")
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(mut client: Client, mut words: mpsc::UnboundedReceiver<String>, seen: Arc<Mutex<Seen>>) {
    let note = |text: &str| {
        let mut seen = seen.lock().expect("nobody panics with the lock");
        match serde_json::from_str::<Value>(text) {
            Ok(value) if value["opened"].is_u64() => seen.births.push(value["opened"].as_u64().unwrap_or_default()),
            Ok(value) if value["closed"].is_u64() => seen.obituaries.push(Obituary::of(&value)),
            _ => seen.words.push(text.to_owned()),
        }
    };
    let end = loop {
        tokio::select! {
            Some(word) = words.recv() => if let Err(error) = client.try_send(word).await {
                break error.to_string();
            },
            next = client.next_of_any_kind() => match next {
                Some(Ok(Message::Text(text))) => note(&text),
                Some(Ok(Message::Close(frame))) => break format!("{frame:?}"),
                Some(Ok(_)) => {}
                other => break format!("{other:?}"),
            },
        }
    };
    seen.lock().expect("nobody panics with the lock").end = Some(end);
}

impl Obituary {
    fn of(value: &Value) -> Self {
        let number = |key: &str| value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"));
        let text = |key: &str| value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}")).to_owned();
        let boolean = |key: &str| value[key].as_bool().unwrap_or_else(|| panic!("{key} in {value}"));
        Self {
            id: number("closed"),
            code: u16::try_from(number("code")).expect("a close code has 16 bits"),
            reason: text("reason"),
            cause: text("cause"),
            clean: boolean("clean"),
            duration_ms: number("duration_ms"),
            messages_received: number("messages_received"),
            messages_sent: number("messages_sent"),
            attachment: text("attachment"),
            principal: value["principal"].as_str().map(str::to_owned),
            fresh: boolean("fresh"),
        }
    }
}
