//! Raw bindings to `wasi:keyvalue@0.2.0-draft`, of which the host has no crate that would let it keep the data.

mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1/deps/wasi-keyvalue",
        world: "wasi:keyvalue/imports",
        imports: {
            "wasi:keyvalue/store.open": trappable,
            "wasi:keyvalue/store.[drop]bucket": trappable,
            default: async | trappable,
        },
        with: { "wasi:keyvalue/store.bucket": crate::host::Bucket },
    });
}

pub(crate) use generated::wasi::keyvalue::{atomics, batch, store};
