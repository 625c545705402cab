//! Sessions over a pair of sockets, with rustls at the other end; names; keys.

use super::{CertificateFiles, ClientAuth, Io, Tls, TlsAcceptor, TlsPart, TlsSettings, TlsVersion, stream::TlsStream};
use crate::connection::{Socket, Writer};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use socket2::SockRef;
use std::{
    fs,
    future::poll_fn,
    io::{self, IoSlice},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::Instant,
};
use tokio_rustls::{TlsConnector, client};

type Client = client::TlsStream<UnixStream>;

/// A folder with certificates that sign themselves.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes `NAME.pem` and `NAME.key` for hosts.
    fn certificate(&self, name: &str, hosts: &[&str]) -> CertificateFiles {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(hosts).unwrap().self_signed(&key).unwrap();
        self.write(&format!("{name}.pem"), &cert.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
        self.files(name)
    }

    fn files(&self, name: &str) -> CertificateFiles {
        let path = |end| self.0.path().join(format!("{name}.{end}"));
        CertificateFiles { cert: path("pem"), key: path("key"), key_password: None }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }
}

fn settings(certificates: Vec<CertificateFiles>) -> TlsSettings {
    TlsSettings { certificates, client_auth: ClientAuth::None, min_version: TlsVersion::V12, http2: false }
}

/// Trusts these certificates, and speaks one version.
fn trusting(files: &[CertificateFiles], version: &'static rustls::SupportedProtocolVersion) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for files in files {
        roots.add(CertificateDer::from_pem_file(&files.cert).unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// Both ends of a session whose server's socket takes little at a time.
async fn pair(version: &'static rustls::SupportedProtocolVersion) -> (TlsStream, Client) {
    let folder = Folder::new();
    let files = folder.certificate("a", &["a.example"]);
    let acceptor = TlsAcceptor::new(Tls::load(settings(vec![files.clone()])).unwrap());
    let (ours, theirs) = UnixStream::pair().unwrap();
    SockRef::from(&ours).set_send_buffer_size(4096).unwrap();
    let connector = trusting(&[files], version);
    let name = ServerName::try_from("a.example").unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let (accepted, connected) =
        tokio::join!(acceptor.accept(Io::Unix(ours), deadline), connector.connect(name, theirs));
    (accepted.unwrap().0, connected.unwrap())
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + index / 251) as u8).collect()
}

/// Writes everything as the outbox does: what is not written comes first the next time.
async fn write_all(writer: &mut Writer, mut segments: Vec<&[u8]>) {
    while !segments.is_empty() {
        let slices: Vec<_> = segments.iter().map(|segment| IoSlice::new(segment)).collect();
        let mut written = match writer.try_write(&slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll_fn(|cx| writer.poll_write(cx, &slices)).await.unwrap()
            }
            written => written.unwrap(),
        };
        assert!(written > 0);
        while written > 0 {
            let len = segments[0].len().min(written);
            written -= len;
            segments[0] = &segments[0][len..];
            if segments[0].is_empty() {
                segments.remove(0);
            }
        }
    }
}

#[tokio::test]
async fn what_is_written_in_pieces_arrives_whole() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (stream, mut client) = pair(version).await;
        let (_reader, mut writer) = stream.halves();
        let (head, body, rest) = (pattern(9), pattern(1_000_000), pattern(70_000));
        let sent = [&head[..], &body, &head, &rest];
        let write = async {
            write_all(&mut writer, sent.to_vec()).await;
            poll_fn(|cx| writer.poll_shutdown(cx)).await.unwrap();
        };
        let mut received = Vec::new();
        // Ends with our close_notify: without one this is an error.
        let (_, read) = tokio::join!(write, client.read_to_end(&mut received));
        assert_eq!(read.unwrap(), received.len());
        assert!(received == sent.concat());
    }
}

