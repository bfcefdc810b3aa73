#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| molecule_fuzz_bodies::a2a_envelope::run(bytes));
