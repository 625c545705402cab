//! permessage-deflate on the wire: what is agreed on, what is compressed, and what is too much.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
use socklet_tests::{Connect, Server, Wire};

const FIELD: &str = "sec-websocket-extensions";

const ECHO: &str = "[[route]]\npath = '/'\nbehavior = 'm'\ncompression = true\n\
    [[route]]\npath = '/context'\nbehavior = 'm'\n\
    compression = { server_no_context_takeover = false, client_no_context_takeover = false }\n\
    [[route]]\npath = '/plain'\nbehavior = 'm'\n\
    [plugin.m]\nsource = 'stock:echo'\n";

/// What a client does with its messages, with a context that it takes over.
struct Context(Compress, Decompress);

impl Context {
    fn new() -> Self {
        Self(Compress::new(Compression::fast(), false), Decompress::new(false))
    }

    fn compress(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() + 64);
        self.0.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
        out.truncate(out.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().len());
        out
    }

    fn inflate(&mut self, compressed: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 << 20);
        let whole = [compressed, &[0, 0, 0xff, 0xff]].concat();
        self.1.decompress_vec(&whole, &mut out, FlushDecompress::Sync).unwrap();
        out
    }
}

fn text(turn: usize) -> String {
    format!("message {turn} of a series of messages that say the same thing again and again. ").repeat(5)
}

