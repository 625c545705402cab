//! Bytes from a client, as frames.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socklet_server::fuzz::framing(data));
