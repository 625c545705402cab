//! A server with a guest that misbehaves, a witness, and neighbors whom that must not touch.

use socklet_tests::{Client, Obituary, Observer, Server};

/// The scene of a misbehavior.
pub(super) struct Stage {
    pub(super) server: Server,
    pub(super) witness: Observer,
    /// Another connection of the same route, on an instance of its own.
    beside: Client,
    /// A connection of another plugin.
    elsewhere: Client,
    /// The births that the witness must have seen.
    births: usize,
}

/// What a client is told when its instance died: nothing but where the log tells more.
const TOLD: &str = "plugin failed, event ";

impl Stage {
    /// A guest at `/guest`, with more of its section and of other sections behind it.
    pub(super) async fn new(guest: &str, more: &str) -> Self {
        let server = Server::start(&format!(
            r#"
            [[route]]
            path = "/guest"
            behavior = "guest"
            [[route]]
            path = "/elsewhere"
            behavior = "echo"
            [plugin.echo]
            source = "stock:echo"
            [plugin.guest]
            source = "guest:{guest}"
            {more}
            "#
        ))
        .await;
        let witness = server.observe("/guest").await;
        let beside = server.open("/guest?watch").await;
        let elsewhere = server.open("/elsewhere").await;
        let mut stage = Self { server, witness, beside, elsewhere, births: 0 };
        stage.beside.expect_text("watching").await;
        stage.born().await;
        stage
    }

    /// Connects to the guest; returns the connection's id, too.
    pub(super) async fn open(&mut self) -> (Client, u64) {
        let client = self.server.open("/guest").await;
        let id = self.born().await;
        (client, id)
    }

    /// The next birth.
    pub(super) async fn born(&mut self) -> u64 {
        self.births += 1;
        self.witness.birth().await
    }

    /// Says `text`, of which the instance dies, counted under `reason`.
    pub(super) async fn dies(&mut self, text: &str, reason: &str) {
        let counted = self.traps(reason).await;
        let (mut client, id) = self.open().await;
        client.send(text).await;
        self.buried(client, id).await;
        assert_eq!(self.traps(reason).await, counted + 1.0, "{text}");
    }

    /// The connection is closed with 1011, and its end is told to a fresh instance.
    pub(super) async fn buried(&self, mut client: Client, id: u64) -> Obituary {
        let reason = client.expect_close(1011).await;
        let event = reason.strip_prefix(TOLD).expect("the reason names an event");
        assert!(event.len() == 16 && event.chars().all(|digit| digit.is_ascii_hexdigit()), "{reason}");
        let end = self.witness.obituary(id).await;
        assert_eq!((end.code, end.reason.as_str(), end.cause.as_str()), (1011, &*reason, "plugin-failed"));
        assert!(end.fresh && end.clean, "{end:?}");
        end
    }

    /// Asks for an upgrade of which the instance dies: 500, counted under `reason`.
    pub(super) async fn upgrade_dies(&self, query: &str, reason: &str) {
        let counted = self.traps(reason).await;
        self.upgrade_fails(query).await;
        assert_eq!(self.traps(reason).await, counted + 1.0, "{query}");
    }

    /// Asks for an upgrade to which the plugin has no valid answer: 500.
    pub(super) async fn upgrade_fails(&self, query: &str) {
        let answer = self.server.at(&format!("/guest{query}")).answer().await;
        assert_eq!(answer.status, 500, "{query}");
        assert!(answer.body.starts_with("server error, event "), "{answer:?}");
    }

    /// Instances that died, by what killed them.
    pub(super) async fn traps(&self, reason: &str) -> f64 {
        self.server.metric(&format!("socklet_plugin_traps_total{{reason=\"{reason}\"}}")).await
    }

    /// Everybody else goes on, and of those who are gone nothing is left.
    pub(super) async fn others_go_on(mut self) {
        assert_eq!(self.elsewhere.ask("are you there").await, "are you there");
        // The witness has heard of everything that happened before its own message comes back.
        self.witness.is_served().await;
        assert_eq!(self.beside.close(1000, "").await.0, 1000);
        self.witness.settled(self.births).await;
        self.server.until_metric("socklet_connections", 2.0).await;
        self.server.until_metric("socklet_plugin_instances{state=\"live\"}", 2.0).await;
        assert_eq!(self.elsewhere.ask("still").await, "still");
        let (report, _) = tokio::join!(self.server.drain(), self.elsewhere.expect_close(1012));
        assert_eq!((report.closed, report.forced), (2, 0));
    }
}
