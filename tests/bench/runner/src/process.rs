//! Child processes: bound to a core, heard line by line with a deadline, ended when they are dropped.

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// How often a wait looks whether somebody wants to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Lines that are not heard yet.
const LINES: usize = 1024;
/// Of what a failed process has said, so much is shown.
const SHOWN: usize = 4096;

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// A child. It is killed when this is dropped, and by the kernel when this process dies.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: tempfile::NamedTempFile,
}

/// From here on SIGINT and SIGTERM end the wait that is going on, and with it everything.
pub(crate) fn listen_to_signals() -> anyhow::Result<()> {
    let flag = STOP.get_or_init(Arc::default);
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, flag.clone())?;
    }
    Ok(())
}

/// An error when somebody wants to stop.
pub(crate) fn check_stop() -> anyhow::Result<()> {
    match STOP.get() {
        Some(stop) if stop.load(Relaxed) => bail!("stopped by a signal"),
        _ => Ok(()),
    }
}

/// Waits, unless somebody wants to stop.
pub(crate) fn pause(time: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + time;
    loop {
        check_stop()?;
        match until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => return Ok(()),
            left => thread::sleep(left.min(LOOK)),
        }
    }
}

// === impl Process ===

impl Process {
    /// Starts a program on a core. `folder` is where it runs.
    pub(crate) fn start<A: AsRef<OsStr>>(
        name: &str,
        core: usize,
        program: &Path,
        arguments: &[A],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let errors = tempfile::NamedTempFile::new()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["exec", "--core", &core.to_string(), "--"]).arg(program).args(arguments).current_dir(folder);
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOCKLET_")) {
            command.env_remove(variable);
        }
        // A group of its own: Ctrl-C is for the runner, which ends its children in its own order.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(errors.path())?);
        let mut child = command.spawn().with_context(|| format!("failed to start {name}"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (sender, lines) = sync_channel(LINES);
        if let Some(output) = output {
            thread::spawn(move || forward(BufReader::new(output), &sender));
        }
        Ok(Self { name: name.to_owned(), child, input, lines, errors })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).context("a process has an id")?;
        kill_process(id, signal).with_context(|| self.report("ended"))
    }

    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until it ends.
    pub(crate) fn end(&mut self, patience: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + patience;
        while self.child.try_wait()?.is_none() {
            pause(LOOK)?;
            if Instant::now() > until {
                bail!(self.report("does not end"));
            }
        }
        Ok(())
    }

    /// Writes a line to its standard input.
    pub(crate) fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let Some(input) = &mut self.input else { bail!("{} does not listen", self.name) };
        let told = input.write_all(format!("{line}\n").as_bytes());
        told.with_context(|| self.report("ended"))
    }

    /// The next line of its standard output.
    pub(crate) fn line(&mut self, patience: Duration) -> anyhow::Result<String> {
        let until = Instant::now() + patience;
        loop {
            check_stop()?;
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Disconnected) => bail!(self.report("ended")),
                Err(RecvTimeoutError::Timeout) if Instant::now() > until => {
                    bail!(self.report(&format!("said nothing for {patience:?}")));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// What happened, with what it wrote to its standard error output.
    pub(crate) fn report(&self, what: &str) -> String {
        let errors = fs::read(self.errors.path()).unwrap_or_default();
        let tail = &errors[errors.len().saturating_sub(SHOWN)..];
        match String::from_utf8_lossy(tail).trim() {
            "" => format!("{} {what}", self.name),
            tail => format!("{} {what} and wrote: {tail}", self.name),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(lines: impl BufRead, to: &SyncSender<String>) {
    for line in lines.lines() {
        let Ok(line) = line else { return };
        if to.send(line).is_err() {
            return;
        }
    }
}
