//! Measures a component before the compiler sees it. What is measured bounds the compiler's time and memory; a component that
//! nests instantiations in a kilobyte, or has one function with thousands of locals, would take seconds and gigabytes.

use crate::error::LoadError;
use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Encoding, Instance, Parser, Payload,
};

/// The largest component in bytes; Python needs 18 MiB.
pub const MAX_SIZE: u64 = 32 << 20;

/// Components inside components.
const MAX_DEPTH: usize = 16;
/// Instances, aliases, adapters and the like, all instantiations counted.
const MAX_ITEMS: u64 = 100_000;
/// Component instances, all instantiations counted.
const MAX_COMPONENT_INSTANCES: u64 = 1_000;
/// Core instances, all instantiations counted; Python needs 38.
const MAX_CORE_INSTANCES: u64 = crate::limits::CORE_INSTANCES as u64;
const MAX_FUNCTIONS: u64 = 200_000;
/// Bytes of one function body.
const MAX_BODY: u64 = 1 << 20;
/// Locals of one function.
const MAX_LOCALS: u64 = 10_000;
/// Locals of one function times the bytes of its body: what register allocation takes time for.
const MAX_LOCALS_TIMES_BODY: u64 = 1 << 29;

/// What a component is made of, and what one instance of it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) imports: Vec<Item>,
    pub(crate) exports: Vec<Item>,
    pub(crate) core_modules: u64,
    pub(crate) functions: u64,
    pub(crate) code_bytes: u64,
    pub(crate) instance: Weight,
}

/// Something that a component imports or exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
}

/// What one instance takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) items: u64,
    pub(crate) component_instances: u64,
    pub(crate) core_instances: u64,
    pub(crate) memories: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) tables: u64,
    pub(crate) largest_table: u64,
}

/// A module or component that is being read.
enum Scope {
    Module(Weight),
    Component(Frame),
}

#[derive(Default)]
struct Frame {
    weight: Weight,
    /// The index spaces; nothing where the definition is not in this file.
    modules: Vec<Option<Weight>>,
    components: Vec<Option<Weight>>,
}

/// Measures a component.
///
/// # Errors
///
/// When it cannot be parsed, or is over a limit. It may still be invalid in other ways.
pub(crate) fn measure(bytes: &[u8]) -> Result<Shape, LoadError> {
    let mut shape = Shape::default();
    let mut scopes: Vec<Scope> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        if let Payload::End(_) = payload {
            leave(&mut scopes, &mut shape)?;
            continue;
        }
        match (&payload, scopes.last_mut()) {
            (Payload::Version { encoding: Encoding::Module, .. }, _) => {
                shape.core_modules += 1;
                scopes.push(Scope::Module(Weight { core_instances: 1, ..Weight::default() }));
            }
            (Payload::Version { encoding: Encoding::Component, .. }, _) => {
                scopes.push(Scope::Component(Frame::default()));
                if scopes.len() > MAX_DEPTH {
                    return Err(too_complex(format!("more than {MAX_DEPTH} components inside one another")));
                }
            }
            (_, Some(Scope::Module(weight))) => module(&payload, weight, &mut shape)?,
            (_, Some(Scope::Component(_))) => component(&payload, &mut scopes, &mut shape)?,
            (_, None) => {}
        }
    }
    Ok(shape)
}

fn leave(scopes: &mut Vec<Scope>, shape: &mut Shape) -> Result<(), LoadError> {
    match (scopes.pop(), scopes.last_mut()) {
        (Some(Scope::Module(weight)), Some(Scope::Component(outer))) => outer.modules.push(Some(weight)),
        (Some(Scope::Component(frame)), Some(Scope::Component(outer))) => outer.components.push(Some(frame.weight)),
        (Some(Scope::Component(frame)), None) => {
            frame.weight.check()?;
            shape.instance = frame.weight;
        }
        _ => {}
    }
    Ok(())
}

fn module(payload: &Payload<'_>, weight: &mut Weight, shape: &mut Shape) -> Result<(), LoadError> {
    match payload {
        Payload::MemorySection(memories) => {
            for memory in memories.clone() {
                weight.memories += 1;
                let bytes = memory?.initial.saturating_mul(64 << 10);
                weight.memory_bytes = weight.memory_bytes.saturating_add(bytes);
            }
        }
        Payload::TableSection(tables) => {
            for table in tables.clone() {
                weight.tables += 1;
                weight.largest_table = weight.largest_table.max(table?.ty.initial);
            }
        }
        Payload::CodeSectionEntry(body) => {
            let size = body.range().len() as u64;
            let mut locals = 0u64;
            for local in body.get_locals_reader()? {
                locals += u64::from(local?.0);
            }
            shape.functions += 1;
            shape.code_bytes += size;
            if shape.functions > MAX_FUNCTIONS {
                return Err(too_complex(format!("more than {MAX_FUNCTIONS} functions")));
            }
            if size > MAX_BODY {
                return Err(too_complex(format!("a function of {size} bytes, at most {MAX_BODY} are allowed")));
            }
            if locals > MAX_LOCALS || locals * size > MAX_LOCALS_TIMES_BODY {
                return Err(too_complex(format!("a function of {size} bytes with {locals} locals")));
            }
        }
        _ => {}
    }
    Ok(())
}

