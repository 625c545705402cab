//! Everything that the API does: the only list of it. Dispatch, roles, the audit log and the OpenAPI document derive from it.

use super::{
    Problem,
    call::{Call, NoQuery, Reply},
    connections, drains, events, listeners, openapi, page, patch, plugins, reload, routes, status, tenants, usage,
};
use futures_util::future::BoxFuture;
use http::Method;
use percent_encoding::percent_decode_str;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// One thing that the API does.
pub(super) struct Operation {
    pub(super) method: Method,
    /// The path, with `{names}` for what it captures.
    pub(super) path: &'static str,
    /// What it is called: in the audit log and in the OpenAPI document.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Whether it is there for tokens of a tenant. What it shows and changes is of that tenant then.
    pub(super) for_tenants: bool,
    pub(super) query: MakeSchema,
    pub(super) body: Takes,
    pub(super) answer: Gives,
    /// The statuses of its own problems, beside those that all have.
    pub(super) problems: &'static [u16],
    pub(super) run: for<'a> fn(&'a mut Call) -> BoxFuture<'a, Result<Reply, Problem>>,
}

/// Makes a schema.
pub(super) type MakeSchema = fn(&mut SchemaGenerator) -> Schema;

/// What an operation takes.
#[derive(Clone, Copy)]
pub(super) enum Takes {
    Nothing,
    /// A message, as [`super::message::TYPES`] has it.
    Message,
    /// A WebAssembly component.
    Component,
    /// The file of a tenant.
    Toml,
    Json(MakeSchema),
}

/// What an operation gives.
#[derive(Clone, Copy)]
pub(super) enum Gives {
    Json(MakeSchema),
    /// Any JSON.
    Document,
    /// OpenMetrics text.
    Metrics,
    Events,
}

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

/// The fields of a query: never referred to.
fn query<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    T::json_schema(schemas)
}

macro_rules! operations {
    ($($method:ident $path:literal $name:literal $about:literal
        [$($scope:ident)? $(? $query:ty)? $(, takes $takes:expr)?] => $answer:expr, $problems:expr, $run:path;)*) => {
        /// In the order of the documentation.
        pub(super) static OPERATIONS: &[Operation] = &[$(Operation {
            method: Method::$method,
            path: $path,
            name: $name,
            about: $about,
            for_tenants: operations!(@scope $($scope)?),
            query: operations!(@query $($query)?),
            body: operations!(@takes $($takes)?),
            answer: $answer,
            problems: &$problems,
            run: |call| Box::pin($run(call)),
        }),*];
    };
    (@scope) => { false };
    (@scope tenants) => { true };
    (@query) => { query::<NoQuery> };
    (@query $query:ty) => { query::<$query> };
    (@takes) => { Takes::Nothing };
    (@takes $takes:expr) => { $takes };
}

