//! The binary as operators run it, in a process of its own.

use crate::{
    Answer, Client, Connect, Metrics, Observer, PATIENCE, Wire, binary, eventually,
    server::get,
    setup::{self, Setup},
    within,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use socklet_server::Bind;
use std::{
    env, fs,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

/// A running `socklet`. Killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: u32,
    listeners: Vec<(String, Bind)>,
    ops: SocketAddr,
    admin: Option<String>,
    out: Lines,
    log: Lines,
    folder: tempfile::TempDir,
}

/// What a process has written to one of its outputs.
#[derive(Debug)]
struct Lines {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// `socklet` with arguments, in a folder, without any `SOCKLET_*` of the environment.
pub fn command(arguments: &[&str], folder: &Path) -> Command {
    program(&binary(), arguments, folder)
}

/// As [`command`], for any program.
fn program(program: &Path, arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOCKLET_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end: exit code, standard output, standard error output.
///
/// # Panics
///
/// When a signal ends it, or it takes too long.
pub async fn finished(command: Command) -> (i32, String, String) {
    finished_in(PATIENCE, command).await
}

/// As [`finished`], for commands that may take longer.
pub async fn finished_in(patience: Duration, mut command: Command) -> (i32, String, String) {
    let output = timeout(patience, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{command:?}: not within {patience:?}"));
    let output = output.expect("the binary can be started");
    let text = |bytes| String::from_utf8(bytes).expect("outputs are text");
    (output.status.code().expect("it ends by itself"), text(output.stdout), text(output.stderr))
}

impl Process {
    /// `socklet serve` with a configuration, completed as [`crate::Server::start`] does; returns when it serves.
    pub async fn start(fragment: &str) -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary folder can be made"), fragment).await
    }

    /// As [`Process::start`], in a folder that has files already.
    pub async fn start_in(folder: tempfile::TempDir, fragment: &str) -> Self {
        let Setup { text, variables } = Setup::of(fragment);
        fs::write(folder.path().join("socklet.toml"), text).expect("a configuration can be written");
        Self::spawn(&["serve"], variables, folder).await
    }

    /// As [`Process::start_in`], by a shell that does something first, such as to set limits.
    pub async fn start_limited(folder: tempfile::TempDir, fragment: &str, first: &str) -> Self {
        let Setup { text, variables } = Setup::of(fragment);
        fs::write(folder.path().join("socklet.toml"), text).expect("a configuration can be written");
        let script = format!("{first}; exec {} serve", binary().display());
        let shell = program(Path::new("sh"), &["-c", &script], folder.path());
        Self::started(shell, variables, folder).await
    }

    /// Writes another configuration. It is read when the server reloads.
    pub fn configure(&self, fragment: &str) {
        let text = Setup::of(fragment).text;
        fs::write(self.folder().join("socklet.toml"), text).expect("a configuration can be written");
    }

    /// Sends SIGHUP and waits until that is done, with this outcome.
    pub async fn reload(&self, outcome: &str) {
        let metric = format!("socklet_config_reloads_total{{outcome=\"{outcome}\"}}");
        let reloads = self.metric(&metric).await;
        self.signal(Signal::HUP);
        self.until_metric(&metric, reloads + 1.0).await;
    }

    /// Writes another configuration and reloads it.
    pub async fn reload_with(&self, fragment: &str) {
        self.configure(fragment);
        self.reload("ok").await;
    }

    /// Runs `socklet` with arguments in the folder of the server: exit code, standard output, standard error output.
    pub async fn command(&self, arguments: &[&str]) -> (i32, String, String) {
        finished(command(arguments, self.folder())).await
    }

    /// `socklet run` with arguments; the address is left to the system unless they say `--listen`.
    pub async fn run(arguments: &[&str]) -> Self {
        let mut all = vec!["run"];
        all.extend(arguments);
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        Self::spawn(&all, setup::variables(""), folder).await
    }

    /// `socklet dev` in the folder of a project, on an address of the system's choice; returns when it serves.
    pub async fn dev(folder: tempfile::TempDir) -> Self {
        Self::spawn(&["dev", "--listen", "127.0.0.1:0"], setup::variables(""), folder).await
    }

    async fn spawn(arguments: &[&str], variables: Vec<(String, String)>, folder: tempfile::TempDir) -> Self {
        Self::started(command(arguments, folder.path()), variables, folder).await
    }

    async fn started(mut command: Command, variables: Vec<(String, String)>, folder: tempfile::TempDir) -> Self {
        let mut child = command
            .envs(variables)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        let pid = child.id().expect("it has just been started");
        let out = Lines::of(child.stdout.take().expect("its output is a pipe"));
        let log = Lines::of(child.stderr.take().expect("its log is a pipe"));
        // The last line of all, and the outputs are complete lines.
        eventually("the addresses of a server", async || {
            let ended = child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "it ended with {ended:?}: {}", log.text());
            out.text().contains("operators: http://")
        })
        .await;
        let text = out.text();
        let find = |start: &str| text.lines().filter_map(|line| line.trim().strip_prefix(start)).collect::<Vec<_>>();
        let listener = |line: &str| {
            let (name, bind) = line.split_once(": ").expect("a listener has a name and an address");
            (name.to_owned(), bind.parse().expect("a listener has an address"))
        };
        let listeners = find("listener ").into_iter().map(listener).collect();
        let admin = find("admin: ").first().map(|address| (*address).to_owned());
        let ops = find("operators: http://")[0].split('/').next().and_then(|ops| ops.parse().ok());
        let ops = ops.expect("operators have an address");
        Self { child, pid, listeners, ops, admin, out, log, folder }
    }

    /// The first listener's address.
    pub fn address(&self) -> &Bind {
        &self.listeners[0].1
    }

    /// A listener's address.
    ///
    /// # Panics
    ///
    /// When there is none of this name.
    pub fn listener(&self, name: &str) -> &Bind {
        let found = self.listeners.iter().find(|(listener, _)| listener == name);
        &found.unwrap_or_else(|| panic!("no listener {name}")).1
    }

    /// The first listener's URL with a path, for clients that are programs.
    pub fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address())
    }

    /// A request to the first listener.
    pub fn at(&self, path: &str) -> Connect {
        Connect::new(self.address(), path)
    }

    /// Connects to the first listener.
    pub async fn open(&self, path: &str) -> Client {
        self.at(path).open().await
    }

    /// Watches a route whose behavior is a guest; the path has no query.
    pub async fn observe(&self, path: &str) -> Observer {
        Observer::connect(self.at(&format!("{path}?watch"))).await
    }

    /// A plain request for a path of the first listener.
    pub async fn get(&self, path: &str) -> Answer {
        get(self.address(), path).await
    }

    /// A plain request for a path of the operators' listener.
    pub async fn get_ops(&self, path: &str) -> Answer {
        get(&Bind::Tcp(self.ops), path).await
    }

    /// The operators' listener.
    pub fn ops(&self) -> Bind {
        Bind::Tcp(self.ops)
    }

    /// The address of the admin API, as `--admin` takes it.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn admin(&self) -> &str {
        self.admin.as_deref().expect("the configuration has an admin API")
    }

    /// A request to the admin API: its first line but for the version, more of its head, a body.
    pub async fn ask_admin(&self, line: &str, head: &str, body: &[u8]) -> Answer {
        let address = self.admin();
        let bind = address.strip_prefix("http://").unwrap_or(address).parse().expect("an address");
        let length = body.len();
        let head = format!("{line} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n{head}\r\n");
        let mut wire = Wire::connect(&bind).await;
        wire.write(head.as_bytes()).await;
        wire.write(body).await;
        wire.answer().await
    }

    /// A request to the admin API with a token (none where it is empty), a body and its type: the status, and the answer, which is JSON.
    pub async fn api(&self, token: &str, line: &str, media_type: &str, body: &[u8]) -> (u16, Value) {
        let mut head = String::new();
        for (name, value) in [("content-type: ", media_type), ("authorization: Bearer ", token)] {
            if !value.is_empty() {
                head += &format!("{name}{value}\r\n");
            }
        }
        let answer = self.ask_admin(line, &head, body).await;
        let json = serde_json::from_str(&answer.body);
        (answer.status, json.unwrap_or_else(|error| panic!("{line}: {error}: {}", answer.body)))
    }

    /// What is counted.
    pub async fn metrics(&self) -> Metrics {
        Metrics::new(self.get_ops("/metrics").await.body)
    }

    /// One metric, as [`Metrics::get`].
    pub async fn metric(&self, metric: &str) -> f64 {
        self.metrics().await.get(metric)
    }

    /// Waits until a metric has a value.
    pub async fn until_metric(&self, metric: &str, value: f64) {
        eventually(&format!("{metric} is {value}"), async || self.metric(metric).await == value).await;
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        self.out.text()
    }

    /// Waits until it has printed a text.
    pub async fn until_printed(&self, text: &str) {
        eventually(&format!("{text:?} printed"), async || self.printed().contains(text)).await;
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits until it has logged a text, and returns all of the log.
    pub async fn until_log(&self, text: &str) -> String {
        eventually(&format!("{text:?} in the log"), async || self.log().contains(text)).await;
        self.log()
    }

    /// The folder that it runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Bytes of memory that are its own at this moment (VmRSS).
    pub fn rss(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("memory is a number of KiB");
        kib << 10
    }

    /// Open file descriptors.
    pub fn fds(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).expect("it runs").count()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(pid, signal).expect("it runs");
    }

    /// Sends SIGTERM and waits for the end; returns the exit code and the log.
    pub async fn terminate(self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        self.wait().await
    }

    /// Waits for the end; returns the exit code and the log.
    pub async fn wait(mut self) -> (Option<i32>, String) {
        let status = within("the end of a process", self.child.wait()).await.expect("a child can be waited for");
        if let Some(reader) = self.log.reader.take() {
            within("the end of a log", reader).await.expect("reading does not panic");
        }
        (status.code(), self.log.text())
    }
}

impl Lines {
    fn of(pipe: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let text = Arc::<Mutex<String>>::default();
        let reader = tokio::spawn({
            let text = text.clone();
            async move {
                let mut lines = BufReader::new(pipe).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let mut text = text.lock().expect("nobody panics with the lock");
                    text.push_str(&line);
                    text.push('\n');
                }
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.text.lock().expect("nobody panics with the lock").clone()
    }
}
