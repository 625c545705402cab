//! The section `[admin]`.

use super::{
    ConfigError, Environment,
    mistake::{Mistake, Mistakes, Place, Problems},
    reader::{Reader, Table},
    sections,
};
use crate::token::Token;
use socklet_server::{Bind, ListenerConfig};
use std::{net::SocketAddr, path::Path};

/// The admin API to serve.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AdminPlan {
    pub(crate) bind: Bind,
    /// Without one everybody is let in who reaches it: it is a UNIX socket.
    pub(crate) token: Option<Token>,
}

/// The admin API. None when there is none, or something is wrong with it.
pub(super) fn admin(table: &Table<'_>, folder: &Path) -> Option<AdminPlan> {
    let sections::Admin { bind, token_file } = sections::Admin::read(table, None)?;
    let token = token_file.and_then(|path| match Token::read(&folder.join(path)) {
        Ok(token) => Some(token),
        Err(error) => {
            table.wrong("token_file", error.to_string());
            None
        }
    });
    if !table.has("bind") && table.has("token_file") {
        table.wrong("token_file", "there is nothing to guard with it: write bind, too");
    }
    let bind = match bind? {
        // From the folder of the file, as its other paths; commands that look for the server may run anywhere.
        Bind::Unix(path) => {
            let path = folder.join(path);
            Bind::Unix(std::path::absolute(&path).unwrap_or(path))
        }
        bind @ Bind::Tcp(_) => {
            if !table.has("token_file") {
                table.wrong("bind", "an address needs a token_file, too; only a unix: path can do without");
            }
            bind
        }
    };
    Some(AdminPlan { bind, token })
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
            Ok(config) => vec![without_folder(format!("{:?}", config.admin))],
            Err(mistakes) => mistakes.iter().map(|mistake| without_folder(mistake.to_string())).collect(),
        }
    }

    #[test]
    fn a_socket_may_be_alone_and_an_address_needs_a_token() {
        for (text, told) in [
            ("", "None"),
            ("[admin]", "None"),
            ("[admin]\nbind = \"unix:s\"", "Some(AdminPlan { bind: Unix(\"s\"), token: None })"),
            (
                "[admin]\nbind = \"unix:s\"\ntoken_file = \"token\"",
                "Some(AdminPlan { bind: Unix(\"s\"), token: Some(Token(***)) })",
            ),
            (
                "[admin]\nbind = \"127.0.0.1:9\"\ntoken_file = \"token\"",
                "Some(AdminPlan { bind: Tcp(127.0.0.1:9), token: Some(Token(***)) })",
            ),
            (
                "[admin]\nbind = \"127.0.0.1:9\"",
                "a.toml:2: admin.bind = \"127.0.0.1:9\": an address needs a token_file, too; only a unix: path can do without",
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