#[tokio::test]
async fn what_is_read_with_little_room_arrives_whole() {
    for room in [1, 1000, 100_000] {
        let (mut stream, mut client) = pair(&rustls::version::TLS13).await;
        let sent = pattern(150_000);
        let write = async {
            client.write_all(&sent).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let read = async {
            let (mut received, mut piece) = (Vec::new(), vec![0; room]);
            loop {
                match stream.read(&mut piece).await.unwrap() {
                    0 => break received,
                    read => received.extend_from_slice(&piece[..read]),
                }
            }
        };
        let (_, received) = tokio::join!(write, read);
        assert!(received == sent, "{room}");
    }
}

#[tokio::test]
async fn a_session_at_rest_holds_no_buffers() {
    let (mut stream, mut client) = pair(&rustls::version::TLS13).await;
    client.write_all(b"hello").await.unwrap();
    let mut hello = [0; 5];
    stream.read_exact(&mut hello).await.unwrap();
    stream.write_all(&pattern(1000)).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(stream.buffered(), 0);
    // Half a record stays, and nothing else.
    let (io, _) = client.get_mut();
    io.write_all(&[0x17, 3, 3, 0, 100, 1, 2, 3]).await.unwrap();
    let read = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut hello)).await;
    assert!(read.is_err());
    assert!((8..=64).contains(&stream.buffered()), "{}", stream.buffered());
}

#[tokio::test]
async fn both_sides_may_stop_to_send_before_the_other() {
    let (mut stream, mut client) = pair(&rustls::version::TLS13).await;
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    let mut last = Vec::new();
    stream.read_to_end(&mut last).await.unwrap();
    assert_eq!(last, b"last");
    stream.write_all(b"answer").await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(stream.write_all(b"more").await.is_err());
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
}