operations! {
    GET "/v1/status" "showStatus" "How the server is"
        [tenants] => Gives::Json(of::<status::Status>), [], status::show;
    GET "/v1/connections" "listConnections" "Connections by id, a page at a time"
        [tenants ? connections::Which] => Gives::Json(of::<connections::Connections>), [], connections::list;
    GET "/v1/connections/{id}" "showConnection" "One connection"
        [tenants] => Gives::Json(of::<connections::Connection>), [404], connections::show;
    DELETE "/v1/connections/{id}" "closeConnection" "Starts the closing handshake with a connection"
        [tenants ? connections::Farewell] => Gives::Json(of::<connections::Closed>), [404], connections::close;
    POST "/v1/connections/{id}/messages" "sendToConnection" "Queues a message for a connection: a text, or bytes"
        [tenants, takes Takes::Message] => Gives::Json(of::<connections::Sent>), [404, 408, 409, 413, 415, 422, 503], connections::send;
    GET "/v1/routes" "listRoutes" "Routes by tenant and name, a page at a time"
        [tenants ? page::OfTenant] => Gives::Json(of::<routes::Routes>), [], routes::list;
    GET "/v1/routes/{tenant}/{route}" "showRoute" "One route"
        [tenants] => Gives::Json(of::<routes::Route>), [404], routes::show;
    PATCH "/v1/routes/{tenant}/{route}" "changeRoute" "Changes a route while it is served, until the next restart"
        [tenants, takes Takes::Json(of::<patch::RoutePatch>)] => Gives::Json(of::<routes::Route>), [404, 408, 413, 415, 422], patch::change;
    POST "/v1/routes/{tenant}/{route}/messages" "sendToRoute" "Queues a message for every connection of a route"
        [tenants ? routes::But, takes Takes::Message] => Gives::Json(of::<routes::Accepted>), [404, 408, 413, 415, 422], routes::send_all;
    POST "/v1/routes/{tenant}/{route}/topics/{topic}/messages" "publish" "Queues a message for the subscribers of a topic"
        [tenants ? routes::But, takes Takes::Message] => Gives::Json(of::<routes::Accepted>), [404, 408, 413, 415, 422], routes::publish;
    GET "/v1/tenants" "listTenants" "Tenants by name, a page at a time"
        [tenants ? tenants::Which] => Gives::Json(of::<tenants::Tenants>), [], tenants::list;
    GET "/v1/tenants/{tenant}" "showTenant" "What a tenant may have, and what it has"
        [tenants] => Gives::Json(of::<tenants::TenantInfo>), [404], tenants::show;
    GET "/v1/tenants/{tenant}/plugins" "listTenantPlugins" "The plugins that nobody but a tenant has"
        [tenants] => Gives::Json(of::<plugins::Plugins>), [404], plugins::list_of_tenant;
    GET "/v1/tenants/{tenant}/plugins/{plugin}" "showTenantPlugin" "A plugin that nobody but a tenant has"
        [tenants] => Gives::Json(of::<plugins::Plugin>), [404, 409], plugins::show;
    PUT "/v1/tenants/{tenant}/plugins/{plugin}" "uploadPlugin" "Has another component take over, and keeps it"
        [tenants, takes Takes::Component] => Gives::Json(of::<plugins::Changed>), [404, 408, 409, 413, 422, 503, 507], plugins::put;
    DELETE "/v1/tenants/{tenant}/plugins/{plugin}" "resetTenantPlugin" "Goes back to what the configuration says"
        [tenants] => Gives::Json(of::<plugins::Changed>), [404, 409, 422, 503, 507], plugins::reset;
    POST "/v1/tenants/{tenant}/plugins/{plugin}/rollback" "rollBackTenantPlugin" "Has the version before take over again"
        [tenants] => Gives::Json(of::<plugins::Changed>), [404, 409, 507], plugins::roll_back;
    POST "/v1/tenants/{tenant}/reload" "reloadTenant" "Reads the file of one tenant again; without one, the tenant is removed"
        [tenants ? reload::How] => Gives::Json(of::<reload::Reloaded>), [404, 409, 422], reload::of_tenant;
    PUT "/v1/tenants/{tenant}" "putTenant" "Writes the file of a tenant, and has the tenant be what it says"
        [? reload::How, takes Takes::Toml] => Gives::Json(of::<reload::Reloaded>), [404, 408, 409, 413, 415, 422, 507], reload::put_tenant;
    DELETE "/v1/tenants/{tenant}" "deleteTenant" "Removes the file of a tenant, and the tenant with it"
        [? reload::How] => Gives::Json(of::<reload::Reloaded>), [404, 409, 422, 507], reload::delete_tenant;
    GET "/v1/plugins" "listPlugins" "Plugins and their versions"
        [] => Gives::Json(of::<plugins::Plugins>), [], plugins::list;
    GET "/v1/plugins/{plugin}" "showPlugin" "A plugin and its versions"
        [] => Gives::Json(of::<plugins::Plugin>), [404], plugins::show;
    POST "/v1/plugins/{plugin}/swap" "swapPlugin" "Has another component take over; kept where there is a folder for it"
        [, takes Takes::Component] => Gives::Json(of::<plugins::Changed>), [404, 408, 413, 422, 503, 507], plugins::swap;
    POST "/v1/plugins/{plugin}/rollback" "rollBackPlugin" "Has the version before take over again"
        [] => Gives::Json(of::<plugins::Changed>), [404, 409, 507], plugins::roll_back;
    DELETE "/v1/plugins/{plugin}/upload" "resetPlugin" "Goes back to what the configuration says"
        [] => Gives::Json(of::<plugins::Changed>), [404, 422, 503, 507], plugins::reset;
    GET "/v1/listeners" "listListeners" "Listeners, by name"
        [] => Gives::Json(of::<listeners::Listeners>), [], listeners::list;
    GET "/v1/listeners/{listener}" "showListener" "One listener"
        [] => Gives::Json(of::<listeners::Listener>), [404], listeners::show;
    POST "/v1/listeners/{listener}/stop" "stopListener" "Stops a listener until it is started; its connections are closed"
        [] => Gives::Json(of::<listeners::Changed>), [404], listeners::stop;
    POST "/v1/listeners/{listener}/start" "startListener" "Starts a listener that was stopped"
        [] => Gives::Json(of::<listeners::Changed>), [404, 409], listeners::start;
    POST "/v1/reload" "reload" "Reads the configuration again and becomes what it says: all of it, or nothing"
        [? reload::How] => Gives::Json(of::<reload::Reloaded>), [409, 422], reload::all;
    POST "/v1/drain" "drain" "Empties the node or a part of it at a pace, and lets nobody new in until that is taken back"
        [tenants, takes Takes::Json(of::<drains::Wanted>)] => Gives::Json(of::<drains::Drain>), [404, 408, 409, 413, 415, 422, 503], drains::start;
    GET "/v1/drains" "listDrains" "Drains that go on, and the last ones that are over, the newest first"
        [tenants] => Gives::Json(of::<drains::Drains>), [], drains::list;
    GET "/v1/drains/{drain}" "showDrain" "How far a drain is"
        [tenants] => Gives::Json(of::<drains::Drain>), [404], drains::show;
    DELETE "/v1/drains/{drain}" "resume" "Takes a drain back: whoever is left stays, and whoever comes is let in again"
        [tenants] => Gives::Json(of::<drains::Drain>), [404, 409], drains::resume;
    GET "/v1/usage" "listUsage" "What plugins have used since they were loaded, a page at a time"
        [tenants ? page::OfTenant] => Gives::Json(of::<usage::Usage>), [], usage::list;
    GET "/v1/metrics" "showMetrics" "What the server counts, as the operators' listener has it"
        [] => Gives::Metrics, [], status::metrics;
    GET "/v1/events" "readEvents" "What happens, as server-sent events"
        [tenants ? events::Which] => Gives::Events, [404, 503], events::read;
    GET "/v1/openapi.json" "showOpenApi" "This document"
        [tenants] => Gives::Document, [], openapi::show;
}

