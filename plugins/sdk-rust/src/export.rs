//! The export macros, and the one value per instance that they keep.

use crate::bindings::frames_plugin::exports::socklet::plugin::frames as exported;
use crate::{
    Acceptance, Authenticator, Behavior, CloseFrame, Connection, Disposition, Ending, Frame, Frames, Message, Opcode,
    Principal, Request, Response, State, TimerEvents, Verdict, log,
};
use std::cell::RefCell;
use std::error::Error;
use std::fmt;

/// The value that serves an instance: made and started before the first hook.
pub struct Plugin<T> {
    start: fn(&mut T) -> Result<(), Box<dyn Error>>,
    // The inner option is none when the start failed.
    value: RefCell<Option<Option<T>>>,
}

// === impl Plugin ===

impl<T: Default> Plugin<T> {
    /// Calls a hook; `None` when the plugin could not start.
    fn call<R>(&self, hook: impl FnOnce(&mut T) -> R) -> Option<R> {
        // A host import never calls back into the instance, so this is never borrowed twice.
        let mut value = self.value.borrow_mut();
        value.get_or_insert_with(|| self.started()).as_mut().map(hook)
    }

    fn started(&self) -> Option<T> {
        let mut value = T::default();
        match (self.start)(&mut value) {
            Ok(()) => Some(value),
            Err(error) => {
                log::error(&format!("the plugin cannot start: {error}"));
                None
            }
        }
    }
}

impl<T: Behavior> Plugin<T> {
    pub const fn behavior() -> Self {
        Self { start: T::start, value: RefCell::new(None) }
    }

    pub fn on_upgrade(&self, request: Request, principal: Option<Principal>) -> Result<Acceptance, Response> {
        self.call(|plugin| plugin.on_upgrade(request, principal)).unwrap_or_else(|| Err(Response::new(500)))
    }

    pub fn on_open(&self, connection: u64) -> Result<(), CloseFrame> {
        let opened = self.call(|plugin| plugin.on_open(Connection::from_id(connection)));
        opened.unwrap_or_else(|| Err(failed_start())).map_err(CloseFrame::from)
    }

    pub fn on_message(&self, connection: u64, message: Message) -> Result<(), CloseFrame> {
        let handled = self.call(|plugin| plugin.on_message(Connection::from_id(connection), message));
        handled.unwrap_or_else(|| Err(failed_start())).map_err(CloseFrame::from)
    }

    pub fn on_close(&self, connection: u64, ending: Ending) {
        self.call(|plugin| plugin.on_close(Connection::from_id(connection), ending));
    }
}

impl<T: Behavior + Frames> Plugin<T> {
    pub fn on_frame(&self, connection: u64, frame: exported::Frame) -> exported::Disposition {
        let frame = Frame { opcode: opcode(frame.opcode), fin: frame.fin, payload: frame.payload };
        match self.call(|plugin| plugin.on_frame(Connection::from_id(connection), frame)) {
            Some(Disposition::Process) => exported::Disposition::Process,
            Some(Disposition::Skip) => exported::Disposition::Skip,
            Some(Disposition::Stop) | None => exported::Disposition::Stop,
        }
    }
}

impl<T: Behavior + State> Plugin<T> {
    pub fn save(&self) -> Result<Vec<u8>, String> {
        self.call(State::save).unwrap_or_else(|| Err(FAILED_START.into()))
    }

    pub fn load(&self, state: Vec<u8>) -> Result<(), String> {
        self.call(|plugin| plugin.load(state)).unwrap_or_else(|| Err(FAILED_START.into()))
    }
}

impl<T: Behavior + TimerEvents> Plugin<T> {
    pub fn on_timer(&self, name: String) {
        self.call(|plugin| plugin.on_timer(name));
    }
}

impl<T: Authenticator> Plugin<T> {
    pub const fn authenticator() -> Self {
        Self { start: T::start, value: RefCell::new(None) }
    }

    pub fn authenticate(&self, request: &Request) -> Verdict {
        self.call(|plugin| plugin.authenticate(request)).unwrap_or_else(|| Verdict::Deny(Response::new(500)))
    }
}

impl<T> fmt::Debug for Plugin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").finish_non_exhaustive()
    }
}

const FAILED_START: &str = "the plugin could not start";

fn failed_start() -> crate::Close {
    crate::Close::new(crate::Close::INTERNAL, "internal error")
}

