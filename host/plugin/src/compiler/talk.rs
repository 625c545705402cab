//! What is sent to a process that compiles and read from it, for as long as somebody waits, and without a thread more.

use super::{CompilerError, answer::HEADER};
use crate::artifact::MAX_ARTIFACT;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, ioctl_fionbio},
};
use std::{
    io::{self, Read, Write},
    os::fd::AsFd,
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// The longest that the process goes on when nobody waits for it any more.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes that are kept of what it complains of.
const COMPLAINTS: usize = 4 << 10;

/// For how long somebody waits.
pub(super) struct Patience<'a> {
    pub(super) began: Instant,
    pub(super) limit: Duration,
    pub(super) canceled: &'a CancellationToken,
}

/// A conversation with a process.
pub(super) struct Talk<'a> {
    /// What is still to be sent.
    send: [&'a [u8]; 2],
    /// Stays open after everything was sent: the process ends when it is closed.
    stdin: ChildStdin,
    /// None: it has been read to the end. So are the others.
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    said: Vec<u8>,
    complaints: Vec<u8>,
}

/// What a conversation came to.
pub(super) struct Talked {
    pub(super) said: Vec<u8>,
    pub(super) complaints: Vec<u8>,
    /// Still open.
    _stdin: ChildStdin,
}

// === impl Patience ===

impl Patience<'_> {
    /// The time that is left; an error when there is none, or nobody waits.
    pub(super) fn left(&self) -> Result<Duration, CompilerError> {
        if self.canceled.is_cancelled() {
            return Err(CompilerError::Canceled);
        }
        let left = self.limit.saturating_sub(self.began.elapsed());
        if left.is_zero() { Err(CompilerError::Time { limit: self.limit }) } else { Ok(left) }
    }
}

// === impl Talk ===

impl<'a> Talk<'a> {
    pub(super) fn new(child: &mut Child, send: [&'a [u8]; 2]) -> Result<Self, CompilerError> {
        let missing = || io::Error::other("a pipe is missing");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        // Writing would wait for as long as the process does not read.
        ioctl_fionbio(&stdin, true).map_err(io::Error::from)?;
        Ok(Self {
            send,
            stdin,
            stdout: Some(child.stdout.take().ok_or_else(missing)?),
            stderr: Some(child.stderr.take().ok_or_else(missing)?),
            said: Vec::new(),
            complaints: Vec::new(),
        })
    }

    /// Sends and reads until both outputs are closed.
    pub(super) fn finish(mut self, patience: &Patience<'_>) -> Result<Talked, CompilerError> {
        while self.stdout.is_some() || self.stderr.is_some() {
            self.step(patience.left()?.min(LOOK))?;
        }
        Ok(Talked { said: self.said, complaints: self.complaints, _stdin: self.stdin })
    }

    /// Waits for something that can be read or sent, and does that.
    fn step(&mut self, time: Duration) -> io::Result<()> {
        let unsent = self.send.iter().any(|part| !part.is_empty());
        let (mut fds, mut places) = (Vec::with_capacity(3), Vec::with_capacity(3));
        if let Some(stdout) = &self.stdout {
            fds.push(PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::IN));
            places.push(0);
        }
        if let Some(stderr) = &self.stderr {
            fds.push(PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::IN));
            places.push(1);
        }
        if unsent {
            fds.push(PollFd::from_borrowed_fd(self.stdin.as_fd(), PollFlags::OUT));
            places.push(2);
        }
        let timeout = Timespec::try_from(time).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = [false; 3];
        for (fd, place) in fds.iter().zip(places) {
            ready[place] = !fd.revents().is_empty();
        }
        let [stdout, stderr, stdin] = ready;
        if stdout && !read(&mut self.stdout, &mut self.said, HEADER + MAX_ARTIFACT as usize)? {
            return Err(io::Error::other("it says more than any answer has"));
        }
        if stderr {
            read(&mut self.stderr, &mut self.complaints, COMPLAINTS)?;
        }
        if stdin {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        let Some(part) = self.send.iter_mut().find(|part| !part.is_empty()) else { return Ok(()) };
        match self.stdin.write(part) {
            Ok(sent) => *part = &part[sent..],
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            // It does not listen any more: its end tells why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.send = [&[]; 2],
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Reads once: whether all of it was kept, or some is over the limit.
fn read(pipe: &mut Option<impl Read>, into: &mut Vec<u8>, limit: usize) -> io::Result<bool> {
    let Some(open) = pipe else { return Ok(true) };
    let mut buffer = [0; 64 << 10];
    match open.read(&mut buffer) {
        Ok(0) => *pipe = None,
        Ok(read) => {
            let room = limit.saturating_sub(into.len());
            into.extend_from_slice(&buffer[..read.min(room)]);
            return Ok(read <= room);
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    Ok(true)
}
