//! Does with HTTP and key-value stores what it is told. Commands are texts of words; `README.md` lists them.

use socklet_sdk::{
    Behavior, Close, Connection, Message,
    http::{HttpError, Request},
    keyvalue::{self, StoreError},
};
use wasip2::{
    http::{
        outgoing_handler::handle,
        types::{ErrorCode, Fields, FutureIncomingResponse, OutgoingRequest, Scheme},
    },
    io::poll::poll,
};

#[derive(Default)]
struct Guest {
    /// Requests that were begun and not waited for.
    begun: Vec<FutureIncomingResponse>,
}

impl Behavior for Guest {
    fn on_message(&mut self, connection: Connection, message: Message) -> Result<(), Close> {
        let text = message.text().unwrap_or_default();
        let words: Vec<_> = text.split(' ').collect();
        let answer = match words[..] {
            ["get", url] => fetched(Request::get(url)),
            ["post", url, bytes] => fetched(Request::post(url, vec![b'x'; number(bytes)])),
            ["raw", authority] => match begin(authority) {
                Ok(response) => match outcome(&response) {
                    Ok(()) => "ok".to_owned(),
                    Err(code) => format!("{code:?}"),
                },
                Err(code) => format!("{code:?}"),
            },
            ["many", authority, count] => many(authority, number(count)),
            ["begin", authority] => match begin(authority) {
                Ok(response) => {
                    self.begun.push(response);
                    "begun".to_owned()
                }
                Err(code) => format!("{code:?}"),
            },
            ["kv", store, ..] => stored(store, &words[2..]).unwrap_or_else(|error| match error {
                StoreError::Other(why) => format!("other: {why}"),
                error => format!("{error:?}"),
            }),
            _ => "what?".to_owned(),
        };
        Ok(connection.send(answer)?)
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_default()
}

fn fetched(request: Request) -> String {
    match request.body_max(64 << 20).send() {
        Ok(response) => {
            let body = String::from_utf8_lossy(&response.body);
            let shown = if body.len() > 100 { format!("{} bytes", body.len()) } else { body.into_owned() };
            format!("{} {shown}", response.status)
        }
        Err(HttpError::Failed(why)) => format!("failed: {why}"),
        Err(error) => format!("{error:?}"),
    }
}

fn begin(authority: &str) -> Result<FutureIncomingResponse, ErrorCode> {
    let request = OutgoingRequest::new(Fields::new());
    let set = request.set_scheme(Some(&Scheme::Http)).and_then(|()| request.set_authority(Some(authority)));
    set.and_then(|()| request.set_path_with_query(Some("/"))).map_err(|()| ErrorCode::HttpRequestUriInvalid)?;
    handle(request, None)
}

fn outcome(response: &FutureIncomingResponse) -> Result<(), ErrorCode> {
    response.subscribe().block();
    match response.get() {
        Some(Ok(response)) => response.map(drop),
        _ => Err(ErrorCode::InternalError(None)),
    }
}

/// Begins all of them, and then waits for all.
fn many(authority: &str, count: usize) -> String {
    let (mut begun, mut answered, mut refused, mut failed) = (Vec::new(), 0, 0, 0);
    for _ in 0..count {
        match begin(authority) {
            Ok(response) => begun.push(response),
            Err(_) => failed += 1,
        }
    }
    while !begun.is_empty() {
        let ready = {
            let pollables: Vec<_> = begun.iter().map(FutureIncomingResponse::subscribe).collect();
            poll(&pollables.iter().collect::<Vec<_>>())
        };
        for place in ready.into_iter().rev() {
            match outcome(&begun.remove(place as usize)) {
                Ok(()) => answered += 1,
                Err(ErrorCode::ConnectionLimitReached) => refused += 1,
                Err(_) => failed += 1,
            }
        }
    }
    format!("answered {answered}, refused {refused}, failed {failed}")
}

fn stored(store: &str, words: &[&str]) -> Result<String, StoreError> {
    let store = keyvalue::open(store)?;
    let key = |text: &str| match text.strip_prefix('*') {
        Some(count) => "k".repeat(number(count)),
        None => text.to_owned(),
    };
    Ok(match *words {
        ["open"] => "open".to_owned(),
        ["get", name] => match store.get(&key(name))? {
            Some(value) if value.len() > 100 => format!("{} bytes", value.len()),
            Some(value) => String::from_utf8_lossy(&value).into_owned(),
            None => "none".to_owned(),
        },
        ["set", name, value] => store.set(&key(name), value.as_bytes()).map(|()| "set".to_owned())?,
        ["fill", name, bytes] => store.set(&key(name), &vec![b'x'; number(bytes)]).map(|()| "set".to_owned())?,
        ["delete", name] => store.delete(&key(name)).map(|()| "deleted".to_owned())?,
        ["exists", name] => store.exists(&key(name))?.to_string(),
        ["keys"] => {
            let keys = store.keys()?;
            if keys.len() > 10 { format!("{} keys", keys.len()) } else { keys.join(",") }
        }
        ["add", name, by] => store.increment(&key(name), number(by) as u64)?.to_string(),
        ["set-many", count, bytes] => {
            let pairs: Vec<_> =
                (0..number(count)).map(|place| (format!("many-{place:05}"), vec![b'x'; number(bytes)])).collect();
            store.set_many(&pairs).map(|()| "set".to_owned())?
        }
        ["get-many", count] => {
            let keys: Vec<_> = (0..number(count)).map(|place| format!("many-{place:05}")).collect();
            let found = store.get_many(&keys)?;
            format!("{} of {}", found.iter().flatten().count(), found.len())
        }
        ["delete-many", count] => {
            let keys: Vec<_> = (0..number(count)).map(|place| format!("many-{place:05}")).collect();
            store.delete_many(&keys).map(|()| "deleted".to_owned())?
        }
        _ => "what?".to_owned(),
    })
}

guests::export_guest!(Guest);
