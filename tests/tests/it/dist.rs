//! What is shipped fits the program: configurations, the unit, the image, completions. `make dist-test` tries the rest.

use socklet_tests::{command, finished, repository, stock};
use std::{collections::BTreeMap, fs, path::Path};

/// Where packages and images have the stock plugins.
const PLUGINS: &str = "file:/usr/lib/socklet/plugins/";

fn shipped(file: &str) -> String {
    fs::read_to_string(repository().join("host/dist").join(file)).unwrap()
}

/// The last word on each key of the unit.
fn unit() -> BTreeMap<String, String> {
    let text = shipped("systemd/socklet.service");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Where the package puts its files, as it is said in the manifest.
fn packaged(path: &str) -> bool {
    let manifest = fs::read_to_string(repository().join("host/app/Cargo.toml")).unwrap();
    let (folder, file) = path.rsplit_once('/').unwrap();
    manifest.lines().any(|line| line.contains(&format!("/{file}\", \"{}/\"", folder.trim_start_matches('/'))))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configurations_of_package_and_image_pass_their_check() {
    for file in ["socklet.toml", "image/socklet.toml"] {
        let text = shipped(file);
        assert!(text.contains(PLUGINS), "{file}");
        let built = format!("file:{}/", stock("echo").parent().unwrap().display());
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("socklet.toml"), text.replace(PLUGINS, &built)).unwrap();
        let mut check = command(&["check"], folder.path());
        check.env("XDG_CACHE_HOME", socklet_tests::target());
        let (code, out, err) = finished(check).await;
        assert_eq!((code, out.as_str()), (0, "ok: listeners 1, routes 1, plugins 1\n"), "{file}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_unit_starts_what_is_packaged() {
    let unit = unit();
    let [program, subcommand, config] = unit["ExecStart"].split(' ').collect::<Vec<_>>()[..] else {
        panic!("{unit:?}");
    };
    assert!(packaged(program) && packaged(config), "{program} {config}");
    assert!(!packaged("/usr/bin/socketl") && !packaged("/usr/sbin/socklet"));
    let (code, help, _) = finished(command(&[subcommand, "--help"], repository())).await;
    assert!(code == 0 && help.contains("SIGTERM"), "{help}");

    // The codes that a start again does not mend are those of the help.
    let (_, help, _) = finished(command(&["--help"], repository())).await;
    for (code, meaning) in [("2", "wrong arguments"), ("64", "bad configuration")] {
        assert!(unit["RestartPreventExitStatus"].split(' ').any(|listed| listed == code));
        assert!(help.contains(&format!("{code} {meaning}")), "{help}");
    }
    // The folder that the program takes for compiled plugins is the one that the unit makes.
    let cache = unit["Environment"].strip_prefix("XDG_CACHE_HOME=").unwrap();
    assert_eq!((Path::new(cache), unit["CacheDirectory"].as_str()), (Path::new("/var/cache"), "socklet"));
    assert_eq!(unit["CacheDirectoryMode"], "0700");
    let users = shipped("systemd/socklet.sysusers");
    assert!(users.contains(&format!("\nu {} ", unit["User"])) && unit["User"] == unit["Group"], "{users}");
}

#[test]
fn the_image_copies_what_is_made() {
    let image = shipped("image/Dockerfile");
    let build = shipped("build.sh") + &shipped("sbom.sh");
    let mut copied = 0;
    for line in image.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let words: Vec<_> = line.split(' ').filter(|word| !word.starts_with("--")).collect();
        for source in &words[..words.len() - 1] {
            let name = source.trim_end_matches("/*.wasm").trim_start_matches("bin/");
            assert!(build.contains(name), "nothing makes {source}");
            copied += 1;
        }
    }
    assert!(copied >= 5, "{image}");
    assert!(image.contains("\nENTRYPOINT [\"/usr/bin/socklet\"]\nCMD [\"serve\", \"/etc/socklet/socklet.toml\"]\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bash_completes_commands() {
    let (code, script, _) = finished(command(&["completion", "bash"], repository())).await;
    assert_eq!(code, 0);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("socklet"), script).unwrap();
    let mut bash = tokio::process::Command::new("bash");
    bash.args(["--norc", "-c", "source ./socklet && complete -p socklet"]).current_dir(folder.path());
    let (code, out, err) = finished(bash).await;
    assert!(code == 0 && out.trim_end().ends_with(" socklet"), "{out}{err}");
}
