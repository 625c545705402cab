//! Reads certificates and keys from files.

use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo, SecretDocument, pkcs5};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject};
use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
    path::Path,
};
use zeroize::Zeroizing;

/// The most that is read of a file: a hundred times what is in most of them.
const MAX: u64 = 1024 * 1024;

/// The permissions of everybody.
const EVERYBODY: u32 = 0o007;

/// Why a file has no key that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("{0}")]
    File(String),
    #[error("there is no private key in it; expected PEM, which begins with -----BEGIN PRIVATE KEY-----")]
    NoKey,
    #[error("there is more than one private key in it")]
    Several,
    #[error("the private key in it is damaged: {0}")]
    Damaged(String),
    #[error("the private key in it is encrypted; name the file with its password as key_password_file")]
    Encrypted,
    #[error("the private key in it is not encrypted; leave key_password_file out")]
    NotEncrypted,
    #[error(
        "the private key in it is encrypted in a way that is not served; expected PBES2 with AES, \
         as `openssl pkcs8 -topk8` writes it"
    )]
    OtherEncryption,
    /// Said of the file with the password.
    #[error("the password in it is not that of the private key")]
    WrongPassword,
    /// Said of the file with the password.
    #[error("{0}")]
    Password(String),
}

/// Reads a file. Says what is wrong otherwise.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    // Asked first: to open a pipe would wait.
    if !path.is_file() {
        return Err("there is no such file".to_owned());
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let failed = |error| format!("failed to read it: {error}");
    let mut file = File::open(path).map_err(failed)?.take(MAX + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX {
        return Err("it has more than 1MiB".to_owned());
    }
    Ok(bytes)
}

/// Whether everybody on the machine may read or write a file.
pub(super) fn is_for_everybody(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.mode() & EVERYBODY != 0)
}

/// The certificates in PEM, at least one. Says what is wrong otherwise.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("a certificate in it is damaged: {}", damage(&error)))?;
    if certificates.is_empty() {
        return Err(
            "there is no certificate in it; expected PEM, which begins with -----BEGIN CERTIFICATE-----".to_owned()
        );
    }
    Ok(certificates)
}

/// Reads a private key, encrypted exactly when there is a file with a password.
pub(super) fn key(path: &Path, password: Option<&Path>) -> Result<PrivateKeyDer<'static>, KeyError> {
    let pem = read(path).map_err(KeyError::File)?;
    let password = password.map(|path| {
        let bytes = read(path).map_err(KeyError::Password)?;
        // Editors end a file with a new line, and passwords do not.
        let end = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
        if end == 0 { Err(KeyError::Password("there is no password in it".to_owned())) } else { Ok((bytes, end)) }
    });
    let password = password.transpose()?;
    parse_key(&pem, password.as_ref().map(|(bytes, end)| &bytes[..*end]))
}

fn parse_key(pem: &[u8], password: Option<&[u8]>) -> Result<PrivateKeyDer<'static>, KeyError> {
    const ENCRYPTED: (&str, &str) = ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "-----END ENCRYPTED PRIVATE KEY-----");
    let text = str::from_utf8(pem).map_err(|_| KeyError::NoKey)?;
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(KeyError::OtherEncryption);
    }
    if let Some(begin) = text.find(ENCRYPTED.0) {
        let Some(password) = password else { return Err(KeyError::Encrypted) };
        let section = &text[begin..];
        let end = section.find(ENCRYPTED.1).ok_or_else(|| KeyError::Damaged("it has no end".to_owned()))?;
        return decrypt(&section[..end + ENCRYPTED.1.len()], password);
    }
    let mut keys = PrivateKeyDer::pem_slice_iter(pem);
    let key = match keys.next() {
        None => return Err(KeyError::NoKey),
        Some(Err(error)) => return Err(KeyError::Damaged(damage(&error))),
        Some(Ok(key)) => key,
    };
    if keys.next().is_some() {
        return Err(KeyError::Several);
    }
    if password.is_some() { Err(KeyError::NotEncrypted) } else { Ok(key) }
}

/// Opens an encrypted key (RFC 5958, section 3).
fn decrypt(pem: &str, password: &[u8]) -> Result<PrivateKeyDer<'static>, KeyError> {
    let damaged = |error: pkcs8::der::Error| KeyError::Damaged(error.to_string());
    let (_, document) = SecretDocument::from_pem(pem).map_err(damaged)?;
    let encrypted = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| KeyError::OtherEncryption)?;
    let key = encrypted.decrypt(password).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) => KeyError::WrongPassword,
        _ => KeyError::OtherEncryption,
    })?;
    // One wrong password of 256 looks right to the padding.
    if PrivateKeyInfo::try_from(key.as_bytes()).is_err() {
        return Err(KeyError::WrongPassword);
    }
    Ok(PrivateKeyDer::Pkcs8(key.as_bytes().to_vec().into()))
}

/// What is wrong with PEM, without a word of what is in it.
fn damage(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "it has no end".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "its first line is not complete".to_owned(),
        pem::Error::Base64Decode(_) => "it is not Base64".to_owned(),
        _ => "it is not PEM".to_owned(),
    }
}