#[tokio::test]
async fn a_record_that_was_changed_ends_the_session_and_a_cut_is_told() {
    let (mut stream, mut client) = pair(&rustls::version::TLS13).await;
    client.get_mut().0.write_all(&[&[0x17, 3, 3, 0, 32][..], &[7; 32]].concat()).await.unwrap();
    let mut byte = [0];
    assert_eq!(stream.read(&mut byte).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(stream.read(&mut byte).await.unwrap(), 0);
    assert_eq!(stream.write(b"a").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    let error = client.read(&mut byte).await.unwrap_err();
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
    let (mut stream, client) = pair(&rustls::version::TLS12).await;
    drop(client.into_inner().0);
    assert_eq!(stream.read(&mut byte).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_certificate_is_chosen_by_its_names() {
    let folder = Folder::new();
    let files = [
        folder.certificate("a", &["a.example", "www.a.example"]),
        folder.certificate("b", &["*.b.example"]),
        folder.certificate("c", &["c.b.example"]),
    ];
    let acceptor = TlsAcceptor::new(Tls::load(settings(files.to_vec())).unwrap());
    for (asked, shown) in [
        ("a.example", 0),
        ("WWW.a.example", 0),
        ("x.b.example", 1),
        ("c.b.example", 2),
        ("y.x.b.example", 0),
        ("b.example", 0),
        ("127.0.0.1", 0),
    ] {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(anybody::Anybody))
            .with_no_client_auth();
        let name = ServerName::try_from(asked.to_owned()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let connector = TlsConnector::from(Arc::new(config));
        let (accepted, connected) =
            tokio::join!(acceptor.accept(Io::Unix(ours), deadline), connector.connect(name, theirs));
        let connected = connected.unwrap();
        let certificate = &connected.get_ref().1.peer_certificates().unwrap()[0];
        assert_eq!(*certificate, CertificateDer::from_pem_file(&files[shown].cert).unwrap(), "{asked}");
        let told: Vec<_> = accepted.unwrap().1.attributes().collect();
        let host = told.iter().find(|(name, _)| name == "tls.server-name").map(|(_, host)| host.to_lowercase());
        assert_eq!(host, (asked != "127.0.0.1").then(|| asked.to_lowercase()));
    }
}

#[test]
fn what_is_wrong_with_files_is_told_by_file() {
    let folder = Folder::new();
    let a = folder.certificate("a", &["a.example"]);
    folder.certificate("b", &["b.example"]);
    let (cert, key) = (folder.read("a.pem"), folder.read("a.key"));
    folder.write("password", "secret\n");
    for (name, cert_text, key_text, part, what) in [
        ("key", cert.clone(), folder.read("b.key"), TlsPart::Key(0), "is not that of the certificate"),
        ("empty", String::new(), key.clone(), TlsPart::Cert(0), "there is no certificate in it; expected PEM"),
        (
            "der",
            "\u{30}\u{82}".to_owned(),
            key.clone(),
            TlsPart::Cert(0),
            "there is no certificate in it; expected PEM",
        ),
        ("cut", cert[..cert.len() / 2].to_owned(), key.clone(), TlsPart::Cert(0), "damaged: it has no end"),
        ("base64", cert.replace("MII", "!!!"), key.clone(), TlsPart::Cert(0), "damaged: it is not Base64"),
        ("asn1", cert.replacen("MII", "AII", 1), key.clone(), TlsPart::Cert(0), "cannot be read"),
        ("order", folder.read("b.pem") + &cert, key.clone(), TlsPart::Cert(0), "is the 2. in it"),
        ("nokey", cert.clone(), cert.clone(), TlsPart::Key(0), "there is no private key in it"),
        ("cutkey", cert.clone(), key[..key.len() / 2].to_owned(), TlsPart::Key(0), "damaged: it has no end"),
        ("twokeys", cert.clone(), key.repeat(2), TlsPart::Key(0), "more than one private key"),
        ("badkey", cert.clone(), key.replacen("MI", "AI", 1), TlsPart::Key(0), "cannot be used"),
    ] {
        folder.write(&format!("{name}.pem"), &cert_text);
        folder.write(&format!("{name}.key"), &key_text);
        let problems = Tls::load(settings(vec![folder.files(name)])).unwrap_err();
        assert_eq!(problems.len(), 1, "{name}: {problems:?}");
        assert_eq!(problems[0].part, part, "{name}: {problems:?}");
        assert!(problems[0].what.contains(what), "{name}: {problems:?}");
        assert!(!format!("{problems:?}").contains("MII"), "{problems:?}");
    }
    let with_password = CertificateFiles { key_password: Some(folder.0.path().join("password")), ..a.clone() };
    let problems = Tls::load(settings(vec![with_password])).unwrap_err();
    assert!(problems[0].what.contains("is not encrypted"), "{problems:?}");
    // All of them at once.
    let missing = TlsSettings {
        client_auth: ClientAuth::Required(folder.0.path().join("nobody.pem")),
        ..settings(vec![a.clone(), folder.files("nowhere")])
    };
    let parts: Vec<_> = Tls::load(missing).unwrap_err().into_iter().map(|problem| problem.part).collect();
    assert_eq!(parts, [TlsPart::Cert(1), TlsPart::Key(1), TlsPart::ClientCa]);
}

#[test]
fn a_change_of_any_file_is_noticed_and_a_certificate_out_of_its_time_too() {
    let folder = Folder::new();
    let files = folder.certificate("a", &["a.example"]);
    let tls = Tls::load(settings(vec![files.clone()])).unwrap();
    assert_eq!(*tls.stamps(), tls.settings().stamps());
    folder.certificate("a", &["a.example"]);
    assert_ne!(*tls.stamps(), tls.settings().stamps());
    let again = tls.again().unwrap();
    assert_eq!(*again.stamps(), again.settings().stamps());
    assert!(tls == again && !tls.is(&again));
    fs::remove_file(&files.key).unwrap();
    assert_ne!(*again.stamps(), again.settings().stamps());
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
    assert!(tls.untimely(past, None)[0].what.contains("a.example: it is not valid before 1975-01-01T00:00:00Z"));
    assert_eq!(tls.untimely(past, Some(&tls)), []);
    assert_eq!(tls.untimely(past, Some(&again)).len(), 1, "another certificate");
    assert_eq!(tls.untimely(SystemTime::now(), None), []);
}

#[tokio::test]
async fn tickets_survive_a_new_certificate_and_not_new_rules_for_clients() {
    let folder = Folder::new();
    let files = folder.certificate("a", &["a.example"]);
    let ca = folder.certificate("ca", &["ca.example"]).cert;
    let acceptor = TlsAcceptor::new(Tls::load(settings(vec![files.clone()])).unwrap());
    let connector = trusting(std::slice::from_ref(&files), &rustls::version::TLS13);
    let connect = async || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let name = ServerName::try_from("a.example").unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let (accepted, connected) =
            tokio::join!(acceptor.accept(Io::Unix(ours), deadline), connector.connect(name, theirs));
        let (mut stream, _, outcome) = accepted.unwrap();
        // Tickets come with what is sent first.
        stream.write_all(b"a").await.unwrap();
        connected.unwrap().read_u8().await.unwrap();
        outcome
    };
    assert_eq!((connect().await, connect().await), ("ok", "resumed"));
    acceptor.install(acceptor.current().again().unwrap());
    assert_eq!(connect().await, "resumed");
    let asking = TlsSettings { client_auth: ClientAuth::Optional(ca), ..settings(vec![files]) };
    acceptor.install(Tls::load(asking).unwrap());
    assert_eq!((connect().await, connect().await), ("ok", "resumed"));
}

/// Lets every server pass.
mod anybody {
    use rustls::{
        DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, UnixTime},
    };

    #[derive(Debug)]
    pub(super) struct Anybody;

    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
        }
    }
}
