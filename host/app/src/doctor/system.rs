//! The system: limits of the process, settings of the kernel, the clock.

use super::Finding;
use crate::{Config, assembly::engine_config, descriptors};
use rustix::process::{Resource, geteuid, getrlimit};
use std::{
    fs,
    path::Path,
    str::FromStr,
    time::{Duration, SystemTime},
};

/// Connections that the kernel keeps for a listener, as long as it allows so many.
const BACKLOG: u64 = 1024;
/// A clock that is further behind than the program is old is wrong; the file may come from a machine that is a little ahead.
const SKEW: Duration = Duration::from_secs(24 * 3600);

/// `root`: where `proc` is.
pub(super) fn examine(root: &Path, config: &Config) -> Vec<Finding> {
    let mut findings = vec![open_files(config), instances(config), user(), clock()];
    findings.extend(kernel(root));
    findings.push(page_scan());
    findings.extend(memory(root, config));
    findings
}

fn open_files(config: &Config) -> Finding {
    let needed = descriptors::needed(config.server.max_connections);
    match getrlimit(Resource::Nofile).maximum {
        Some(limit) if limit < needed => Finding::problem(
            "open files",
            format!("at most {limit}, and limits.max_connections needs {needed}"),
            "raise the hard limit (ulimit -Hn, LimitNOFILE) or lower limits.max_connections",
        ),
        Some(limit) => Finding::ok("open files", format!("at most {limit}, {needed} needed")),
        None => Finding::ok("open files", format!("no limit, {needed} needed")),
    }
}

fn instances(config: &Config) -> Finding {
    let (wanted, possible) = (config.engine.max_instances, engine_config(&config.engine).possible_instances());
    if possible < wanted {
        return Finding::problem(
            "instances",
            format!("the memory mappings that vm.max_map_count allows are enough for {possible} of {wanted}"),
            "raise it: sysctl -w vm.max_map_count=1048576; or lower engine.max_instances",
        );
    }
    Finding::ok("instances", format!("room for {wanted}"))
}

fn user() -> Finding {
    if geteuid().is_root() {
        return Finding::warning(
            "user",
            "root",
            "run it as a user of its own; for ports below 1024 it needs CAP_NET_BIND_SERVICE only",
        );
    }
    Finding::ok("user", "not root")
}

/// Certificates and tokens expire by it, ids of connections are made of it.
fn clock() -> Finding {
    let built = std::env::current_exe().and_then(fs::metadata).and_then(|file| file.modified());
    let now = SystemTime::now();
    match built {
        Ok(built) if now + SKEW < built => Finding::problem(
            "clock",
            "it is earlier than when this program was made",
            "set the clock, and have it kept (chrony, systemd-timesyncd)",
        ),
        _ => Finding::ok("clock", "not before this program was made"),
    }
}

fn kernel(root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, why) in [
        ("net/core/somaxconn", "it bounds the queue of every listener"),
        ("net/ipv4/tcp_max_syn_backlog", "it bounds handshakes that are going on"),
    ] {
        let Some(value) = setting::<u64>(root, name) else { continue };
        let name = name.replace('/', ".");
        findings.push(if value < BACKLOG {
            Finding::warning(
                &*name,
                format!("{value}; {why}"),
                format!("sysctl -w {name}={BACKLOG}, where many clients come at once"),
            )
        } else {
            Finding::ok(&*name, value.to_string())
        });
    }
    if let Some(mode) = setting::<u64>(root, "vm/overcommit_memory") {
        findings.push(if mode == 2 {
            Finding::problem(
                "vm.overcommit_memory",
                "2: address space is counted as if it were memory, and the engine reserves much of it",
                "sysctl -w vm.overcommit_memory=0",
            )
        } else {
            Finding::ok("vm.overcommit_memory", mode.to_string())
        });
    }
    findings
}

fn page_scan() -> Finding {
    if socklet_plugin::has_page_scan() {
        return Finding::ok("PAGEMAP_SCAN", "there");
    }
    Finding::warning(
        "PAGEMAP_SCAN",
        "this kernel has it not, so instances for single calls cost more",
        "Linux 6.7 or newer, where authenticators or the policy event matter",
    )
}

/// The limit of the control group, where there is one.
fn memory(root: &Path, config: &Config) -> Option<Finding> {
    let limit = fs::read_to_string(root.join("sys/fs/cgroup/memory.max")).ok()?.trim().parse::<u64>().ok()?;
    let compile = config.engine.compile_limits.memory;
    Some(if limit < compile {
        Finding::warning(
            "memory",
            format!("{} MiB for all, and engine.compile_memory alone is {} MiB", limit >> 20, compile >> 20),
            "give it more memory, or lower engine.compile_memory",
        )
    } else {
        Finding::ok("memory", format!("at most {} MiB", limit >> 20))
    })
}

fn setting<T: FromStr>(root: &Path, name: &str) -> Option<T> {
    fs::read_to_string(root.join("proc/sys").join(name)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn settings_of_the_kernel_are_judged() {
        let root = tempfile::tempdir().unwrap();
        let set = |name: &str, value: &str| {
            let path = root.path().join("proc/sys").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, value).unwrap();
        };
        assert!(kernel(root.path()).is_empty(), "what is not there is not judged");
        set("net/core/somaxconn", "128\n");
        set("net/ipv4/tcp_max_syn_backlog", "4096\n");
        set("vm/overcommit_memory", "2\n");
        let verdicts: Vec<_> =
            kernel(root.path()).into_iter().map(|finding| (finding.about, finding.verdict)).collect();
        let expected = [
            ("net.core.somaxconn", Verdict::Warning),
            ("net.ipv4.tcp_max_syn_backlog", Verdict::Ok),
            ("vm.overcommit_memory", Verdict::Problem),
        ];
        assert_eq!(verdicts, expected.map(|(about, verdict)| (about.to_owned(), verdict)));
    }

    #[test]
    fn the_limit_of_the_control_group_counts() {
        let root = tempfile::tempdir().unwrap();
        let config = Config::parse("[engine]\ncompile_memory = \"512MiB\"\n", "x.toml").unwrap();
        let limit = root.path().join("sys/fs/cgroup");
        fs::create_dir_all(&limit).unwrap();
        assert!(memory(root.path(), &config).is_none());
        for (max, verdict) in [("max", None), ("268435456", Some(Verdict::Warning)), ("1073741824", Some(Verdict::Ok))]
        {
            fs::write(limit.join("memory.max"), format!("{max}\n")).unwrap();
            assert_eq!(memory(root.path(), &config).map(|finding| finding.verdict), verdict, "{max}");
        }
    }
}
