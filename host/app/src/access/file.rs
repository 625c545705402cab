//! The file that says who is let in: by a token, or by a certificate.

use super::{ALONE, Credentials, Identity, Mark, Role};
use crate::token::{Token, TokenError, TokenHash, read_private};
use serde::Deserialize;
use socklet_core::TenantName;
use std::{collections::HashSet, fmt, path::Path, sync::Arc};

/// The most entries of a kind in a file: each is compared for each request.
const MAX_ENTRIES: usize = 1_000;
/// The largest file.
const MAX_FILE: u64 = 1 << 20;

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    token: Vec<TokenEntry>,
    #[serde(default)]
    certificate: Vec<CertificateEntry>,
}

/// Somebody with a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    name: String,
    token: Option<String>,
    hash: Option<String>,
    role: Role,
    tenant: Option<String>,
}

/// Somebody with a certificate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateEntry {
    name: String,
    fingerprint: Option<String>,
    san: Option<String>,
    subject: Option<String>,
    role: Role,
    tenant: Option<String>,
}

// === impl Credentials ===

impl Credentials {
    /// Adds those of a file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it. Nothing of what may be a secret is repeated.
    pub(crate) fn add_file(&mut self, path: &Path) -> Result<(), Vec<String>> {
        let shown = path.display();
        let File { token, certificate } = read(path)?;
        if token.is_empty() && certificate.is_empty() {
            return Err(vec![format!("{shown} has no token: write [[token]] with name, hash (or token) and role")]);
        }
        if token.len() > MAX_ENTRIES || certificate.len() > MAX_ENTRIES {
            return Err(vec![format!("{shown} has more than {MAX_ENTRIES} tokens or certificates")]);
        }
        let (mut problems, mut names) = (Vec::new(), HashSet::new());
        for (index, entry) in token.into_iter().enumerate() {
            match entry.parse() {
                Ok((_, identity)) if !names.insert(identity.name.clone()) => {
                    problems.push(format!("{shown}: there are two tokens with the name {}", identity.name));
                }
                Ok((hash, _)) if self.tokens.iter().any(|(other, _)| *other == hash) => {
                    problems.push(format!("{shown}: token {} is another one's, too", index + 1));
                }
                Ok(token) => self.tokens.push(token),
                Err(problem) => problems.push(format!("{shown}: token {}: {problem}", index + 1)),
            }
        }
        for (index, entry) in certificate.into_iter().enumerate() {
            match entry.parse() {
                Ok((_, identity)) if !names.insert(identity.name.clone()) => {
                    let name = &identity.name;
                    problems
                        .push(format!("{shown}: the name {name} of certificate {} is another one's, too", index + 1));
                }
                Ok((mark, _)) if self.certificates.iter().any(|(other, _)| *other == mark) => {
                    problems.push(format!("{shown}: certificate {} is another one's, too", index + 1));
                }
                Ok(certificate) => self.certificates.push(certificate),
                Err(problem) => problems.push(format!("{shown}: certificate {}: {problem}", index + 1)),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// What is in a file.
fn read(path: &Path) -> Result<File, Vec<String>> {
    let shown = path.display();
    let bytes = read_private(path, MAX_FILE + 1).map_err(|error: TokenError| vec![error.to_string()])?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(vec![format!("{shown} has more than {MAX_FILE} bytes")]);
    }
    let text = String::from_utf8(bytes).map_err(|_| vec![format!("{shown} is not UTF-8")])?;
    toml_edit::de::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        // Its message alone, and not what was written: it may be a secret.
        let message = error.message().replace('\n', ", ");
        let expected = message.split_once(", expected").filter(|(before, _)| !before.starts_with("unknown field"));
        let message = expected.map_or(message.clone(), |(_, rest)| format!("expected{rest}"));
        vec![format!("{shown}:{line}: {message}")]
    })
}

/// Somebody, by what an entry says.
fn identity(name: String, role: Role, tenant: Option<String>) -> Result<Arc<Identity>, String> {
    // The names of the audit log are like all other names.
    if name.parse::<TenantName>().is_err() || name == ALONE {
        return Err(format!("name: use 1 to 63 of a-z, 0-9, '-' and '_', and not {ALONE}"));
    }
    let tenant = tenant.map(|tenant| tenant.parse::<TenantName>()).transpose();
    let tenant = tenant.map_err(|error| format!("tenant: {error}"))?;
    Ok(Arc::new(Identity { name: name.into(), role, tenant }))
}

// === impl TokenEntry ===

impl TokenEntry {
    fn parse(self) -> Result<(TokenHash, Arc<Identity>), String> {
        let Self { name, token, hash, role, tenant } = self;
        let identity = identity(name, role, tenant)?;
        let hash = match (hash, token) {
            (Some(hash), None) => TokenHash::parse(&hash)
                .ok_or("hash: expected \"sha256:\" and the 64 hexadecimal digits of the token's SHA-256"),
            (None, Some(token)) => Token::parse(&token)
                .map(|token| token.hash())
                .ok_or("token: expected 16 to 4096 visible ASCII characters"),
            _ => Err("write one of hash and token"),
        }?;
        Ok((hash, identity))
    }
}

impl fmt::Debug for TokenEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenEntry").field("name", &self.name).finish_non_exhaustive()
    }
}

