//! What a component may import.

mod connections;
mod frames;
mod heartbeat;
mod http;
mod keyvalue;
pub(crate) mod log;
mod logging;
pub(crate) mod stdio;
mod timers;
mod topics;

use crate::{bindings, state::State};
use connections::RouteView;
use frames::FramesView;
use heartbeat::HeartbeatView;
pub(crate) use http::Outgoing;
#[expect(unreachable_pub, reason = "the generated code names it where it is public")]
pub use keyvalue::Bucket;
use keyvalue::KeyvalueView;
use log::GuestLog;
use timers::TimersView;
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
    bindings::frames::add_to_linker::<_, FramesView>(&mut linker, |_| FramesView)?;
    bindings::timers::add_to_linker::<_, TimersView<'static>>(&mut linker, TimersView::of)?;
    Ok(linker)
}

/// The imports of an authenticator.
pub(crate) fn for_authenticators(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_config::add_to_linker(&mut linker, |state: &mut State| WasiConfig::from(&*state.scope.settings))?;
    // Whether a component may import these was decided before it was compiled.
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    bindings::keyvalue::store::add_to_linker::<_, KeyvalueView<'static>>(&mut linker, KeyvalueView::of)?;
    bindings::keyvalue::atomics::add_to_linker::<_, KeyvalueView<'static>>(&mut linker, KeyvalueView::of)?;
    bindings::keyvalue::batch::add_to_linker::<_, KeyvalueView<'static>>(&mut linker, KeyvalueView::of)?;
    bindings::logging::add_to_linker::<_, GuestLog>(&mut linker, |state| &state.scope.log)?;
    Ok(linker)
}

impl HasData for RouteView<'static> {
    type Data<'a> = RouteView<'a>;
}

impl HasData for HeartbeatView<'static> {
    type Data<'a> = HeartbeatView<'a>;
}

impl HasData for TimersView<'static> {
    type Data<'a> = TimersView<'a>;
}

impl HasData for KeyvalueView<'static> {
    type Data<'a> = KeyvalueView<'a>;
}

impl HasData for FramesView {
    type Data<'a> = FramesView;
}

impl HasData for GuestLog {
    type Data<'a> = &'a GuestLog;
}
