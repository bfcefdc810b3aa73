#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| molecule_fuzz_bodies::activity_rows::run(bytes));
