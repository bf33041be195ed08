//! A parquet file of pictures.

#![no_main]

use std::sync::Once;

static HOOK: Once = Once::new();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // libFuzzer's own hook ends the process at every panic, those of the format's crate included, which are caught.
    HOOK.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    burn_patch_targets::parquet(data);
});
