//! `/v1/openapi.json`: what the API is, as an OpenAPI 3.1 document made from the list of operations.

use super::{
    Problem,
    call::{Call, NoQuery, Reply, answer},
    message,
    operations::{Gives, OPERATIONS, Operation, Takes},
    page::{Id, Name},
};
use crate::ops::METRICS;
use http::{Method, StatusCode};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value as Json, json};
use std::sync::LazyLock;

/// The schemas of what is sent and of what is answered: they may differ for a type that is both.
struct Schemas {
    sent: SchemaGenerator,
    answered: SchemaGenerator,
}

/// Where a document keeps its schemas.
const COMPONENTS: &str = "/components/schemas";

/// `GET /v1/openapi.json`
pub(super) async fn show(call: &mut Call) -> Result<Reply, Problem> {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", document()));
    let NoQuery {} = call.query()?;
    Ok(answer("application/json", TEXT.as_str()))
}

fn document() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = COMPONENTS.into();
        settings.meta_schema = None;
    });
    let mut schemas = Schemas {
        sent: settings.clone().for_deserialize().into_generator(),
        answered: settings.for_serialize().into_generator(),
    };
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.as_str().to_lowercase()] = describe(operation, &mut schemas);
    }
    let mut components = schemas.sent.take_definitions(true);
    components.extend(schemas.answered.take_definitions(true));
    components.insert("Problem".to_owned(), problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Socklet's admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Operators look at what runs, and change it.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "Not asked for on a private UNIX socket." },
            },
        },
    })
}

fn describe(operation: &Operation, schemas: &mut Schemas) -> Json {
    let mut description = json!({
        "operationId": operation.name,
        "summary": operation.about,
        "parameters": parameters(operation, schemas),
        "responses": responses(operation, schemas),
        "x-for-tenants": operation.for_tenants,
    });
    let content = match operation.body {
        Takes::Nothing => None,
        Takes::Message => {
            let media = |media: &&str| ((*media).to_owned(), message_schema(media));
            Some(message::TYPES.iter().map(media).collect::<Map<_, _>>())
        }
        Takes::Toml => {
            let file = json!({ "schema": { "type": "string", "description": "As a file of `tenants_dir`." } });
            Some(Map::from_iter([("application/toml".to_owned(), file)]))
        }
        Takes::Component => {
            let component = json!({ "schema": { "description": "A WebAssembly component, 32 MiB at most." } });
            Some(
                ["application/wasm", "application/octet-stream"]
                    .map(|media| (media.to_owned(), component.clone()))
                    .into_iter()
                    .collect(),
            )
        }
        Takes::Json(schema) => {
            Some(Map::from_iter([("application/json".to_owned(), json!({ "schema": schema(&mut schemas.sent) }))]))
        }
    };
    if let Some(content) = content {
        description["requestBody"] = json!({ "required": true, "content": content });
    }
    description
}

/// What a message looks like, by its type.
fn message_schema(media: &str) -> Json {
    match media {
        "text/plain" => json!({ "schema": { "type": "string" } }),
        "application/json" => json!({ "schema": { "description": "Sent as the text that it is." } }),
        _ => json!({ "schema": { "description": "Sent as bytes." } }),
    }
}

fn parameters(operation: &Operation, schemas: &mut Schemas) -> Vec<Json> {
    let captured = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = captured.map(|name| {
        let schema = match name {
            "id" | "drain" => Id::json_schema(&mut schemas.sent).to_value(),
            "topic" => json!({ "type": "string", "minLength": 1, "maxLength": 63 }),
            _ => Name::json_schema(&mut schemas.sent).to_value(),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let mut parameters: Vec<_> = in_path.collect();
    let query = (operation.query)(&mut schemas.sent).to_value();
    for (name, schema) in query["properties"].as_object().into_iter().flatten() {
        parameters.push(json!({
            "name": name, "in": "query", "required": false, "description": schema["description"], "schema": not_null(schema),
        }));
    }
    parameters
}

/// A field of a query as it is: a text, or left out. Never null.
fn not_null(schema: &Json) -> Json {
    let mut schema = schema.clone();
    if let Some(types) = schema["type"].as_array() {
        let other: Vec<_> = types.iter().filter(|one| *one != "null").cloned().collect();
        schema["type"] = other.first().cloned().unwrap_or_default();
    }
    if let Some(options) = schema.get("anyOf").and_then(Json::as_array)
        && let [only] = &options.iter().filter(|one| one["type"] != "null").collect::<Vec<_>>()[..]
    {
        return (*only).clone();
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("description");
        if schema.get("default") == Some(&Json::Null) {
            schema.remove("default");
        }
    }
    schema
}

fn responses(operation: &Operation, schemas: &mut Schemas) -> Map<String, Json> {
    let content = match operation.answer {
        Gives::Json(schema) => json!({ "application/json": { "schema": schema(&mut schemas.answered) } }),
        Gives::Document => json!({ "application/json": { "schema": { "type": "object" } } }),
        Gives::Metrics => json!({ METRICS: { "schema": { "type": "string" } } }),
        Gives::Events => json!({ "text/event-stream": { "schema": { "type": "string" } } }),
    };
    let mut responses = Map::from_iter([("200".to_owned(), json!({ "description": "Done.", "content": content }))]);
    let everybody = [400, 401, 429].into_iter().chain((operation.method != Method::GET).then_some(403));
    let tenants = operation.path.contains("{tenant}").then_some(404);
    // What a token of a tenant must not know of is not there for it.
    let hidden = (!operation.for_tenants).then_some(404);
    for status in everybody.chain(operation.problems.iter().copied()).chain(tenants).chain(hidden) {
        let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let schema = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
        let problem = json!({ "description": reason, "content": { "application/problem+json": schema } });
        responses.insert(status.to_string(), problem);
    }
    responses
}

/// RFC 9457.
fn problem_schema() -> Json {
    json!({
        "type": "object",
        "description": "Why a request was not done (RFC 9457).",
        "properties": {
            "type": { "type": "string", "format": "uri", "description": "`urn:socklet:problem:` and a name." },
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string", "description": "What is wrong, and what would be right." },
            "problems": { "type": "array", "items": { "type": "string" }, "description": "All of it, one by one." },
        },
        "required": ["type", "title", "status", "detail"],
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let components = document["components"]["schemas"].as_object().unwrap();
        for rest in text.split("\"#/components/schemas/").skip(1) {
            let name = rest.split('"').next().unwrap();
            assert!(components.contains_key(name), "{name}");
        }
        let operations = document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len());
        assert_eq!(operations.sum::<usize>(), OPERATIONS.len());
        let parameters = document["paths"]["/v1/connections"]["get"]["parameters"].as_array().unwrap();
        let limit = parameters.iter().find(|parameter| parameter["name"] == "limit").unwrap();
        assert_eq!(
            (&limit["schema"]["maximum"], &limit["schema"]["type"]),
            (&json!(1000), &json!("integer")),
            "{limit:#}"
        );
        let id = &components["ConnectionId"];
        assert_eq!((&id["type"], &id["maximum"]), (&json!("integer"), &json!((1_u64 << 53) - 1)), "{id:#}");
    }
}
