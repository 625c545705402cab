//! Generated bindings to `socklet:plugin@0.1`, one module for each world; only the export macros reach in from outside.
#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    missing_debug_implementations,
    clippy::allow_attributes_without_reason,
    clippy::unwrap_used,
    reason = "generated code"
)]

/// Everything that a behavior imports, and the export of its four hooks.
pub mod behavior_plugin {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        world: "behavior-plugin",
        pub_export_macro: true,
        export_macro_name: "export_behavior_world",
        default_bindings_module: "socklet_sdk::bindings::behavior_plugin",
        generate_all,
    });
}

/// The export of an authenticator.
pub mod authenticator_plugin {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        world: "authenticator-plugin",
        pub_export_macro: true,
        export_macro_name: "export_authenticator_world",
        default_bindings_module: "socklet_sdk::bindings::authenticator_plugin",
        with: {
            "socklet:plugin/types@0.1.0": super::behavior_plugin::socklet::plugin::types,
            "socklet:plugin/logging@0.1.0": super::behavior_plugin::socklet::plugin::logging,
            "wasi:config/store@0.2.0-rc.1": super::behavior_plugin::wasi::config::store,
        },
    });
}

/// The optional export `frames`.
pub mod frames_plugin {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        inline: "package socklet:sdk; world frames-plugin { export socklet:plugin/frames@0.1.0; }",
        world: "socklet:sdk/frames-plugin",
        pub_export_macro: true,
        export_macro_name: "export_frames_world",
        default_bindings_module: "socklet_sdk::bindings::frames_plugin",
        with: { "socklet:plugin/types@0.1.0": super::behavior_plugin::socklet::plugin::types },
    });
}

/// The optional export `state`.
pub mod state_plugin {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        inline: "package socklet:sdk; world state-plugin { export socklet:plugin/state@0.1.0; }",
        world: "socklet:sdk/state-plugin",
        pub_export_macro: true,
        export_macro_name: "export_state_world",
        default_bindings_module: "socklet_sdk::bindings::state_plugin",
    });
}

/// The import of key-value stores.
#[cfg(feature = "keyvalue")]
pub mod keyvalue_plugin {
    wit_bindgen::generate!({
        path: "../../wit/v0.1/deps/wasi-keyvalue",
        world: "wasi:keyvalue/imports",
        generate_all,
    });
}

/// The optional export `timer-events`.
pub mod timer_events_plugin {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        inline: "package socklet:sdk; world timer-events-plugin { export socklet:plugin/timer-events@0.1.0; }",
        world: "socklet:sdk/timer-events-plugin",
        pub_export_macro: true,
        export_macro_name: "export_timer_events_world",
        default_bindings_module: "socklet_sdk::bindings::timer_events_plugin",
    });
}
