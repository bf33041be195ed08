//! Backends have names in one folder only, so that dropping one is deleting files.

use crate::rules::assert_none;
use crate::source::{Source, sources};

/// Where backends are named: their implementations, and the devices by name.
const HOME: &str = "crates/burn-patch/src/ops/backends/";

const TYPES: &[&str] = &[
    "Flex",
    "FlexTensor",
    "NdArray",
    "NdArrayTensor",
    "LibTorch",
    "TchTensor",
    "CubeBackend",
    "Remote",
    "RemoteHost",
    "CubeTensor",
    "Wgpu",
    "WgpuRuntime",
    "Cuda",
    "CudaRuntime",
    "Candle",
    "Rocm",
    "Vulkan",
    "Metal",
];
/// Makers of devices, and crates.
const FUNCTIONS: &[&str] = &[
    "flex",
    "ndarray",
    "libtorch",
    "libtorch_cuda",
    "wgpu",
    "cuda",
    "rocm",
    "burn_flex",
    "burn_ndarray",
    "burn_tch",
    "burn_cubecl",
    "burn_wgpu",
    "burn_cuda",
    "burn_remote",
    "tch",
    "cubecl",
];

/// The code without the lists of `#[backend_extension(…)]`.
fn without_lists(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(at) = out.find("#[backend_extension(") {
        let end = out[at..]
            .find(")]")
            .map_or(out.len(), |length| at + length + 2);
        let blank: String = out[at..end]
            .chars()
            .map(|c| if c == '\n' { c } else { ' ' })
            .collect();
        out.replace_range(at..end, &blank);
    }
    out
}

fn named(source: &Source) -> Vec<(usize, &'static str)> {
    let code = without_lists(&source.shipped);
    let mut found = Vec::new();
    for word in TYPES {
        found.extend(Source::words(&code, word).map(|at| (at, *word)));
    }
    for word in FUNCTIONS {
        let in_path =
            |at: &usize| code[..*at].ends_with("::") || code[at + word.len()..].starts_with("::");
        found.extend(
            Source::words(&code, word)
                .filter(in_path)
                .map(|at| (at, *word)),
        );
    }
    found
}

#[test]
fn backends_are_named_in_their_folder_alone() {
    let mut problems = Vec::new();
    for source in sources(&["crates/burn-patch/src", "crates/burn-vit/src"]) {
        if source.path.starts_with(HOME) {
            continue;
        }
        for (at, word) in named(&source) {
            problems.push(format!("{}: {word}", source.place(at)));
        }
    }
    assert_none(
        "only ops/backends, the lists of backend_extension and tests may name a backend:",
        problems,
    );
}

#[test]
fn lists_and_tests_may_name_them() {
    let text = "#[backend_extension(\n  Flex: cfg(feature = \"flex\"),\n)]\ntrait A {}\n#[cfg(test)]\nmod tests { fn a() { Device::flex() } }\n";
    assert!(named(&Source::new("crates/x/src/y.rs", text.to_owned())).is_empty());
    let text = "fn a() { Device::flex(); let flex = 1; }\nfn b(x: Flex) {}";
    assert_eq!(
        named(&Source::new("crates/x/src/y.rs", text.to_owned())).len(),
        2
    );
}