async fn deflating(connect: Connect) -> Wire {
    connect.header(FIELD, "permessage-deflate").wire().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compression_is_agreed_on_where_route_and_client_have_it() {
    let server = Server::start(ECHO).await;
    let alone = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for (path, offer, agreed) in [
        ("/", "permessage-deflate", alone),
        ("/", "permessage-deflate; client_max_window_bits", alone),
        ("/", "permessage-deflate; server_max_window_bits=8, permessage-deflate", alone),
        ("/", "permessage-deflate; server_max_window_bits=16", ""),
        ("/", "x-webkit-deflate-frame", ""),
        ("/context", "permessage-deflate; client_max_window_bits", "permessage-deflate"),
        ("/plain", "permessage-deflate", ""),
    ] {
        let answer = server.at(path).header(FIELD, offer).answer().await;
        assert_eq!((answer.status, answer.header(FIELD)), (101, agreed), "{path} {offer}");
    }
    let answer = server.at("/plain").header(FIELD, "permessage-deflate;").answer().await;
    assert_eq!(answer.status, 400);
    assert_eq!(server.at("/").answer().await.header(FIELD), "");
    let mut wire = server.at("/").wire().await;
    wire.frame(0xc1, &Context::new().compress(b"nobody agreed")).await;
    assert!(wire.expect_close(1002).await.starts_with("reserved bits"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_compressed_when_they_become_smaller() {
    let server = Server::start(ECHO).await;
    for (path, takeover) in [("/", false), ("/context", true)] {
        let mut wire = deflating(server.at(path)).await;
        let (mut context, mut sizes) = (Context::new(), Vec::new());
        for turn in 0..5 {
            if !takeover {
                context = Context::new();
            }
            wire.frame(0xc1, &context.compress(text(turn).as_bytes())).await;
            let echo = wire.next().await.unwrap();
            assert_eq!(echo.first, 0xc1, "{path}");
            assert_eq!(context.inflate(&echo.payload), text(turn).as_bytes(), "{path}");
            sizes.push(echo.payload.len());
        }
        assert!(sizes[0] < 150 && (sizes[4] < 50) == takeover, "{path} {sizes:?}");
        // Below the threshold of 256 bytes, and a ping.
        wire.frame(0x81, b"short").await;
        assert_eq!(wire.next().await.unwrap().first, 0x81);
        wire.frame(0x89, &[7; 125]).await;
        assert_eq!(wire.next().await.unwrap().first, 0x8a);
        wire.frame(0x88, &[0x03, 0xe8]).await;
        wire.expect_close(1000).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_follow_the_rules_is_closed() {
    let server = Server::start(ECHO).await;
    for (first, payload, code, reason) in [
        (0xc1, &[0x06][..], 1007, "not DEFLATE (RFC 7692, section 7.2)"),
        (0xc1, &[0x00, 0x02, 0x00, 0xfd, 0xff, 0x61, 0xff, 0x00], 1007, "text is not UTF-8"),
        (0xc9, &[], 1002, "reserved bits must be 0 (RFC 6455, section 5.2)"),
        (0xa1, &[], 1002, "reserved bits must be 0 (RFC 6455, section 5.2)"),
    ] {
        let mut wire = deflating(server.at("/")).await;
        wire.frame(first, payload).await;
        assert_eq!(wire.expect_close(code).await, reason);
    }
    assert_eq!(server.metric("socklet_protocol_errors_total{kind=\"not-deflate\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_go_off_at_the_limits() {
    let config = format!(
        "{ECHO}[[route]]\npath = '/large'\nbehavior = 'm'\ncompression = true\nlimits.max_message_size = '16MiB'\n"
    );
    let server = Server::start(&config).await;
    let bomb = Context::new().compress(&vec![0; 64 << 20]);
    for (path, kind) in [("/", "message-too-big"), ("/large", "inflated-too-far")] {
        let mut wire = deflating(server.at(path)).await;
        wire.frame(0x42, &bomb[..60_000]).await;
        assert_eq!(wire.expect_close(1009).await, "message too big");
        assert_eq!(server.metric(&format!("socklet_protocol_errors_total{{kind=\"{kind}\"}}")).await, 1.0);
    }
    let mut witness = deflating(server.at("/")).await;
    witness.frame(0x81, b"unharmed").await;
    assert_eq!(witness.next().await.unwrap().payload, b"unharmed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_many_reaches_each_as_it_has_agreed() {
    let config = "[[route]]\ndefault = true\nbehavior = 'm'\ninstance = 'shared'\n\
        compression = { server_no_context_takeover = false }\n[plugin.m]\nsource = 'guest:reporter'\n";
    let server = Server::start(config).await;
    let offers = ["", "permessage-deflate", "permessage-deflate; server_no_context_takeover"];
    let narrow = "permessage-deflate; server_no_context_takeover; server_max_window_bits=9";
    let mut wires = Vec::new();
    for offer in [&offers[..], &offers[1..], &[narrow]].concat() {
        let connect = server.at("/");
        let connect = if offer.is_empty() { connect } else { connect.header(FIELD, offer) };
        let mut wire = connect.wire().await;
        wire.frame(0x81, b"subscribe news").await;
        wire.next().await.unwrap();
        wires.push((wire, offer, Context::new()));
    }
    let mut talker = server.open("/").await;
    for turn in 0..3 {
        let news = text(turn);
        assert_eq!(talker.command(&format!("publish news {news}")).await, wires.len());
        let mut forms: Vec<(&str, Bytes)> = Vec::new();
        for (wire, offer, context) in &mut wires {
            let frame = wire.next().await.unwrap();
            if offer.is_empty() {
                assert_eq!((frame.first, &frame.payload[..]), (0x81, news.as_bytes()));
                continue;
            }
            assert_eq!(frame.first, 0xc1, "{offer}");
            assert_eq!(context.inflate(&frame.payload), news.as_bytes(), "{offer}");
            forms.push((*offer, frame.payload.into()));
        }
        let of = |wanted| forms.iter().filter(move |(offer, _)| *offer == wanted).map(|(_, form)| form.clone());
        let (shared, context): (Vec<_>, Vec<_>) = (of(offers[2]).collect(), of(offers[1]).collect());
        assert_eq!((shared.len(), context.len()), (2, 2));
        assert_eq!(shared[0], shared[1]);
        assert!(turn == 0 || context[0].len() < shared[0].len(), "{turn}");
    }
}
