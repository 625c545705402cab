//! The host's side of a process that compiles: starts it, takes its answer, and ends it when its time is over or nobody waits.

use super::{
    ChildCompiler, CompilerError,
    answer::{self, Answer, NoAnswer},
    child::Job,
    ending,
    talk::{Patience, Talk, Talked},
};
use crate::{artifact::Origin, engine::Workshop, error::LoadError};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How often the end of a process is looked for that has closed its outputs.
const END: Duration = Duration::from_millis(2);
/// Threads of the compiler. Each has a function of its own at a time, so more of them take more memory.
const THREADS: usize = 4;

/// What a process of ours compiled and wrote into a pipe that nobody else has. There is no other way to make one.
pub(crate) struct Code(Vec<u8>);

/// A process. Ended and waited for when it is dropped.
struct Running {
    child: Child,
    /// It was waited for.
    ended: bool,
}

/// Compiles a component in a process of its own.
pub(super) fn run(
    compiler: &ChildCompiler,
    component: &[u8],
    workshop: &Workshop,
    canceled: &CancellationToken,
) -> Result<Code, LoadError> {
    let limits = compiler.limits;
    let cpu = limits.cpu.as_secs() + u64::from(limits.cpu.subsec_nanos() > 0);
    let job = Job { profile: workshop.profile, memory: limits.memory, cpu: cpu.max(1) };
    let patience = Patience { began: Instant::now(), limit: limits.wall, canceled };
    let mut running = start(compiler, job)?;
    let header = answer::component_header(component);
    let talk = Talk::new(&mut running.child, [&header, component])?;
    let talked = talk.finish(&patience)?;
    let status = running.wait(&patience)?;
    let Talked { said, complaints, .. } = talked;
    if !status.success() {
        return Err(ending::failed(status, &complaints, limits).into());
    }
    match answer::read(said, Origin::new(&workshop.engine, "").engine) {
        Ok(Answer::Compiled(code)) => Ok(Code(code)),
        Ok(Answer::Refused(reason)) => Err(LoadError::Compile(reason)),
        Err(NoAnswer::Garbage) => Err(CompilerError::Garbage { program: compiler.program.clone() }.into()),
        Err(NoAnswer::Foreign) => Err(CompilerError::Foreign { program: compiler.program.clone() }.into()),
    }
}

fn start(compiler: &ChildCompiler, job: Job) -> Result<Running, CompilerError> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let mut command = Command::new(&compiler.program);
    command
        .args(&compiler.arguments)
        .args(job.arguments())
        .env_clear()
        .env("RAYON_NUM_THREADS", threads.to_string())
        .current_dir("/")
        // Whatever it starts is ended with it.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().map_err(|source| CompilerError::Start { program: compiler.program.clone(), source })?;
    Ok(Running { child, ended: false })
}

// === impl Code ===

impl Code {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

// === impl Running ===

impl Running {
    fn wait(&mut self, patience: &Patience<'_>) -> Result<ExitStatus, CompilerError> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.ended = true;
                return Ok(status);
            }
            thread::sleep(patience.left()?.min(END));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
