//! Writes the list of sections out: as a complete configuration of defaults, as a reference, and as JSON Schema.

use super::{
    schema::{Key, Section, Shape},
    sections::SECTIONS,
    value::{Form, Kind, json},
};
use serde_json::{Map, Value as Json, json as object_of};
use std::fmt::Write;

/// A configuration that says every default, and has an example, commented out, of everything else. It decodes to the same as an
/// empty file.
pub(crate) fn defaults() -> String {
    let mut out = String::from(
        "# Every key of a Socklet configuration. What has a default stands here with it; the rest is commented out.\n",
    );
    for section in SECTIONS {
        out.push('\n');
        comment(&mut out, section.doc);
        // Routes and plugins have no defaults to speak of: they are shown as an example as a whole.
        let example = match section.shape {
            Shape::Once => false,
            Shape::Many => section.name != "listener",
            Shape::Named | Shape::NamedOverride(_) | Shape::Inner | Shape::Switch | Shape::Override => true,
        };
        if !section.name.is_empty() {
            let _ = writeln!(out, "{}{}", if example { "# " } else { "" }, section.header().replace("NAME", "chat"));
        }
        for key in section.keys() {
            comment(&mut out, key.doc);
            let hidden = if example || key.default.is_none() { "# " } else { "" };
            let value = key.default.or(key.example).expect("a key has a default or an example");
            let _ = writeln!(out, "{hidden}{} = {}", key.name, one_line(value));
        }
    }
    out
}

/// The reference, in Markdown.
pub(crate) fn reference() -> String {
    let mut out = String::new();
    for section in SECTIONS {
        let title = if section.name.is_empty() { "Top level".to_owned() } else { format!("`{}`", section.header()) };
        let _ = writeln!(out, "## {title}\n\n{}\n", section.doc.trim());
        let (head, line) = if section.shape == Shape::Once { (" variable |", "---|") } else { ("", "") };
        let _ = writeln!(out, "| key | value | default | |{head}\n|---|---|---|---|{line}");
        for key in section.keys() {
            let variable = section.variable(key).map_or(String::new(), |variable| format!(" `{variable}` |"));
            let default = match (inherits(section, key), key.default) {
                (Some(base), _) => format!("as in `{}`", base.header()),
                (None, Some(default)) => format!("`{}`", cell(&one_line(default))),
                (None, None) if key.required() => "required".to_owned(),
                (None, None) => String::new(),
            };
            let _ = writeln!(
                out,
                "| `{}` | {} | {default} | {} |{variable}",
                key.name,
                describe(&(key.kind)()),
                cell(key.doc())
            );
        }
        if !section.later.is_empty() {
            let later = section.later.iter().map(|(key, _)| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            let _ = writeln!(out, "\nKnown, and not served by this version: {later}.");
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// The JSON Schema of a configuration (draft 2020-12).
pub(crate) fn json_schema() -> Json {
    let mut schema = object(Section::find("").expect("the top level is in the list of sections"));
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "Socklet configuration".into();
    schema
}

fn object(section: &Section) -> Json {
    let mut properties = Map::new();
    for key in section.keys() {
        properties.insert(key.name.to_owned(), property(section, key));
    }
    for child in section.children() {
        let inner = object(child);
        let outer = match child.shape {
            Shape::Many => object_of!({ "type": "array", "items": inner }),
            Shape::Named | Shape::NamedOverride(_) => object_of!({ "type": "object", "additionalProperties": inner }),
            Shape::Switch => {
                let mut inner = inner;
                inner["type"] = object_of!(["boolean", "object"]);
                inner
            }
            Shape::Once | Shape::Inner | Shape::Override => inner,
        };
        properties.insert(child.last_name().to_owned(), outer);
    }
    let required: Vec<_> = section.keys().filter(|key| key.required()).map(|key| key.name).collect();
    let mut object = object_of!({
        "type": "object",
        "description": section.doc.trim(),
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = required.into();
    }
    object
}

fn property(section: &Section, key: &Key) -> Json {
    let kind = (key.kind)();
    let mut property = match kind.form {
        Form::Text => object_of!({ "type": "string" }),
        Form::Choice(words) => object_of!({ "type": "string", "enum": words }),
        Form::Integer => object_of!({ "type": "integer", "minimum": 1 }),
        Form::Number => object_of!({ "type": "number", "exclusiveMinimum": 0 }),
        Form::Boolean => object_of!({ "type": "boolean" }),
        Form::List => {
            object_of!({ "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
        }
        Form::Table => object_of!({ "type": "object" }),
        Form::TextOrTable => object_of!({ "type": ["string", "object"] }),
    };
    if kind.or_none {
        property = object_of!({ "anyOf": [property, { "const": "none" }] });
    }
    property["description"] = format!("{} Expected: {}.", key.doc(), kind.expected()).into();
    if let (Some(default), None) = (key.default, section.base()) {
        let default = default.parse().expect("defaults are TOML");
        property["default"] = json(&default).expect("defaults are texts, numbers, booleans, lists and tables");
    }
    if let Some(variable) = section.variable(key) {
        property["x-variable"] = variable.into();
    }
    property
}

/// The section that this one overrides, where that has the key, with the same meaning.
fn inherits(section: &Section, key: &Key) -> Option<&'static Section> {
    section.base().filter(|base| base.key(key.name).is_some_and(|base| base.doc == key.doc))
}

fn describe(kind: &Kind) -> String {
    let list = if kind.form == Form::List { ", or a list" } else { "" };
    let none = if kind.or_none { ", or `none`" } else { "" };
    format!("{}{list}{none}", cell(kind.name))
}

/// A text in a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// TOML that may have been broken into lines, on one.
fn one_line(toml: &str) -> String {
    toml.split_whitespace().collect::<Vec<_>>().join(" ").replace("[ ", "[").replace(" ]", "]")
}

fn comment(out: &mut String, text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.len() + word.len() > 117 {
            let _ = writeln!(out, "#{line}");
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(out, "#{line}");
}
