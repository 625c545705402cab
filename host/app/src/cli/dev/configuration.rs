//! What `socklet dev` serves: the project's own configuration, with the page beside it.

use super::page;
use crate::Config;
use anyhow::{Context, anyhow};
use socklet_author::{CONFIGURATION, Kind, OptionalExport, Project};
use std::{fs, io, path::Path};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value, value};

/// The configuration. `page` is the folder of the page's files.
pub(super) fn read(project: &Project, page: &Path, listen: Option<&str>) -> anyhow::Result<Config> {
    let path = project.folder.join(CONFIGURATION);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => socklet_author::configuration(project),
        Err(error) => return Err(error).with_context(|| format!("failed to read {}", path.display())),
    };
    let text = match text.parse::<DocumentMut>() {
        Ok(document) => edit(document, project, page, listen)?.to_string(),
        // Who reads it says where.
        Err(_) => text,
    };
    Ok(Config::parse_with(&text, &path, crate::config::environment())?)
}

fn edit(
    mut document: DocumentMut,
    project: &Project,
    page: &Path,
    listen: Option<&str>,
) -> anyhow::Result<DocumentMut> {
    let source = format!("file:build/{}.wasm", project.name);
    let plugins = document.get_mut("plugin").and_then(Item::as_table_like_mut);
    let own = plugins.into_iter().flat_map(|plugins| plugins.iter_mut()).find_map(|(_, plugin)| {
        let plugin = plugin.as_table_like_mut()?;
        (plugin.get("source")?.as_str()? == source).then_some(plugin)
    });
    let own =
        own.ok_or_else(|| anyhow!("{CONFIGURATION} has no plugin with source = \"{source}\": nothing would change"))?;
    // Connections are to go on with what was saved, also where nothing of them can be.
    let saves = project.exports.contains(&OptionalExport::State);
    if project.kind == Kind::Behavior && !saves && !own.contains_key("stateless") {
        own.insert("stateless", value(true));
    }
    let page_route = [
        ("name", Value::from("socklet-dev")),
        ("path", format!("{}{{*file}}", page::PATH).into()),
        ("static", page.display().to_string().into()),
    ];
    add(&mut document, "route", page_route)?;
    if let Some(listen) = listen {
        let listener = document.get_mut("listener").and_then(first);
        match listener {
            Some(listener) => drop(listener.insert("bind", value(listen))),
            None => add(&mut document, "listener", [("bind", listen.into())])?,
        }
    }
    Ok(document)
}

/// The first of several tables, however they are written.
fn first(item: &mut Item) -> Option<&mut dyn toml_edit::TableLike> {
    match item {
        Item::ArrayOfTables(tables) => tables.get_mut(0).map(|table| table as _),
        Item::Value(Value::Array(tables)) => tables.get_mut(0)?.as_inline_table_mut().map(|table| table as _),
        _ => None,
    }
}

/// Adds a table to several, however they are written.
fn add<const N: usize>(document: &mut DocumentMut, name: &str, keys: [(&str, Value); N]) -> anyhow::Result<()> {
    match document.entry(name).or_insert(Item::ArrayOfTables(ArrayOfTables::new())) {
        Item::ArrayOfTables(tables) => {
            let mut table = Table::new();
            table.extend(keys);
            tables.push(table);
        }
        Item::Value(Value::Array(tables)) => {
            Array::push(tables, InlineTable::from_iter(keys));
        }
        _ => return Err(anyhow!("{CONFIGURATION}: {name} is not an array of tables: write [[{name}]]")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use socklet_author::Language;

    fn edited(text: &str, exports: Vec<OptionalExport>, listen: Option<&str>) -> Result<String, String> {
        let (name, folder) = ("a".to_owned(), "f".into());
        let project = Project { folder, name, language: Language::C, kind: Kind::Behavior, exports };
        let edited = edit(text.parse().unwrap(), &project, Path::new("/page"), listen);
        edited.map(|document| document.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_page_is_beside_what_is_there_and_connections_go_on() {
        let own = "[[route]]\npath = \"/\"\nbehavior = \"a\"\n\n[plugin.a]\nsource = \"file:build/a.wasm\"\n";
        let text = edited(own, Vec::new(), Some(":9")).unwrap();
        assert!(text.contains("stateless = true"), "{text}");
        assert!(text.contains("path = \"/_dev/{*file}\"\nstatic = \"/page\""), "{text}");
        assert!(text.contains("[[listener]]\nbind = \":9\""), "{text}");
        assert!(!edited(own, vec![OptionalExport::State], None).unwrap().contains("stateless"));
        let said = own.to_owned() + "stateless = false\n";
        assert!(!edited(&said, Vec::new(), None).unwrap().contains("stateless = true"));
        let inline = "listener = [{ bind = \":1\" }]\nroute = [{ path = \"/\", behavior = \"a\" }]\n\
                      plugin = { a = { source = \"file:build/a.wasm\" } }\n";
        let text = edited(inline, Vec::new(), Some(":9")).unwrap();
        assert!(text.contains("bind = \":9\"") && text.contains("/_dev/"), "{text}");
    }

    #[test]
    fn a_configuration_that_does_not_serve_what_is_built_is_refused() {
        for text in ["", "[plugin.a]\nsource = \"file:other.wasm\"", "plugin = 1"] {
            assert!(edited(text, Vec::new(), None).unwrap_err().contains("file:build/a.wasm"), "{text}");
        }
        let wrong = edited("route = 1\n[plugin.a]\nsource = \"file:build/a.wasm\"", Vec::new(), None).unwrap_err();
        assert!(wrong.contains("[[route]]"), "{wrong}");
    }
}
