//! The order among routes, as tables; and patterns against a matcher that tries them all.

use super::{path::Segment, path::Shape, *};
use http::{HeaderMap, HeaderName, HeaderValue};
use socklet_core::ListenerName;

const WEB: &str = "web";

fn route(name: &'static str, hosts: &[&str], path: &str) -> RouteEntry<&'static str> {
    let path = match path.strip_prefix('~') {
        Some(regex) => PathPattern::regex(regex).unwrap(),
        None if path.is_empty() => PathPattern::default(),
        None => PathPattern::parse(path).unwrap(),
    };
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    RouteEntry { name: name.to_owned(), listeners: vec![], hosts, path, headers: vec![], value: name }
}

fn with(mut route: RouteEntry<&'static str>, headers: &[(&str, &str)], listeners: &[&str]) -> RouteEntry<&'static str> {
    route.headers = headers.iter().map(|(name, value)| HeaderCondition::new(name, value).unwrap()).collect();
    route.listeners = listeners.iter().map(|name| name.parse().unwrap()).collect();
    route
}

fn listener(name: &str) -> ListenerName {
    name.parse().unwrap()
}

fn fields(fields: &[(&str, &str)]) -> HeaderMap {
    let field =
        |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    fields.iter().map(field).collect()
}

/// The route's name, and its captures as `name=value`.
fn find(table: &RouteTable<&'static str>, host: &str, path: &str) -> Option<(&'static str, Vec<String>)> {
    let (name, captures) = table.lookup(&listener(WEB), host, path, &HeaderMap::new())?;
    Some((name, captures.iter().map(|(name, value)| format!("{name}={value}")).collect()))
}

#[test]
fn hosts() {
    let table = RouteTable::new(vec![
        route("every", &[], "/a"),
        route("below", &["*.example.com"], "/a"),
        route("deeper", &["*.sub.example.com"], "/a"),
        route("exact", &["example.com", "other.example", "example.com"], "/a"),
        route("leaf", &["x.sub.example.com"], "/a"),
        route("leaf b", &["x.sub.example.com"], "/b"),
        route("below b", &["*.example.com"], "/b"),
        route("six", &["[::1]"], "/a"),
    ])
    .unwrap();
    let long = format!("{}example.com", "a.".repeat(121));
    let too_long = format!("{}example.com", "a.".repeat(122));
    for (host, path, expected) in [
        ("example.com", "/a", Some("exact")),
        ("EXAMPLE.com.", "/a", Some("exact")),
        ("other.example", "/a", Some("exact")),
        ("a.example.com", "/a", Some("below")),
        ("a.b.example.com", "/a", Some("below")),
        ("notexample.com", "/a", Some("every")),
        (".example.com", "/a", Some("every")),
        ("sub.example.com", "/a", Some("below")),
        ("y.sub.example.com", "/a", Some("deeper")),
        ("x.sub.example.com", "/a", Some("leaf")),
        ("x.sub.example.com", "/b", Some("leaf b")),
        ("y.sub.example.com", "/b", Some("below b")),
        ("[::1]", "/a", Some("six")),
        ("", "/a", Some("every")),
        ("example.com", "/b", None),
        (&long, "/a", Some("below")),
        (&too_long, "/a", Some("every")),
    ] {
        assert_eq!(find(&table, host, path).map(|(name, _)| name), expected, "{host} {path}");
    }
}

#[test]
fn a_host_comes_before_a_path() {
    let table = RouteTable::new(vec![
        route("every exact", &[], "/a"),
        route("below default", &["*.example.com"], ""),
        route("below prefix", &["*.example.com"], "/{*rest}"),
        route("exact default", &["x.example.com"], ""),
    ])
    .unwrap();
    for (host, expected) in
        [("x.example.com", "exact default"), ("y.example.com", "below prefix"), ("example.com", "every exact")]
    {
        assert_eq!(find(&table, host, "/a").unwrap().0, expected);
    }
}

#[test]
fn paths() {
    let table = RouteTable::new(vec![
        route("default", &[], ""),
        route("regex 1", &[], r"~/(?<year>\d{4})(/(?<month>\d\d))?/list"),
        route("regex 2", &[], r"~/(?<any>\d+)/list|/a|/ab"),
        route("root", &[], "/"),
        route("files", &[], "/files/{*rest}"),
        route("deep files", &[], "/files/deep/{*rest}"),
        route("named files", &[], "/{folder}/deep/{*rest}"),
        route("room", &[], "/rooms/{room}"),
        route("rooms", &[], "/rooms/"),
        route("lobby", &[], "/rooms/lobby"),
        route("room users", &[], "/rooms/{room}/users/{user}"),
        route("any users", &[], "/{kind}/lobby/users"),
        route("json", &[], "/rooms/{room}.json"),
        route("x json", &[], "/rooms/x{room}.json"),
        route("x", &[], "/rooms/x{room}"),
        route("braces", &[], "/{{x}}"),
        route("percent", &[], "/100%"),
        route("double", &[], "/double//slash"),
        route("rooms file", &[], "/files/{name}/info"),
    ])
    .unwrap();
    for (path, expected, captures) in [
        ("/", "root", &[][..]),
        ("", "default", &[]),
        ("*", "default", &[]),
        ("/nothing", "default", &[]),
        ("/2024/list", "regex 1", &["year=2024"]),
        ("/2024/12/list", "regex 1", &["year=2024", "month=12"]),
        ("/24/list", "regex 2", &["any=24"]),
        ("/a", "regex 2", &[]),
        ("/ab", "regex 2", &[]),
        ("/abc", "default", &[]),
        ("/x/2024/list", "default", &[]),
        ("/2024/list/", "default", &[]),
        ("/files", "default", &[]),
        ("/files/", "files", &["rest="]),
        ("/files/a", "files", &["rest=a"]),
        ("/files/a/b/", "files", &["rest=a/b/"]),
        ("/files/../etc", "files", &["rest=../etc"]),
        ("/files/a/info", "rooms file", &["name=a"]),
        ("/files/deep", "files", &["rest=deep"]),
        ("/files/deep/", "deep files", &["rest="]),
        ("/files/deep/er/x", "deep files", &["rest=er/x"]),
        ("/other/deep/x", "named files", &["folder=other", "rest=x"]),
        ("/rooms", "default", &[]),
        ("/rooms/", "rooms", &[]),
        ("/rooms//", "default", &[]),
        ("/rooms/lobby", "lobby", &[]),
        ("/rooms/lobby/", "default", &[]),
        ("/rooms/7", "room", &["room=7"]),
        ("/rooms/é /", "default", &[]),
        ("/rooms/é ü", "room", &["room=é ü"]),
        ("/rooms/7.json", "json", &["room=7"]),
        ("/rooms/.json", "room", &["room=.json"]),
        ("/rooms/x7.json", "x json", &["room=7"]),
        ("/rooms/x.json", "json", &["room=x"]),
        ("/rooms/x7", "x", &["room=7"]),
        ("/rooms/x", "room", &["room=x"]),
        ("/rooms/7/users/ada", "room users", &["room=7", "user=ada"]),
        ("/rooms/lobby/users/ada", "room users", &["room=lobby", "user=ada"]),
        ("/rooms/lobby/users", "any users", &["kind=rooms"]),
        ("/{x}", "braces", &[]),
        ("/100%", "percent", &[]),
        ("/double//slash", "double", &[]),
        ("/double/slash", "default", &[]),
    ] {
        let (name, captured) = find(&table, "example.com", path).unwrap();
        assert_eq!(
            (name, captured.iter().map(String::as_str).collect::<Vec<_>>()),
            (expected, captures.into()),
            "{path}"
        );
    }
}

#[test]
fn header_fields_and_listeners() {
    let table = RouteTable::new(vec![
        route("plain", &[], "/a"),
        with(route("one", &[], "/a"), &[("X-Version", "1")], &[]),
        with(route("two", &[], "/a"), &[("x-version", "2")], &[]),
        with(route("beta", &[], "/a"), &[("x-beta", "yes")], &[]),
        with(route("one beta", &[], "/a"), &[("x-version", "1"), ("x-beta", "yes")], &[]),
        with(route("admin", &[], "/a"), &[], &["admin", "admin2"]),
        with(route("admin two", &[], "/a"), &[("x-version", "2")], &["admin"]),
        with(route("only admin", &[], "/rooms/lobby"), &[], &["admin"]),
        with(route("only beta", &[], "/rooms/{room}"), &[("x-beta", "yes")], &[]),
        route("any", &[], "/{kind}/{id}"),
        with(route("regex beta", &[], "~/r.*"), &[("x-beta", "yes")], &[]),
        route("regex", &[], "~/r.?"),
        with(route("default admin", &[], ""), &[], &["admin"]),
    ])
    .unwrap();
    for (on, path, headers, expected) in [
        (WEB, "/a", &[][..], Some("plain")),
        (WEB, "/a", &[("x-version", "1")], Some("one")),
        (WEB, "/a", &[("x-version", "2"), ("other", "x")], Some("two")),
        (WEB, "/a", &[("x-version", "3")], Some("plain")),
        (WEB, "/a", &[("x-version", "1x")], Some("plain")),
        (WEB, "/a", &[("x-version", "1"), ("x-version", "1")], Some("plain")),
        (WEB, "/a", &[("x-beta", "YES")], Some("plain")),
        (WEB, "/a", &[("x-beta", "yes")], Some("beta")),
        (WEB, "/a", &[("x-beta", "yes"), ("x-version", "1")], Some("one beta")),
        (WEB, "/a", &[("x-beta", "yes"), ("x-version", "2")], Some("two")),
        ("admin", "/a", &[], Some("admin")),
        ("admin2", "/a", &[], Some("admin")),
        ("admin2", "/a", &[("x-version", "2")], Some("two")),
        ("admin", "/a", &[("x-version", "2")], Some("admin two")),
        ("admin", "/a", &[("x-version", "1")], Some("one")),
        ("admin", "/a", &[("x-version", "2"), ("x-beta", "yes")], Some("admin two")),
        ("admin", "/rooms/lobby", &[], Some("only admin")),
        (WEB, "/rooms/lobby", &[], Some("any")),
        (WEB, "/rooms/lobby", &[("x-beta", "yes")], Some("only beta")),
        (WEB, "/r1", &[("x-beta", "yes")], Some("regex beta")),
        (WEB, "/r1", &[], Some("regex")),
        (WEB, "/nothing", &[], None),
        ("admin", "/nothing", &[], Some("default admin")),
    ] {
        let found = table.lookup(&listener(on), "example.com", path, &fields(headers));
        assert_eq!(found.map(|(name, _)| *name), expected, "{on} {path} {headers:?}");
    }
}

#[test]
fn conflicts() {
    let a = |path| route("a", &[], path);
    let b = |path| route("b", &[], path);
    for (first, second, conflict) in [
        (a("/x"), b("/x"), true),
        (a("/x"), b("/x/"), false),
        (a("/x/{y}"), b("/x/{z}"), true),
        (a("/x/{y}"), b("/x/{*z}"), false),
        (a("/x/{*y}"), b("/x/{*z}"), true),
        (a("/x/{y}a"), b("/x/{z}a"), true),
        (a("/x/{y}a"), b("/x/{z}b"), false),
        (a("/{{x"), b("/{{x"), true),
        (a("~/x+"), b("~/x+"), true),
        (a("~/x+"), b("~/x*"), false),
        (a(""), b(""), true),
        (a(""), b("/{*rest}"), false),
        (route("a", &["h"], "/x"), b("/x"), false),
        (route("a", &["h"], "/x"), route("b", &["H."], "/x"), true),
        (route("a", &["g", "h"], "/x"), route("b", &["h", "i"], "/x"), true),
        (route("a", &["*.h"], "/x"), route("b", &["h"], "/x"), false),
        (route("a", &["*.h"], "/x"), route("b", &["*.H"], "/x"), true),
        (with(a("/x"), &[("k", "1")], &[]), b("/x"), false),
        (with(a("/x"), &[("k", "1")], &[]), with(b("/x"), &[("k", "2")], &[]), false),
        (with(a("/x"), &[("k", "1")], &[]), with(b("/x"), &[("K", "1")], &[]), true),
        (with(a("/x"), &[("k", "1"), ("l", "2")], &[]), with(b("/x"), &[("l", "2"), ("k", "1")], &[]), true),
        (with(a("/x"), &[("k", "1"), ("l", "2")], &[]), with(b("/x"), &[("l", "1"), ("k", "2")], &[]), false),
        (with(a("/x"), &[], &["p"]), b("/x"), false),
        (with(a("/x"), &[], &["p"]), with(b("/x"), &[], &["q"]), false),
        (with(a("/x"), &[], &["p", "q"]), with(b("/x"), &[], &["q", "r"]), true),
        (with(a("/x"), &[], &["p", "p"]), with(b("/x"), &[], &["q"]), false),
    ] {
        let context = format!("{first:?} {second:?}");
        match RouteTable::new(vec![first, second]) {
            Ok(_) => assert!(!conflict, "{context}"),
            Err(RouteConflict::Same { first, second, .. }) => {
                assert!(conflict, "{context}");
                assert_eq!((&*first, &*second), ("a", "b"));
            }
            Err(other) => panic!("{context}: {other}"),
        }
    }
    let error = RouteTable::new(vec![route("t/a", &["*.h"], "/x/{y}"), route("t/b", &["*.h"], "/x/{z}")]).unwrap_err();
    let told =
        "routes t/a and t/b cannot be told apart: both serve /x/{z} of *.h, with the same header fields and listeners";
    assert_eq!(error.to_string(), told);
}

#[test]
fn routes_that_are_none() {
    let parse = |hosts: &[&str], headers: &[(&str, &str)]| {
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let entry = RouteEntry::parse("t/r".into(), vec![], &hosts, PathPattern::default(), &headers, ())?;
        RouteTable::new(vec![entry])
    };
    assert!(parse(&["a", "*.b"], &[("k", "v"), ("l", "v")]).is_ok());
    for (hosts, headers, told) in [
        (&["a", "b:80"][..], &[][..], "route t/r: \"b:80\" is not a host"),
        (&[], &[("k k", "v")], "route t/r: \"k k\" is not the name"),
        (&[], &[("k", "v\n")], "route t/r: the value for header field \"k\""),
        (&[], &[("k", "v"), ("K", "w")], "route t/r: header field \"k\" is asked for twice"),
    ] {
        let error = parse(hosts, headers).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
}

#[test]
fn ten_thousand_routes_of_each_kind() {
    let many = 10_000;
    let build = |make: &dyn Fn(usize) -> RouteEntry<usize>| RouteTable::new((0..many).map(make).collect()).unwrap();
    let entry = |i: usize, host: Option<String>, path: String, header: Option<String>| RouteEntry {
        name: i.to_string(),
        listeners: vec![],
        hosts: host.iter().map(|host| host.parse().unwrap()).collect(),
        path: PathPattern::parse(&path).unwrap(),
        headers: header.iter().map(|value| HeaderCondition::new("x-tenant", value).unwrap()).collect(),
        value: i,
    };
    let by_host = build(&|i| entry(i, Some(format!("t{i}.example")), "/ws".into(), None));
    let by_domain = build(&|i| entry(i, Some(format!("*.t{i}.example")), "/ws".into(), None));
    let by_path = build(&|i| entry(i, None, format!("/t{i}/{{room}}"), None));
    let by_prefix = build(&|i| entry(i, None, format!("/t{i}/{{*rest}}"), None));
    let by_affix = build(&|i| entry(i, None, format!("/{{room}}-{i}"), None));
    let by_header = build(&|i| entry(i, None, "/ws".into(), Some(i.to_string())));
    let on = listener(WEB);
    let none = HeaderMap::new();
    for i in (0..many).step_by(617) {
        let header = fields(&[("x-tenant", &i.to_string())]);
        for found in [
            by_host.lookup(&on, &format!("t{i}.example"), "/ws", &none),
            by_domain.lookup(&on, &format!("a.b.t{i}.example"), "/ws", &none),
            by_path.lookup(&on, "", &format!("/t{i}/x"), &none),
            by_prefix.lookup(&on, "", &format!("/t{i}/x/y"), &none),
            by_affix.lookup(&on, "", &format!("/x-{i}"), &none),
            by_header.lookup(&on, "", "/ws", &header),
        ] {
            assert_eq!(found.map(|(value, _)| *value), Some(i));
        }
    }
    assert!(by_header.lookup(&on, "", "/ws", &none).is_none());
}

/// Whether a pattern is a prefix, and what each of its segments is: smaller is more specific.
type Rank = (bool, Vec<(u8, isize, isize)>);

/// How specifically a pattern fits a path. Tries no other pattern.
fn rank(pattern: &PathPattern, path: &str) -> Option<Rank> {
    let Shape::Segments(segments, rest) = pattern.shape() else { unreachable!() };
    let pieces: Vec<_> = path.strip_prefix('/')?.split('/').collect();
    let fits = if rest.is_some() { pieces.len() > segments.len() } else { pieces.len() == segments.len() };
    let mut ranks = Vec::new();
    for (segment, piece) in segments.iter().zip(&pieces) {
        ranks.push(match segment {
            Segment::Literal(literal) if literal == piece => (0, 0, 0),
            Segment::Capture { before, after, .. }
                if piece.len() > before.len() + after.len() && piece.starts_with(before) && piece.ends_with(after) =>
            {
                let (before, after) = (before.len() as isize, after.len() as isize);
                (if before + after > 0 { 1 } else { 2 }, -(before + after), -before)
            }
            _ => return None,
        });
    }
    if rest.is_some() {
        ranks.push((3, 0, 0));
    }
    fits.then_some((rest.is_some(), ranks))
}

#[test]
fn random_patterns_against_a_matcher_that_tries_all() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % bound
    };
    let mut matched = 0;
    for case in 0..300 {
        let mut entries: Vec<RouteEntry<usize>> = Vec::new();
        for _ in 0..20 {
            let mut text = String::new();
            for depth in 0..=below(3) {
                let piece = ["a", "b", "ab", "", "{c}", "{c}", "a{c}", "{c}b", "a{c}b"][below(9)];
                text += &format!("/{}", piece.replace('c', &format!("c{depth}")));
            }
            if below(4) == 0 {
                text += "/{*rest}";
            }
            let path = PathPattern::parse(&text).unwrap();
            let entry = RouteEntry {
                name: text,
                listeners: vec![],
                hosts: vec![],
                path,
                headers: vec![],
                value: entries.len(),
            };
            if entries.iter().all(|other| other.name != entry.name) {
                entries.push(entry);
            }
        }
        let patterns: Vec<_> = entries.iter().map(|entry| entry.path.clone()).collect();
        let table = RouteTable::new(entries).unwrap();
        for _ in 0..50 {
            let path: String =
                (0..=below(4)).map(|_| ["/a", "/b", "/ab", "/", "/acb", "/axx", "/c"][below(7)]).collect();
            let best = (0..patterns.len()).filter_map(|i| Some((rank(&patterns[i], &path)?, i))).min().map(|(_, i)| i);
            let found = table.lookup(&listener(WEB), "h", &path, &HeaderMap::new());
            assert_eq!(found.map(|(value, _)| *value), best, "case {case}: {path} of {patterns:?}");
            matched += usize::from(best.is_some());
        }
    }
    assert!(matched > 5000, "{matched}");
}
