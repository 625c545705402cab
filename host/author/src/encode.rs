//! From a core module for WASI preview 1 to a component: what `wasm-tools component embed` and `component new` do.

use crate::{AuthorError, world::World};
use wit_component::{ComponentEncoder, StringEncoding};

/// Makes a component of a core module that was built for the world.
pub(crate) fn component(world: &World, module: &[u8]) -> Result<Vec<u8>, AuthorError> {
    let failed = |error| AuthorError::Component { doing: "failed to make a component of what was compiled", error };
    let mut module = module.to_vec();
    wit_component::embed_component_metadata(&mut module, &world.resolve, world.id, StringEncoding::UTF8, false)
        .map_err(failed)?;
    let adapter = wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| {
            encoder.adapter(wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter)
        })
        .and_then(|encoder| encoder.encode())
        .map_err(failed)
}
