//! Components are compiled by a process of their own: what it may use, how it ends, and that nothing is left of it.

use rustix::process::{Pid, Signal, kill_process};
use socklet_plugin::{
    ChildCompiler, CompileLimits, Compiler, CompilerError, EngineConfig, LoadError, PluginConfig, Plugins,
};
use socklet_tests::{Process, binary, command, eventually, stock, within};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Child,
};

/// What the process may use where a test does not say otherwise.
const LIMITS: CompileLimits =
    CompileLimits { memory: 1 << 30, cpu: Duration::from_secs(60), wall: Duration::from_secs(60) };

/// Memory of the server that does not depend on what is compiled.
const OWN_MEMORY: u64 = 128 << 20;

/// A component of 72 KiB that passes every check before compilation, and takes the compiler a minute and 2 GiB: thousands of loops,
/// then thousands of locals, each of which has to be looked for in all of the loops.
fn expensive() -> Vec<u8> {
    const LOCALS: usize = 1_000;
    const LOOPS: usize = 10_000;
    // loop, local.get 0, br_if 0, end
    let mut body = [&[1][..], &number(LOCALS), &[0x7f], &[0x03, 0x40, 0x20, 0, 0x0d, 0, 0x0b].repeat(LOOPS)].concat();
    for local in 0..LOCALS {
        // local.get, drop
        body.extend([&[0x20][..], &number(local), &[0x1a]].concat());
    }
    body.push(0x0b);
    let code = [&[1][..], &number(body.len()), &body].concat();
    let module = [b"\0asm\x01\0\0\0", &section(1, &[1, 0x60, 0, 0])[..], &section(3, &[1, 0]), &section(10, &code)];
    let name = "socklet:plugin/behavior@0.1.0";
    let export = [&[1, 0, name.len() as u8][..], name.as_bytes(), &[5, 0, 0]].concat();
    let sections =
        [section(1, &module.concat()), section(2, &[1, 0, 0, 0]), section(5, &[1, 1, 0]), section(11, &export)];
    [&b"\0asm\x0d\0\x01\0"[..], &sections.concat()].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &number(content.len()), content].concat()
}

/// A number as LEB128.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A folder with the expensive component and a configuration that loads it.
fn folder(engine: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bomb.wasm"), expensive()).unwrap();
    let text = format!(
        "[[listener]]\nbind = '127.0.0.1:0'\n[plugin.bomb]\nsource = 'file:bomb.wasm'\n[engine]\ncache_dir = 'cache'\n{engine}\n"
    );
    fs::write(folder.path().join("socklet.toml"), text).unwrap();
    folder
}

/// `socklet` in a folder, with pipes.
fn spawn(arguments: &[&str], folder: &Path) -> Child {
    command(arguments, folder).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A host in this process, with a cache of its own.
struct Host {
    plugins: Plugins,
    folder: TempDir,
}

impl Host {
    fn new(program: impl Into<PathBuf>, arguments: &[&str], limits: CompileLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugins = plugins(&folder.path().join("cache"), program, arguments, limits);
        Self { plugins, folder }
    }

    /// As the binary does it.
    fn real(limits: CompileLimits) -> Self {
        Self::new(binary(), &["compile-component"], limits)
    }

    /// Loads the expensive component.
    async fn load(&self) -> LoadError {
        let source = self.folder.path().join("bomb.wasm");
        fs::write(&source, expensive()).unwrap();
        within("a load", self.plugins.load(plugin(source))).await.unwrap_err()
    }
}

fn plugins(cache: &Path, program: impl Into<PathBuf>, arguments: &[&str], limits: CompileLimits) -> Plugins {
    let mut config = EngineConfig::new(cache.to_owned());
    config.max_instances = 16;
    config.guest_threads = 1;
    let arguments = arguments.iter().map(Into::into).collect();
    config.compiler = Compiler::Child(ChildCompiler { program: program.into(), arguments, limits });
    Plugins::new(config, &mut Default::default()).unwrap()
}

fn plugin(source: PathBuf) -> PluginConfig {
    PluginConfig {
        name: "main".parse().unwrap(),
        source: source.into(),
        digest: None,
        settings: Default::default(),
        limits: Default::default(),
        grants: Default::default(),
        stateless: false,
        fleeting: false,
        recycle_calls: None,
        recycle_memory: None,
        saved_state_max: 1 << 20,
        on_swap: Default::default(),
    }
}

fn pid(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().unwrap()).unwrap()
}

