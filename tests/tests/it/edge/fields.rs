//! Header fields by which proxies say who a request's client is.

use super::request;
use socklet_tests::{Connect, Server};

async fn server(header: &str, trusted: &str) -> Server {
    Server::start(&format!(
        "[[listener]]\nbind = '127.0.0.1:0'\ntrusted_proxies = ['{trusted}', '10.0.0.0/8']\nreal_ip_header = '{header}'\n\
         [[route]]\ndefault = true\nbehavior = 'main'\n[plugin.main]\nsource = 'guest:reporter'\n"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_are_told_of_the_client() {
    for (header, fields, ip, port, secure) in [
        ("x-forwarded-for", &[("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.0.0.7")][..], "203.0.113.9", 0, false),
        ("x-forwarded-for", &[("Forwarded", "for=203.0.113.9"), ("X-Real-IP", "203.0.113.9")], "127.0.0.1", 1, false),
        ("forwarded", &[("Forwarded", "for=\"[2001:db8::7]:4711\";proto=https")], "2001:db8::7", 4711, true),
        ("x-real-ip", &[("X-Real-IP", "203.0.113.9"), ("X-Forwarded-Proto", "https")], "203.0.113.9", 0, true),
    ] {
        let server = server(header, "127.0.0.1").await;
        let connect = fields.iter().fold(server.at("/"), |connect, (name, value)| connect.header(name, value));
        let (request, attributes) = request(&mut connect.open().await).await;
        assert_eq!(
            (request["client_ip"].as_str(), request["secure"].as_bool()),
            (Some(ip), Some(secure)),
            "{fields:?}"
        );
        if ip == "127.0.0.1" {
            assert!(
                request["client_port"].as_u64() > Some(1) && !attributes.contains_key("proxy.address"),
                "{fields:?}"
            );
        } else {
            assert_eq!(request["client_port"].as_u64(), Some(port), "{fields:?}");
            assert!(attributes["proxy.address"].starts_with("127.0.0.1:"), "{fields:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_is_believed() {
    let server = server("x-forwarded-for", "192.0.2.1").await;
    let connect = server.at("/").header("X-Forwarded-For", "203.0.113.9").header("X-Forwarded-Proto", "https");
    let (request, attributes) = request(&mut connect.open().await).await;
    assert_eq!((request["client_ip"].as_str(), request["secure"].as_bool()), (Some("127.0.0.1"), Some(false)));
    assert!(!attributes.contains_key("proxy.address"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_is_refused() {
    let server = server("x-forwarded-for", "127.0.0.1").await;
    for (name, value) in [("X-Forwarded-For", "nobody"), ("X-Forwarded-Proto", "gopher")] {
        let answer = server.at("/").header(name, value).answer().await;
        assert_eq!((answer.status, &*answer.body), (400, &*format!("the {name} field cannot be understood\n")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_unix_socket_and_behind_the_proxy_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&format!(
        "[[listener]]\nname = 'unix'\nbind = 'unix:{}'\ntrusted_proxies = ['unix', '10.0.0.0/8']\nreal_ip_header = 'x-forwarded-for'\n\
         [[listener]]\nname = 'both'\nbind = '127.0.0.1:0'\ntrusted_proxies = ['127.0.0.1', '10.0.0.0/8']\nproxy_protocol = 'v1'\n\
         real_ip_header = 'x-forwarded-for'\n\
         [[route]]\ndefault = true\nbehavior = 'main'\n[plugin.main]\nsource = 'guest:reporter'\n",
        folder.path().join("s").display()
    ))
    .await;
    let ask = async |connect: Connect| {
        let connect = connect.header("X-Forwarded-For", "203.0.113.9, 10.1.1.1");
        request(&mut connect.open().await).await.0["client_ip"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask(Connect::new(server.listener("unix"), "/")).await, "203.0.113.9");
    // The field is believed where whoever the header names is a proxy of ours, and not where it is a client.
    for (client, expected) in [("10.0.0.2", "203.0.113.9"), ("198.51.100.1", "198.51.100.1")] {
        let header = format!("PROXY TCP4 {client} 192.0.2.1 1 2\r\n");
        assert_eq!(ask(Connect::new(server.listener("both"), "/").first(header.as_bytes())).await, expected);
    }
}
