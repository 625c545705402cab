//! What a component may import.

mod connections;
mod heartbeat;
pub(crate) mod log;
mod logging;
pub(crate) mod stdio;
mod topics;

use crate::{bindings, state::State};
use connections::RouteView;
use heartbeat::HeartbeatView;
use log::GuestLog;
use wasmtime::{
    Engine,
    component::{HasData, Linker},
};
use wasmtime_wasi_config::WasiConfig;

/// The imports of a behavior.
pub(crate) fn for_behaviors(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = for_authenticators(engine)?;
    bindings::connections::add_to_linker::<_, RouteView<'static>>(&mut linker, RouteView::of)?;
    bindings::topics::add_to_linker::<_, RouteView<'static>>(&mut linker, RouteView::of)?;
    bindings::heartbeat::add_to_linker::<_, HeartbeatView<'static>>(&mut linker, HeartbeatView::of)?;
    Ok(linker)
}

/// The imports of an authenticator.
pub(crate) fn for_authenticators(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, |state: &mut State| WasiConfig::from(&*state.scope.settings))?;
    bindings::logging::add_to_linker::<_, GuestLog>(&mut linker, |state| &state.scope.log)?;
    Ok(linker)
}

impl HasData for RouteView<'static> {
    type Data<'a> = RouteView<'a>;
}

impl HasData for HeartbeatView<'static> {
    type Data<'a> = HeartbeatView<'a>;
}

impl HasData for GuestLog {
    type Data<'a> = &'a GuestLog;
}
