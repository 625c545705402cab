//! The section `[admin]`.

use super::{
    ConfigError, Environment,
    mistake::{Mistake, Mistakes, Place, Problems},
    reader::{Reader, Table},
    sections, tls,
};
use crate::{access::Credentials, token::Token};
use socklet_core::Rate;
use socklet_server::{Bind, ClientAuth, ListenerConfig, Tls};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The admin API to serve.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AdminPlan {
    pub(crate) bind: Bind,
    /// None: it speaks plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// Where each of its certificates is written.
    pub(crate) certificates: Vec<Place>,
    /// The one of `token_file`: what the commands of this machine show.
    pub(crate) token: Option<Token>,
    /// By what somebody is let in. Without any, everybody who reaches it: it is a UNIX socket.
    pub(crate) credentials: Credentials,
    /// How often a client may fail.
    pub(crate) failure_rate: Rate,
    /// Where components are kept that were sent; none: nowhere.
    pub(crate) uploads: Option<PathBuf>,
}

// === impl AdminPlan ===

impl AdminPlan {
    /// Whether two differ in more than who is let in and the certificates, which can change at any time.
    pub(crate) fn needs_restart(one: &Option<Self>, other: &Option<Self>) -> bool {
        let fixed = |plan: &Self| {
            let Self { bind, tls, certificates: _, token: _, credentials: _, failure_rate, uploads } = plan.clone();
            (bind, tls.is_some(), failure_rate, uploads)
        };
        one.as_ref().map(fixed) != other.as_ref().map(fixed)
    }

    /// Whether two let in the same. Where one is not there at all, that is another difference.
    pub(crate) fn same_credentials(one: &Option<Self>, other: &Option<Self>) -> bool {
        one.as_ref().zip(other.as_ref()).is_none_or(|(one, other)| one.credentials == other.credentials)
    }

    /// Whether two have the same TLS, whatever is in the files.
    pub(crate) fn same_tls(one: &Option<Self>, other: &Option<Self>) -> bool {
        one.as_ref().zip(other.as_ref()).is_none_or(|(one, other)| one.tls == other.tls)
    }
}

/// The admin API. None when there is none, or something is wrong with it.
pub(super) fn admin(table: &Table<'_>, folder: &Path) -> Option<AdminPlan> {
    let section = sections::Admin::read(table, None)?;
    let sections::Admin { bind, token_file, tokens_file, failure_rate, uploads_dir } = section;
    let mut credentials = Credentials::default();
    let token = token_file.and_then(|path| match Token::read(&folder.join(path)) {
        Ok(token) => Some(token),
        Err(error) => {
            table.wrong("token_file", error.to_string());
            None
        }
    });
    token.iter().for_each(|token| credentials.add_alone(token));
    if let Some(path) = tokens_file
        && let Err(problems) = credentials.add_file(&folder.join(path))
    {
        problems.into_iter().for_each(|problem| table.wrong("tokens_file", problem));
    }
    for (key, what) in [
        ("token_file", "guard with it"),
        ("tokens_file", "guard with it"),
        ("uploads_dir", "keep in it"),
        ("tls", "secure"),
    ] {
        if !table.has("bind") && table.has(key) {
            table.wrong(key, format!("there is nothing to {what}: write bind, too"));
        }
    }
    let tls = tls::tls(table, false, folder);
    let (tls, certificates) = tls.map_or((None, Vec::new()), |(tls, places)| (Some(tls), places));
    let asks = tls.as_ref().is_some_and(|tls| !matches!(tls.settings().client_auth, ClientAuth::None));
    if credentials.has_certificates() && !asks && (tls.is_some() || !table.has("tls")) {
        let message =
            "clients are not asked for the certificates in it; write client_auth and client_ca in [admin.tls]";
        table.wrong("tokens_file", message);
    }
    let bind = match bind? {
        // From the folder of the file, as its other paths; commands that look for the server may run anywhere.
        Bind::Unix(path) => {
            if table.has("tls") {
                table.wrong("bind", "TLS is for an address and port; a unix: path is for this machine's user alone");
            }
            let path = folder.join(path);
            Bind::Unix(std::path::absolute(&path).unwrap_or(path))
        }
        Bind::Systemd(_) => {
            table.wrong("bind", "sockets of systemd are for listeners; write unix: and a path, or an address and port");
            return None;
        }
        bind @ Bind::Tcp(_) => {
            if !table.has("token_file") && !table.has("tokens_file") {
                let message = "an address needs a token_file or a tokens_file, too; only a unix: path can do without";
                table.wrong("bind", message);
            }
            bind
        }
    };
    let uploads = uploads_dir.map(|path| folder.join(path));
    Some(AdminPlan { bind, tls, certificates, token, credentials, failure_rate, uploads })
}

