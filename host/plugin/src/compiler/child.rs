//! What the process that compiles does: takes itself back, reads a component, compiles it, answers, ends.

use super::answer;
use crate::{
    artifact::{Artifact, Origin},
    engine::plain,
    precheck::MAX_SIZE,
    profile::Profile,
};
use rustix::{
    process::{Resource, Rlimit, Signal, getpriority_process, getrlimit, setpriority_process, setrlimit},
    thread::{set_name, set_no_new_privs},
};
use std::{
    fs,
    io::{self, Read},
    process, thread,
};

/// How much lower its priority is: as that of guests that compute for long. At 19 it would hardly run at all on a busy machine.
const NICE: i32 = 10;
/// Address space that does not become memory: the program itself, stacks, what the allocator reserves for each thread.
const UNUSED_SPACE: u64 = 1 << 30;
/// Open files. It has three, and looks at the system's files at the start.
const FILES: u64 = 16;

/// What it is told by its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) profile: Profile,
    /// Bytes.
    pub(super) memory: u64,
    /// Seconds.
    pub(super) cpu: u64,
}

/// Compiles one component, from the standard input to the standard output, under limits that it sets for itself. This is all that
/// the program does which [`ChildCompiler`](super::ChildCompiler) names: `arguments` are the ones after its own.
///
/// # Errors
///
/// When the arguments are not those of a host of this version, a limit cannot be set, or a pipe is closed. What the compiler has
/// against the component is an answer, and no error.
pub fn compile_as_child(arguments: &[String]) -> io::Result<()> {
    let job = Job::parse(arguments).ok_or_else(|| io::Error::other("only the server itself starts this"))?;
    job.restrict_process()?;
    let component = answer::read_component(&mut io::stdin(), MAX_SIZE)?;
    end_with_the_host()?;
    let engine = plain(job.profile).map_err(|error| io::Error::other(format!("{error:#}")))?;
    let compiled = Artifact::compile(&engine, &component).map_err(|error| format!("{error:#}"));
    let said = compiled.as_ref().map(Artifact::code).map_err(String::as_str);
    answer::write(&mut io::stdout(), Origin::new(&engine, "").engine, said)
}

/// The host keeps the standard input open for as long as it wants the answer.
fn end_with_the_host() -> io::Result<()> {
    let wait = || {
        let _ = io::stdin().read(&mut [0]);
        process::exit(1);
    };
    thread::Builder::new().name("socklet-host".into()).spawn(wait).map(drop)
}

// === impl Job ===

impl Job {
    pub(super) fn arguments(self) -> [String; 3] {
        [self.profile.to_string(), self.memory.to_string(), self.cpu.to_string()]
    }

    fn parse(arguments: &[String]) -> Option<Self> {
        let [profile, memory, cpu] = arguments else { return None };
        Some(Self { profile: profile.parse().ok()?, memory: memory.parse().ok()?, cpu: cpu.parse().ok()? })
    }

    /// For good: nothing of this can be taken back.
    fn restrict_process(self) -> io::Result<()> {
        // Only for lists of processes.
        let _ = set_name(c"socklet-compile");
        // The first that goes where the machine, or the container, has no memory left. Some systems do not let it.
        let _ = fs::write("/proc/self/oom_score_adj", "1000");
        #[cfg(target_os = "linux")]
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        set_no_new_privs(true)?;
        if getpriority_process(None)? < NICE {
            setpriority_process(None, NICE)?;
        }
        lower(Resource::Core, 0, 0)?;
        lower(Resource::Fsize, 0, 0)?;
        lower(Resource::Nofile, FILES, FILES)?;
        // A signal that tells what happened, and a second later one that cannot be ignored.
        lower(Resource::Cpu, self.cpu, self.cpu.saturating_add(1))?;
        lower(Resource::Data, self.memory, self.memory)?;
        let space = self.memory.saturating_add(UNUSED_SPACE);
        lower(Resource::As, space, space)
    }
}

/// Sets a limit, unless it is lower already.
fn lower(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let now = getrlimit(resource);
    let least = |limit: u64, now: Option<u64>| Some(now.map_or(limit, |now| now.min(limit)));
    let limit = Rlimit { current: least(current, now.current), maximum: least(maximum, now.maximum) };
    Ok(setrlimit(resource, limit)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_read_back() {
        let job = Job { profile: Profile::Medium, memory: 1 << 31, cpu: 120 };
        assert_eq!(Job::parse(&job.arguments()), Some(job));
        for bad in [&["lean", "1"][..], &["lean", "1", "1", "1"], &["huge", "1", "1"], &["lean", "-1", "1"]] {
            let bad: Vec<_> = bad.iter().map(|&argument| argument.to_owned()).collect();
            assert_eq!(Job::parse(&bad), None);
        }
    }
}