fn component(payload: &Payload<'_>, scopes: &mut [Scope], shape: &mut Shape) -> Result<(), LoadError> {
    let outermost = scopes.len() == 1;
    // An alias of something outside is looked up before its own scope is borrowed.
    if let Payload::ComponentAliasSection(aliases) = payload {
        for alias in aliases.clone() {
            let alias = alias?;
            let aliased = outer(&alias, scopes);
            frame(scopes).alias(&alias, aliased);
        }
        return frame(scopes).weight.check();
    }
    let frame = frame(scopes);
    match payload {
        Payload::InstanceSection(instances) => {
            for instance in instances.clone() {
                match instance? {
                    Instance::Instantiate { module_index, .. } => {
                        frame.instantiate(get(&frame.modules, module_index))?;
                    }
                    Instance::FromExports(_) => frame.weight.items += 1,
                }
            }
        }
        Payload::ComponentInstanceSection(instances) => {
            for instance in instances.clone() {
                match instance? {
                    ComponentInstance::Instantiate { component_index, .. } => {
                        frame.weight.component_instances += 1;
                        frame.instantiate(get(&frame.components, component_index))?;
                    }
                    ComponentInstance::FromExports(_) => frame.weight.items += 1,
                }
            }
        }
        Payload::ComponentCanonicalSection(functions) => frame.weight.items += u64::from(functions.count()),
        Payload::ComponentImportSection(imports) => {
            for import in imports.clone() {
                let import = import?;
                match import.ty {
                    ComponentTypeRef::Module(_) => frame.modules.push(None),
                    ComponentTypeRef::Component(_) => frame.components.push(None),
                    _ => {}
                }
                if outermost {
                    shape.imports.push(Item::new(import.name.name, import.ty.kind()));
                }
            }
        }
        Payload::ComponentExportSection(exports) => {
            for export in exports.clone() {
                let export = export?;
                frame.weight.items += 1;
                // An export is a new name, and a new index, for the same thing.
                match export.kind {
                    ComponentExternalKind::Module => frame.modules.push(get(&frame.modules, export.index)),
                    ComponentExternalKind::Component => frame.components.push(get(&frame.components, export.index)),
                    _ => {}
                }
                if outermost {
                    shape.exports.push(Item::new(export.name.name, export.kind));
                }
            }
        }
        _ => {}
    }
    frame.weight.check()
}

/// The innermost scope, which is a component's.
fn frame(scopes: &mut [Scope]) -> &mut Frame {
    match scopes.last_mut() {
        Some(Scope::Component(frame)) => frame,
        _ => unreachable!("only called inside a component"),
    }
}

/// What an alias of something outside stands for.
fn outer(alias: &ComponentAlias<'_>, scopes: &[Scope]) -> Option<Weight> {
    let ComponentAlias::Outer { kind, count, index } = alias else { return None };
    let depth = scopes.len().checked_sub(1)?.checked_sub(*count as usize)?;
    let Some(Scope::Component(frame)) = scopes.get(depth) else { return None };
    match kind {
        ComponentOuterAliasKind::CoreModule => get(&frame.modules, *index),
        ComponentOuterAliasKind::Component => get(&frame.components, *index),
        _ => None,
    }
}

fn get(space: &[Option<Weight>], index: u32) -> Option<Weight> {
    space.get(index as usize).copied().flatten()
}

fn too_complex(what: String) -> LoadError {
    LoadError::TooComplex(what)
}

impl From<BinaryReaderError> for LoadError {
    fn from(error: BinaryReaderError) -> Self {
        let mut text = error.to_string();
        if text.contains("component model async") {
            text.push_str("; build it without asynchronous built-ins (jco componentize: --backend-qjs-disable-async)");
        }
        Self::Invalid(text)
    }
}

// === impl Frame ===

impl Frame {
    fn instantiate(&mut self, what: Option<Weight>) -> Result<(), LoadError> {
        let Some(weight) = what else {
            return Err(too_complex(
                "it instantiates a module or component that it imports or takes from an instance".into(),
            ));
        };
        self.weight.add(weight);
        self.weight.check()
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>, aliased: Option<Weight>) {
        self.weight.items += 1;
        match alias {
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, .. }
            | ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. } => self.modules.push(aliased),
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, .. }
            | ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                self.components.push(aliased);
            }
            _ => {}
        }
    }
}

// === impl Weight ===

impl Weight {
    fn add(&mut self, other: Self) {
        self.items = self.items.saturating_add(other.items).saturating_add(1);
        self.component_instances = self.component_instances.saturating_add(other.component_instances);
        self.core_instances = self.core_instances.saturating_add(other.core_instances);
        self.memories = self.memories.saturating_add(other.memories);
        self.memory_bytes = self.memory_bytes.saturating_add(other.memory_bytes);
        self.tables = self.tables.saturating_add(other.tables);
        self.largest_table = self.largest_table.max(other.largest_table);
    }

    fn check(&self) -> Result<(), LoadError> {
        for (what, count, max) in [
            ("parts", self.items, MAX_ITEMS),
            ("component instances", self.component_instances, MAX_COMPONENT_INSTANCES),
            ("core instances", self.core_instances, MAX_CORE_INSTANCES),
        ] {
            if count > max {
                return Err(too_complex(format!("{count} {what} in one instance, at most {max} are allowed")));
            }
        }
        Ok(())
    }
}

// === impl Item ===

impl Item {
    fn new(name: &str, kind: ComponentExternalKind) -> Self {
        let kind = match kind {
            ComponentExternalKind::Module => "core module",
            ComponentExternalKind::Func => "function",
            ComponentExternalKind::Value => "value",
            ComponentExternalKind::Type => "type",
            ComponentExternalKind::Instance => "interface",
            ComponentExternalKind::Component => "component",
        };
        Self { name: name.to_owned(), kind }
    }
}