/// Notes an address that somebody else has.
pub(super) fn addresses(table: &Table<'_>, plan: &AdminPlan, listeners: &[ListenerConfig], ops: Option<SocketAddr>) {
    let Bind::Tcp(address) = plan.bind else { return };
    if address.port() == 0 {
        return;
    }
    if let Some(listener) = listeners.iter().find(|listener| listener.bind == plan.bind) {
        table.wrong("bind", format!("the listener {} has this address; this needs one of its own", listener.name));
    }
    if ops == Some(address) {
        table.wrong("bind", "[ops] has this address; this needs one of its own");
    }
}

/// The admin API of a configuration file, whatever else is wrong with the file.
///
/// # Errors
///
/// When the file cannot be read, is not TOML or has no admin API, or with every mistake in that section.
pub(crate) fn find_admin(path: &Path) -> Result<AdminPlan, ConfigError> {
    let environment = Environment::of_process();
    let text = super::origin::text(path)?;
    let file = path.display().to_string();
    let document = super::document(&text, &file)?;
    let problems = Problems::default();
    let plan = {
        let reader = Reader::new(file.as_str().into(), &text, &environment, &problems);
        admin(&reader.root(document.as_table()).one("admin"), path.parent().unwrap_or(Path::new("")))
    };
    problems.into_result()?;
    let missing = || {
        let message = "missing: this server has no admin API; write [admin] with bind, or name the server with --admin";
        Mistakes::from(Mistake::new(Place::in_file(file.as_str().into(), 1, "admin.bind"), None, message))
    };
    Ok(plan.ok_or_else(missing)?)
}

#[cfg(test)]
mod tests {
    use crate::Config;
    use std::{fs, os::unix::fs::PermissionsExt};

    /// The mistakes of a section in a folder with a token, without the folder.
    fn mistakes(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str, mode| {
            fs::write(folder.path().join(name), text).unwrap();
            fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        write("token", "0123456789abcdef", 0o600);
        write("open", "0123456789abcdef", 0o644);
        write("short", "s3cret", 0o600);
        let without_folder = |text: String| text.replace(&format!("{}/", folder.path().display()), "");
        match Config::parse(text, folder.path().join("a.toml")) {
            Ok(config) => vec![without_folder(format!("{:?}", config.admin.map(|plan| (plan.bind, plan.token))))],
            Err(mistakes) => mistakes.iter().map(|mistake| without_folder(mistake.to_string())).collect(),
        }
    }

    #[test]
    fn a_socket_may_be_alone_and_an_address_needs_a_token() {
        for (text, told) in [
            ("", "None"),
            ("[admin]", "None"),
            ("[admin]\nbind = \"unix:s\"", "Some((Unix(\"s\"), None))"),
            ("[admin]\nbind = \"unix:s\"\ntoken_file = \"token\"", "Some((Unix(\"s\"), Some(Token(***))))"),
            ("[admin]\nbind = \"127.0.0.1:9\"\ntoken_file = \"token\"", "Some((Tcp(127.0.0.1:9), Some(Token(***))))"),
            (
                "[admin]\nbind = \"127.0.0.1:9\"",
                "a.toml:2: admin.bind = \"127.0.0.1:9\": an address needs a token_file or a tokens_file, too; only a unix: path can do without",
            ),
            (
                "[admin]\nuploads_dir = \"u\"",
                "a.toml:2: admin.uploads_dir = \"u\": there is nothing to keep in it: write bind, too",
            ),
            (
                "[admin]\nbind = \":9\"\ntokens_file = \"token\"",
                "a.toml:3: admin.tokens_file = \"token\": token:1: expected `=`",
            ),
            (
                "[admin]\ntoken_file = \"token\"",
                "a.toml:2: admin.token_file = \"token\": there is nothing to guard with it: write bind, too",
            ),
            (
                "[admin]\nbind = \":9\"\ntoken_file = \"nowhere\"",
                "a.toml:3: admin.token_file = \"nowhere\": there is no file nowhere",
            ),
            (
                "[admin]\nbind = \":9\"\ntoken_file = \"open\"",
                "a.toml:3: admin.token_file = \"open\": others than its owner can read or write open: chmod 600 open",
            ),
            (
                "[admin]\nbind = \":9\"\ntoken_file = \"short\"",
                "a.toml:3: admin.token_file = \"short\": short has no token: 16 to 4096 visible ASCII characters, on one line",
            ),
            (
                "[admin]\nbind = \"127.0.0.1:8080\"\ntoken_file = \"token\"",
                "a.toml:2: admin.bind = \"127.0.0.1:8080\": the listener default has this address; this needs one of its own",
            ),
            (
                "[ops]\nbind = \"127.0.0.1:9\"\n[admin]\nbind = \"127.0.0.1:9\"\ntoken_file = \"token\"",
                "a.toml:4: admin.bind = \"127.0.0.1:9\": [ops] has this address; this needs one of its own",
            ),
        ] {
            assert_eq!(mistakes(text), [told], "{text}");
        }
    }
}
