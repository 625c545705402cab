//! Compressed messages from a client.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| socklet_server::fuzz::inflate(data));
