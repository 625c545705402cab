//! From a file to a component that is known to fit and to start.

use crate::{
    artifact::Origin,
    bindings::authenticator,
    cache::Cache,
    compiler::Compiler,
    config::{PluginConfig, Source},
    contract::Kind,
    engine::{Allocation, Engines, Workshop},
    error::LoadError,
    inspect::{Inspection, inspect},
    instance::{BehaviorIndices, Indices, Linked},
    precheck::MAX_SIZE,
    profile::slot,
    stamp::Stamp,
    state::State,
};
use bytes::Bytes;
use std::{fs::File, io::Read, path::Path, sync::Arc};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use wasmtime::component::{Component, InstancePre};

/// A linked component of either kind.
pub(crate) enum AnyLinked {
    Authenticator(Arc<Linked<authenticator::GuestIndices>>),
    Behavior(Arc<Linked<BehaviorIndices>>),
}

/// A component that is ready to be instantiated.
pub(crate) struct Prepared {
    pub(crate) linked: AnyLinked,
    /// For routes where every event has an instance of its own; none where nobody asked or the component does not fit.
    pub(crate) fleeting: Option<Arc<Linked<BehaviorIndices>>>,
    pub(crate) inspection: Inspection,
    /// Of the file that it came from, where a change of that can be told.
    pub(crate) stamp: Option<Stamp>,
}

/// Where compiled components come from.
pub(crate) struct Tools<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) compiler: &'a Compiler,
    /// Nobody waits any more.
    pub(crate) canceled: &'a CancellationToken,
}

/// Reads, checks, compiles and links a component. Takes seconds for large ones that are not in the cache.
pub(crate) fn prepare(config: &PluginConfig, engines: &Engines, tools: &Tools<'_>) -> Result<Prepared, LoadError> {
    let (bytes, stamp) = match &config.source {
        Source::File(path) => read(path)?,
        Source::Bytes(bytes) => (bytes.clone(), None),
    };
    let inspection = inspect(&bytes)?;
    check_digest(config.digest.as_deref(), &inspection.digest)?;
    let kind = match inspection.kind {
        Some(kind) if inspection.problems.is_empty() => kind,
        _ => return Err(LoadError::Misfit(inspection.problems)),
    };
    let missing = config.grants.missing(&config.name, &inspection.imports);
    if !missing.is_empty() {
        return Err(LoadError::Misfit(missing));
    }
    if inspection.memory_bytes > config.limits.memory_max as u64 {
        let (needs, limit) = (inspection.memory_bytes, config.limits.memory_max);
        let problem = format!("it starts with {needs} bytes of memory, the limit is {limit}: raise memory_max");
        return Err(LoadError::Misfit(vec![problem]));
    }
    let fits_slot = config.limits.memory_max <= slot::MEMORY;
    let wanted = if fits_slot { inspection.allocation } else { Allocation::Large };
    let link = |workshop: &Workshop| {
        workshop.shelf.get(&inspection.digest, || link(&bytes, &inspection.digest, kind, workshop, tools))
    };
    let waits = !inspection.grants.is_empty();
    let linked = match link(engines.get(kind, wanted, waits)) {
        // The estimate was too good: the pool itself knows best.
        Err(LoadError::Compile(_)) if wanted != Allocation::Large => link(engines.get(kind, Allocation::Large, waits)),
        linked => linked,
    }?;
    let fleeting = match engines.for_events(wanted, waits).filter(|_| config.fleeting).map(link) {
        Some(Ok(AnyLinked::Behavior(fleeting))) => Some(fleeting),
        Some(Ok(AnyLinked::Authenticator(_)) | Err(LoadError::Compile(_))) | None => None,
        Some(Err(error)) => return Err(error),
    };
    Ok(Prepared { linked, fleeting, inspection, stamp })
}

fn link(
    bytes: &[u8],
    digest: &str,
    kind: Kind,
    workshop: &Workshop,
    tools: &Tools<'_>,
) -> Result<AnyLinked, LoadError> {
    let component = compiled(bytes, digest, workshop, tools)?;
    let mismatch = |error: wasmtime::Error| LoadError::Mismatch(format!("{error:#}"));
    let pre = workshop.linker.instantiate_pre(&component).map_err(mismatch)?;
    match kind {
        Kind::Authenticator => linked(pre, workshop).map(AnyLinked::Authenticator),
        Kind::Behavior => linked(pre, workshop).map(AnyLinked::Behavior),
    }
}

fn linked<I: Indices>(pre: InstancePre<State>, workshop: &Workshop) -> Result<Arc<Linked<I>>, LoadError> {
    Linked::new(pre, workshop.slots.clone(), workshop.stacks.clone())
        .map(Arc::new)
        .map_err(|error| LoadError::Mismatch(format!("{error:#}")))
}

fn compiled(bytes: &[u8], digest: &str, workshop: &Workshop, tools: &Tools<'_>) -> Result<Component, LoadError> {
    let failed = |error: wasmtime::Error| LoadError::Compile(format!("{error:#}"));
    let engine = &workshop.engine;
    let origin = Origin::new(engine, digest);
    if let Some(artifact) = tools.cache.get(&origin) {
        match artifact.load(engine) {
            Ok(component) => return Ok(component),
            Err(error) => warn!(%error, digest = origin.digest, "a compiled plugin does not load, compiling it again"),
        }
    }
    let artifact = tools.compiler.compile(bytes, workshop, tools.canceled)?;
    let component = artifact.load(engine).map_err(failed)?;
    if let Err(error) = tools.cache.put(&origin, &artifact) {
        warn!(%error, digest = origin.digest, "failed to keep a compiled plugin");
    }
    Ok(component)
}

fn read(path: &Path) -> Result<(Bytes, Option<Stamp>), LoadError> {
    let failed = |source| LoadError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let (size, stamp) = (metadata.len(), Stamp::new(&metadata));
    if size > MAX_SIZE {
        return Err(LoadError::TooLarge { size });
    }
    let mut bytes = Vec::with_capacity(size as usize);
    file.by_ref().take(MAX_SIZE + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes.into(), stamp))
}

fn check_digest(expected: Option<&str>, actual: &str) -> Result<(), LoadError> {
    let Some(expected) = expected else { return Ok(()) };
    let hex = expected.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
    let Some(hex) = hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())) else {
        return Err(LoadError::InvalidDigest(expected.to_owned()));
    };
    if !actual.ends_with(&hex.to_ascii_lowercase()) {
        return Err(LoadError::Digest { expected: expected.to_owned(), actual: actual.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_compared_without_case() {
        let actual = format!("sha256:{}", "ab".repeat(32));
        assert!(check_digest(None, &actual).is_ok());
        assert!(check_digest(Some(&actual.to_ascii_uppercase().replace("SHA", "sha")), &actual).is_ok());
        let other = format!("sha256:{}", "ac".repeat(32));
        assert!(matches!(check_digest(Some(&other), &actual), Err(LoadError::Digest { .. })));
        for bad in ["", "sha256:", "abab", "sha512:ab"] {
            assert!(matches!(check_digest(Some(bad), &actual), Err(LoadError::InvalidDigest(_))), "{bad}");
        }
    }
}
