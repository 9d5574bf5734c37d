#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dkron_jobs_fuzz::answers(bytes));
