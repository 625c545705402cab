//! Raw bindings to `socklet:plugin@0.1`, generated once. Arguments of the guest's exports are borrowed, and the messages
//! that it sends are read where they lie in its memory, so that a message goes in and out without a copy on the way.

pub(crate) mod keyvalue;
#[expect(unreachable_pub, dead_code, reason = "the generated code names it all, and we use some")]
pub mod types;

mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        inline: "
            package socklet:host;
            world host {
                import socklet:plugin/connections@0.1.0;
                import socklet:plugin/topics@0.1.0;
                import socklet:plugin/heartbeat@0.1.0;
                import socklet:plugin/timers@0.1.0;
                import socklet:plugin/logging@0.1.0;
                export socklet:plugin/authenticator@0.1.0;
                export socklet:plugin/behavior@0.1.0;
                export socklet:plugin/frames@0.1.0;
                export socklet:plugin/state@0.1.0;
                export socklet:plugin/timer-events@0.1.0;
            }
        ",
        world: "socklet:host/host",
        imports: {
            "socklet:plugin/connections@0.1.0.flush": async | trappable,
            "socklet:plugin/connections@0.1.0.send": store | trappable,
            "socklet:plugin/connections@0.1.0.send-all": store | trappable,
            "socklet:plugin/topics@0.1.0.publish": store | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: { "socklet:plugin/types": crate::bindings::types },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub(crate) use generated::{
    exports::socklet::plugin::{authenticator, behavior, frames as frame_hook, state, timer_events},
    socklet::plugin::{connections, frames, heartbeat, logging, timers, topics},
};