/// What the request is for: the operation, and what its path captures.
pub(super) type Found = (&'static Operation, Vec<(&'static str, String)>);

/// Finds the operation of a request.
pub(super) fn find(method: &Method, path: &str) -> Result<Found, Problem> {
    let matching: Vec<_> = OPERATIONS.iter().filter_map(|one| Some((one, captures(one.path, path)?))).collect();
    // Whoever may look at something may also ask for the head alone.
    let wanted = if *method == Method::HEAD { Method::GET } else { method.clone() };
    let mut allowed: Vec<_> = matching.iter().map(|(one, _)| one.method.as_str()).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    let known = !matching.is_empty();
    match matching.into_iter().find(|(one, _)| one.method == wanted) {
        Some(found) => Ok(found),
        None if known => Err(Problem::Method(allowed.join(", "))),
        None => Err(Problem::NoSuchPath),
    }
}

/// What a path captures, decoded, where it is of this form.
fn captures(template: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    let mut captured = Vec::new();
    loop {
        match (template.next(), path.next()) {
            (None, None) => return Some(captured),
            (Some(part), Some(text)) => match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some(name) if !text.is_empty() => {
                    captured.push((name, percent_decode_str(text).decode_utf8().ok()?.into_owned()));
                }
                Some(_) => return None,
                None if part == text => {}
                None => return None,
            },
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn requests_find_their_operations() {
        let name = |method: Method, path| find(&method, path).map(|(one, captured)| (one.name, captured));
        assert_eq!(name(Method::GET, "/v1/connections").unwrap(), ("listConnections", vec![]));
        assert_eq!(name(Method::HEAD, "/v1/connections/7").unwrap().1, [("id", "7".to_owned())]);
        let (publish, captured) = name(Method::POST, "/v1/routes/acme/chat/topics/a%2Fb%20c/messages").unwrap();
        assert_eq!((publish, captured[2].1.as_str()), ("publish", "a/b c"));
        for path in ["/", "/v1", "/v2/status", "/v1/connections/", "/v1/status/", "//v1/status", "/v1/plugins/%ff"] {
            assert!(matches!(name(Method::GET, path), Err(Problem::NoSuchPath)), "{path}");
        }
        match name(Method::POST, "/v1/connections/7") {
            Err(Problem::Method(allowed)) => assert_eq!(allowed, "GET, DELETE, HEAD"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_and_requests_are_unique() {
        let mut seen = HashSet::new();
        for Operation { method, path, name, .. } in OPERATIONS {
            assert!(seen.insert((*name).to_owned()) && seen.insert(format!("{method} {path}")), "{name}");
        }
    }
}