// === impl CertificateEntry ===

impl CertificateEntry {
    fn parse(self) -> Result<(Mark, Arc<Identity>), String> {
        let Self { name, fingerprint, san, subject, role, tenant } = self;
        let identity = identity(name, role, tenant)?;
        let mark = match (fingerprint, san, subject) {
            (Some(text), None, None) => {
                // As `openssl x509 -fingerprint -sha256` prints it, or plain.
                let digits = text.strip_prefix("sha256:").unwrap_or(&text).replace(':', "").to_ascii_lowercase();
                if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(
                        "fingerprint: expected the 64 hexadecimal digits of the certificate's SHA-256".to_owned()
                    );
                }
                Mark::Fingerprint(digits)
            }
            (None, Some(text), None) => {
                if !["DNS:", "IP:", "email:", "URI:"].iter().any(|kind| text.starts_with(kind)) {
                    return Err("san: expected DNS:, IP:, email: or URI: and the name".to_owned());
                }
                Mark::Name(text)
            }
            (None, None, Some(text)) if !text.is_empty() => Mark::Subject(text),
            _ => return Err("write one of fingerprint, san and subject".to_owned()),
        };
        Ok((mark, identity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Access, NotLetIn, Shown};
    use socklet_server::ClientCertificate;
    use std::{fs, os::unix::fs::PermissionsExt};

    const HASH: &str = "sha256:9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";

    fn read(text: &str) -> Result<Credentials, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut credentials = Credentials::default();
        let short = |problem: &String| problem.replace(&format!("{}/", folder.path().display()), "");
        credentials.add_file(&path).map_err(|problems| problems.iter().map(short).collect::<Vec<_>>())?;
        Ok(credentials)
    }