fn opcode(opcode: exported::Opcode) -> Opcode {
    match opcode {
        exported::Opcode::Continuation => Opcode::Continuation,
        exported::Opcode::Text => Opcode::Text,
        exported::Opcode::Binary => Opcode::Binary,
        exported::Opcode::Close => Opcode::Close,
        exported::Opcode::Ping => Opcode::Ping,
        exported::Opcode::Pong => Opcode::Pong,
    }
}

/// Makes the component a behavior: `export_behavior!(MyType)`.
///
/// Optional exports follow the type, by name: `export_behavior!(MyType, frames, state, timer_events)`. Each wants its trait:
/// [`Frames`], [`State`], [`TimerEvents`].
#[macro_export]
macro_rules! export_behavior {
    ($plugin:ty $(, $hook:ident)* $(,)?) => {
        const _: () = {
            ::std::thread_local! {
                static PLUGIN: $crate::export::Plugin<$plugin> = const { $crate::export::Plugin::behavior() };
            }

            struct Exported;

            impl $crate::bindings::behavior_plugin::exports::socklet::plugin::behavior::Guest for Exported {
                fn on_upgrade(
                    request: $crate::Request,
                    principal: ::std::option::Option<$crate::Principal>,
                ) -> ::std::result::Result<$crate::Acceptance, $crate::Response> {
                    PLUGIN.with(|plugin| plugin.on_upgrade(request, principal))
                }

                fn on_open(connection: u64) -> ::std::result::Result<(), $crate::CloseFrame> {
                    PLUGIN.with(|plugin| plugin.on_open(connection))
                }

                fn on_message(
                    connection: u64,
                    message: $crate::Message,
                ) -> ::std::result::Result<(), $crate::CloseFrame> {
                    PLUGIN.with(|plugin| plugin.on_message(connection, message))
                }

                fn on_close(connection: u64, ending: $crate::Ending) {
                    PLUGIN.with(|plugin| plugin.on_close(connection, ending));
                }
            }

            $crate::bindings::behavior_plugin::export_behavior_world!(
                Exported with_types_in $crate::bindings::behavior_plugin
            );

            $($crate::__export_optional!($hook Exported PLUGIN);)*
        };
    };
}

/// Makes the component an authenticator: `export_authenticator!(MyType)`.
#[macro_export]
macro_rules! export_authenticator {
    ($plugin:ty $(,)?) => {
        const _: () = {
            ::std::thread_local! {
                static PLUGIN: $crate::export::Plugin<$plugin> = const { $crate::export::Plugin::authenticator() };
            }

            struct Exported;

            impl $crate::bindings::authenticator_plugin::exports::socklet::plugin::authenticator::Guest for Exported {
                fn authenticate(request: $crate::Request) -> $crate::Verdict {
                    PLUGIN.with(|plugin| plugin.authenticate(&request))
                }
            }

            $crate::bindings::authenticator_plugin::export_authenticator_world!(
                Exported with_types_in $crate::bindings::authenticator_plugin
            );
        };
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_optional {
    (frames $exported:ident $plugin:ident) => {
        impl $crate::bindings::frames_plugin::exports::socklet::plugin::frames::Guest for $exported {
            fn on_frame(
                connection: u64,
                frame: $crate::bindings::frames_plugin::exports::socklet::plugin::frames::Frame,
            ) -> $crate::bindings::frames_plugin::exports::socklet::plugin::frames::Disposition {
                $plugin.with(|plugin| plugin.on_frame(connection, frame))
            }
        }

        $crate::bindings::frames_plugin::export_frames_world!(
            $exported with_types_in $crate::bindings::frames_plugin
        );
    };
    (state $exported:ident $plugin:ident) => {
        impl $crate::bindings::state_plugin::exports::socklet::plugin::state::Guest for $exported {
            fn save() -> ::std::result::Result<::std::vec::Vec<u8>, ::std::string::String> {
                $plugin.with(|plugin| plugin.save())
            }

            fn load(state: ::std::vec::Vec<u8>) -> ::std::result::Result<(), ::std::string::String> {
                $plugin.with(|plugin| plugin.load(state))
            }
        }

        $crate::bindings::state_plugin::export_state_world!($exported with_types_in $crate::bindings::state_plugin);
    };
    (timer_events $exported:ident $plugin:ident) => {
        impl $crate::bindings::timer_events_plugin::exports::socklet::plugin::timer_events::Guest for $exported {
            fn on_timer(name: ::std::string::String) {
                $plugin.with(|plugin| plugin.on_timer(name));
            }
        }

        $crate::bindings::timer_events_plugin::export_timer_events_world!(
            $exported with_types_in $crate::bindings::timer_events_plugin
        );
    };
}
