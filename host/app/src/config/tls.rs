//! The sections `[listener.tls]` and `[admin.tls]`: their files are read and checked with the rest of the configuration.

use super::{mistake::Place, reader::Table, sections, words::ClientCertificates};
use socklet_server::{CertificateFiles, ClientAuth, Tls, TlsPart, TlsSettings};
use std::path::Path;

/// The TLS of a listener or of the admin API, and where each of its certificates is written. None when it is plain, or something is wrong with it.
pub(super) fn tls(owner: &Table<'_>, http2: bool, folder: &Path) -> Option<(Tls, Vec<Place>)> {
    if !owner.has("tls") {
        return None;
    }
    let table = owner.one("tls");
    let section = sections::ListenerTls::read(&table, None);
    let mut certificates = Vec::new();
    if ["cert", "key", "key_password_file"].into_iter().any(|key| table.has(key)) {
        certificates.push((certificate(&table, folder), table.clone()));
    }
    certificates.extend(table.many("certificates").into_iter().map(|more| (certificate(&more, folder), more)));
    if certificates.is_empty() && !table.has("certificates") {
        table.wrong_here("there is no certificate; write cert and key");
    }
    let section = section?;
    let client_auth = client_auth(&table, &section, folder);
    let (files, tables): (Vec<_>, Vec<_>) = certificates.into_iter().unzip();
    let certificates = files.into_iter().collect::<Option<Vec<_>>>().filter(|files| !files.is_empty())?;
    let settings = TlsSettings { certificates, client_auth: client_auth?, min_version: section.min_version, http2 };
    match Tls::load(settings) {
        Ok(tls) => Some((tls, tables.iter().map(|table| table.place("cert")).collect())),
        Err(problems) => {
            for problem in problems {
                let (table, key) = match problem.part {
                    TlsPart::Cert(index) => (&tables[index], "cert"),
                    TlsPart::Key(index) => (&tables[index], "key"),
                    TlsPart::KeyPassword(index) => (&tables[index], "key_password_file"),
                    TlsPart::ClientCa => (&table, "client_ca"),
                };
                let missing = !problem.path.is_file();
                let message =
                    if missing { format!("there is no file {}", problem.path.display()) } else { problem.what };
                table.wrong(key, message);
            }
            None
        }
    }
}

/// The files of one certificate. Both of them are needed.
fn certificate(table: &Table<'_>, folder: &Path) -> Option<CertificateFiles> {
    let sections::Certificate { cert, key, key_password_file } = sections::Certificate::read(table, None)?;
    for name in ["cert", "key"].into_iter().filter(|name| !table.has(name)) {
        table.wrong_here(format!("there is no {name}; a certificate needs cert and key"));
    }
    Some(CertificateFiles {
        cert: folder.join(cert?),
        key: folder.join(key?),
        key_password: key_password_file.map(|path| folder.join(path)),
    })
}

/// What is asked of clients. None when something is wrong with it.
fn client_auth(table: &Table<'_>, section: &sections::ListenerTls, folder: &Path) -> Option<ClientAuth> {
    let authorities = section.client_ca.as_ref().map(|path| folder.join(path));
    match (section.client_auth, authorities) {
        (ClientCertificates::None, None) => Some(ClientAuth::None),
        (ClientCertificates::Optional, Some(path)) => Some(ClientAuth::Optional(path)),
        (ClientCertificates::Required, Some(path)) => Some(ClientAuth::Required(path)),
        (ClientCertificates::None, Some(_)) => {
            if !table.has("client_auth") {
                table.wrong(
                    "client_ca",
                    "clients are not asked for a certificate; write client_auth = \"required\" or \"optional\", too",
                );
            } else {
                table.wrong(
                    "client_auth",
                    "clients are not asked for a certificate, and client_ca is of no use; leave it out",
                );
            }
            None
        }
        (ClientCertificates::Optional | ClientCertificates::Required, None) => {
            if !table.has("client_ca") {
                table.wrong(
                    "client_auth",
                    "certificates of clients need somebody who has signed them; write client_ca, too",
                );
            }
            None
        }
    }
}