    fn token(text: &str) -> Shown<'_> {
        Shown { authorization: Some(text.as_bytes()), certificate: None }
    }

    #[test]
    fn tokens_have_names_roles_and_tenants() {
        let text = format!(
            "[[token]]\nname = \"watch\"\nhash = \"{HASH}\"\nrole = \"read\"\n\
             [[token]]\nname = \"acme\"\ntoken = \"another-token-of-acme\"\nrole = \"write\"\ntenant = \"acme\"\n"
        );
        let access = Access::new(read(&text).unwrap());
        let admit = |text: &str| access.admit(token(text), String::new);
        let watch = admit("Bearer 0123456789abcdef").unwrap();
        assert_eq!((&*watch.name, watch.role, &watch.tenant), ("watch", Role::Read, &None));
        let acme = admit("bearer another-token-of-acme").unwrap();
        assert_eq!((&*acme.name, acme.role, acme.tenant.as_ref().unwrap().as_str()), ("acme", Role::Write, "acme"));
        assert_eq!(admit("Bearer 0123456789abcdeg"), Err(NotLetIn::WrongToken));
        assert_eq!(admit("Basic 0123456789abcdef"), Err(NotLetIn::WrongToken));
        assert_eq!(admit("B"), Err(NotLetIn::WrongToken));
        assert_eq!(access.admit(Shown::default(), String::new), Err(NotLetIn::NoToken));
        assert!(access.still_has(&watch));
        access.set(read("[[token]]\nname = \"watch\"\ntoken = \"0123456789abcdef\"\nrole = \"write\"").unwrap());
        assert!(!access.still_has(&watch) && !access.still_has(&acme), "another role is another right");
        access.set(Credentials::default());
        assert_eq!(&*access.admit(Shown::default(), || "user 0".to_owned()).unwrap().name, "user 0");
    }

    #[test]
    fn certificates_are_known_by_what_is_most_exact() {
        let digits = "AB:".repeat(31) + "AB";
        let text = format!(
            "[[token]]\nname = \"watch\"\nhash = \"{HASH}\"\nrole = \"read\"\n\
             [[certificate]]\nname = \"ada\"\nsubject = \"CN=ada\"\nrole = \"read\"\n\
             [[certificate]]\nname = \"web\"\nsan = \"DNS:web.example\"\nrole = \"read\"\ntenant = \"acme\"\n\
             [[certificate]]\nname = \"key\"\nfingerprint = \"{digits}\"\nrole = \"write\"\n"
        );
        let access = Access::new(read(&text).unwrap());
        let admit = |certificate: &ClientCertificate, authorization: Option<&[u8]>| {
            let shown = Shown { authorization, certificate: Some(certificate) };
            access.admit(shown, String::new).map(|identity| identity.name.to_string())
        };
        let mut certificate = ClientCertificate {
            fingerprint: "ab".repeat(32),
            subject: Some("CN=ada".to_owned()),
            names: vec!["IP:192.0.2.1".to_owned(), "DNS:web.example".to_owned()],
        };
        assert_eq!(admit(&certificate, None), Ok("key".to_owned()));
        assert_eq!(
            admit(&certificate, Some(b"Bearer 0123456789abcdef")),
            Ok("watch".to_owned()),
            "a token counts first"
        );
        assert_eq!(admit(&certificate, Some(b"Bearer wrong")), Err(NotLetIn::WrongToken));
        certificate.fingerprint = "ac".repeat(32);
        assert_eq!(admit(&certificate, None), Ok("web".to_owned()));
        certificate.names.clear();
        assert_eq!(admit(&certificate, None), Ok("ada".to_owned()));
        certificate.subject = Some("CN=ada,O=Other".to_owned());
        assert_eq!(admit(&certificate, None), Err(NotLetIn::UnknownCertificate));
        let read_by = Access::new(read("[[certificate]]\nname = \"a\"\nsubject = \"CN=a\"\nrole = \"read\"").unwrap());
        assert_eq!(read_by.admit(Shown::default(), String::new), Err(NotLetIn::NoToken), "nobody is let in without");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_without_its_secrets() {
        let one = |more: &str| format!("[[token]]\nname = \"a\"\n{more}");
        let certificate = |more: &str| format!("[[certificate]]\nname = \"a\"\nrole = \"read\"\n{more}");
        for (text, told) in [
            (String::new(), "tokens.toml has no token: write [[token]] with name, hash (or token) and role"),
            (one("role = \"read\""), "tokens.toml: token 1: write one of hash and token"),
            (
                one("role = \"read\"\ntoken = \"secret\""),
                "tokens.toml: token 1: token: expected 16 to 4096 visible ASCII characters",
            ),
            (
                one("role = \"read\"\nhash = \"secret\""),
                "tokens.toml: token 1: hash: expected \"sha256:\" and the 64 hexadecimal digits of the token's SHA-256",
            ),
            (
                one("role = \"read\"\nhash = \"secret\"").replace("\"a\"", "\"token-file\""),
                "tokens.toml: token 1: name: use 1 to 63 of a-z, 0-9, '-' and '_', and not token-file",
            ),
            (
                one("role = \"read\"\ntoken = \"a-secret-of-some-length\"\ntenant = \"A\""),
                "tokens.toml: token 1: tenant: \"A\" is not a name: use 1 to 63 of a-z, 0-9, '-' and '_'",
            ),
            (one("role = \"admin\""), "tokens.toml:3: expected `read` or `write`"),
            (certificate(""), "tokens.toml: certificate 1: write one of fingerprint, san and subject"),
            (
                certificate("san = \"a.example\""),
                "tokens.toml: certificate 1: san: expected DNS:, IP:, email: or URI: and the name",
            ),
            (
                certificate("fingerprint = \"ab\""),
                "tokens.toml: certificate 1: fingerprint: expected the 64 hexadecimal digits of the certificate's SHA-256",
            ),
        ] {
            assert_eq!(read(&text).unwrap_err(), [told]);
        }
        let twice =
            |other: &str| format!("{}\n{}", one("role = \"read\"\ntoken = \"a-secret-of-some-length\""), one(other));
        let same_name = read(&twice("role = \"read\"\ntoken = \"another-secret-of-some-length\"")).unwrap_err();
        assert_eq!(same_name, ["tokens.toml: there are two tokens with the name a"]);
        let same = twice("role = \"read\"\ntoken = \"a-secret-of-some-length\"").replacen("\"a\"", "\"b\"", 1);
        assert_eq!(read(&same).unwrap_err(), ["tokens.toml: token 2 is another one's, too"]);
        let both =
            certificate("subject = \"CN=a\"") + "\n" + &certificate("subject = \"CN=a\"").replace("\"a\"", "\"b\"");
        assert_eq!(read(&both).unwrap_err(), ["tokens.toml: certificate 2 is another one's, too"]);
        let unknown = read(&one("role = \"read\"\ntoken = \"a-secret-of-some-length\"\nrole_of = 1")).unwrap_err();
        assert!(unknown[0].starts_with("tokens.toml:") && unknown[0].contains("role_of"), "{unknown:?}");
        assert!(!unknown[0].contains("secret"), "{unknown:?}");
        let broken = read("[[token]]\ntoken = \"a-secret-of-some-length").unwrap_err();
        assert!(!broken[0].contains("secret"), "{broken:?}");
    }
}