/// A field of `/proc/PID/status`, without its unit; none when there is no such process any more.
fn status(process: u32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(value.trim().trim_end_matches(" kB").to_owned())
}

/// Whether nothing is left of a process. Where nobody waits for the orphans of others, its entry is.
fn is_gone(process: u32) -> bool {
    status(process, "State").is_none_or(|state| state.starts_with('Z'))
}

/// The process that compiles for `parent`, once it has read the component. `memory` tells those of this process apart.
async fn compiling(parent: u32, memory: u64) -> u32 {
    let mut found = None;
    let is_it = |process: u32| {
        let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        status(process, "PPid") == Some(parent.to_string())
            && status(process, "Name").is_some_and(|name| name == "socklet-compile")
            && arguments.split(|byte| *byte == 0).any(|argument| argument == memory.to_string().as_bytes())
            // The compiler's own threads have started.
            && status(process, "Threads").is_some_and(|threads| threads.parse::<u32>().unwrap() > 2)
    };
    eventually("a process that compiles", async || {
        let processes =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        found = processes.into_iter().find(|process| is_it(*process));
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_memory_is_refused_and_is_not_the_servers() {
    let folder = folder("compile_memory = '256MiB'");
    let mut check = spawn(&["check"], folder.path());
    let process = check.id().unwrap();
    let mut most = 0;
    eventually("the end of a check", async || {
        let now = status(process, "VmHWM").map_or(0, |kib| kib.parse::<u64>().unwrap() << 10);
        most = most.max(now);
        check.try_wait().unwrap().is_some()
    })
    .await;
    let mut told = String::new();
    check.stderr.take().unwrap().read_to_string(&mut told).await.unwrap();
    assert_eq!(check.wait().await.unwrap().code(), Some(64), "{told}");
    let expected = "plugin.bomb.source: failed to compile the component: it takes more than 268435456 bytes of memory, the limit is \
                    compile_memory";
    assert!(told.contains(expected), "{told}");
    assert!((1..OWN_MEMORY).contains(&most), "{most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_time_is_refused() {
    let folder = folder("compile_timeout = '1s'");
    let began = Instant::now();
    let output = within("a check", command(&["check"], folder.path()).output()).await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{told}");
    assert!(told.contains("1s") && told.contains("the limit is compile_timeout"), "{told}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());

    let error = Host::real(CompileLimits { cpu: Duration::from_secs(1), ..LIMITS }).load().await;
    assert!(matches!(error, LoadError::Compiler(CompilerError::Cpu { .. })), "{error}");
    let error = Host::real(CompileLimits { wall: Duration::from_millis(200), ..LIMITS }).load().await;
    assert!(matches!(error, LoadError::Compiler(CompilerError::Time { .. })), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_compiled_needs_no_process_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let first = plugins(&cache, binary(), &["compile-component"], LIMITS);
    first.load(plugin(stock("echo"))).await.unwrap();
    first.load(plugin(stock("basic_auth"))).await.unwrap();
    let mut for_events = plugin(stock("echo"));
    for_events.fleeting = true;
    first.load(for_events).await.unwrap();

    let second = plugins(&cache, "/does/not/exist", &[], LIMITS);
    second.load(plugin(stock("echo"))).await.unwrap();
    second.load(plugin(stock("basic_auth"))).await.unwrap();
    let error = second.load(plugin(stock("chat"))).await.unwrap_err();
    assert!(matches!(error, LoadError::Compiler(CompilerError::Start { .. })), "{error}");
    assert!(error.to_string().contains("/does/not/exist"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_serves_what_its_process_compiled() {
    let fragment = "[[route]]\npath = '/'\nbehavior = 'echo'\n[plugin.echo]\nsource = 'stock:echo'\n[engine]\ncache_dir = 'cache'\n";
    let server = Process::start(fragment).await;
    assert_eq!(server.open("/").await.ask("hello").await, "hello");
    assert_eq!(fs::read_dir(server.folder().join("cache")).unwrap().count(), 2, "the key and a component");
    let (code, log) = server.terminate().await;
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_programs_are_no_compilers() {
    let wall = CompileLimits { wall: Duration::from_millis(300), ..LIMITS };
    for (program, arguments, limits, words) in [
        ("/bin/true", &[][..], LIMITS, "/bin/true is not the compiler of this host"),
        ("/bin/cat", &["/dev/null"], LIMITS, "failed to compile"),
        ("/bin/sh", &["-c", "echo '\u{1b}[1mno' >&2; exit 3"], LIMITS, "ended with exit status: 3: no"),
        ("/bin/sh", &["-c", "kill -9 $$"], LIMITS, "ended with signal: 9 (SIGKILL)"),
        ("/bin/sh", &["-c", "sleep 1000"], wall, "longer than 300ms"),
        ("/bin/sh", &["-c", "exec >&- 2>&-; sleep 1000"], wall, "longer than 300ms"),
        ("/bin/sh", &["-c", "cat > /dev/null; yes"], wall, "compile"),
    ] {
        let error = Host::new(program, arguments, limits).load().await;
        assert!(matches!(error, LoadError::Compiler(_)), "{arguments:?}: {error}");
        assert!(error.to_string().contains(words), "{arguments:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_killed_is_an_error() {
    let limits = CompileLimits { memory: LIMITS.memory + 1, ..LIMITS };
    let host = Host::real(limits);
    let kill = async {
        let child = compiling(std::process::id(), limits.memory).await;
        kill_process(pid(child), Signal::KILL).unwrap();
        child
    };
    let (error, child) = tokio::join!(host.load(), kill);
    assert!(error.to_string().contains("the process that compiles ended with signal: 9 (SIGKILL)"), "{error}");
    assert!(status(child, "State").is_none(), "it was waited for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_nobody_waits_for_ends_its_process() {
    let limits = CompileLimits { memory: LIMITS.memory + 2, ..LIMITS };
    let load = tokio::spawn(async move { Host::real(limits).load().await });
    let child = compiling(std::process::id(), limits.memory).await;
    load.abort();
    eventually("the end of a process, waited for", async || status(child, "State").is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_has_little_and_ends_with_the_server() {
    let folder = folder("");
    let mut check = spawn(&["check"], folder.path());
    let child = compiling(check.id().unwrap(), 2 << 30).await;
    let of = |file: &str| fs::read_to_string(format!("/proc/{child}/{file}")).unwrap();
    assert_eq!(of("environ").split_terminator('\0').count(), 1, "{}", of("environ"));
    assert_eq!(fs::read_link(format!("/proc/{child}/cwd")).unwrap(), Path::new("/"));
    for entry in fs::read_dir(format!("/proc/{child}/fd")).unwrap() {
        let number = entry.unwrap().file_name().into_string().unwrap();
        let open = |process: &str| fs::read_link(format!("/proc/{process}/fd/{number}")).ok();
        // Beside its pipes, what the whole family has from whoever started this test.
        let inherited = open("self") == open(&child.to_string());
        assert!(["0", "1", "2"].contains(&&*number) || inherited, "{number}: {:?}", open(&child.to_string()));
    }
    assert_eq!(status(child, "NoNewPrivs").unwrap(), "1");
    assert_eq!(of("oom_score_adj").trim(), "1000");
    let limits = of("limits");
    let limit = |name: &str| limits.lines().find_map(|line| line.strip_prefix(name)).unwrap().split_whitespace().next();
    for (name, soft) in [
        ("Max data size", "2147483648"),
        ("Max address space", "3221225472"),
        ("Max cpu time", "300"),
        ("Max file size", "0"),
        ("Max core file size", "0"),
    ] {
        assert_eq!(limit(name), Some(soft), "{limits}");
    }
    check.kill().await.unwrap();
    eventually("the end of an orphan", async || is_gone(child)).await;

    let mut serve = spawn(&["serve"], folder.path());
    let child = compiling(serve.id().unwrap(), 2 << 30).await;
    kill_process(pid(serve.id().unwrap()), Signal::TERM).unwrap();
    assert_eq!(within("the end of a server", serve.wait()).await.unwrap().code(), Some(0));
    eventually("the end of its process", async || is_gone(child)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_compiler_has_against_a_component_is_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["compile-component", "lean", "268435456", "60"];
    let mut child = command(&arguments, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&[&9_u64.to_le_bytes()[..], b"no module"].concat()).await.unwrap();
    let output = within("an answer", child.wait_with_output()).await.unwrap();
    drop(stdin);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout[16], 1, "a refusal");
    assert!(output.stdout.len() > 25 && output.stderr.is_empty());
}
