//! The header of a safetensors file.

use burn_vit::import::{parse_header, parse_index};

use crate::scratch::split;

/// Reads a header of a file with so many bytes as the length before it says. Tensors that are accepted fill the file.
pub fn header(data: &[u8]) {
    let (json, rest) = split(data);
    if let Ok(text) = std::str::from_utf8(json) {
        let _ = parse_index(text);
    }
    let length = rest
        .iter()
        .take(4)
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    let Ok(entries) = parse_header(json, length) else {
        return;
    };
    let bytes = entries.iter().map(|entry| {
        let values: usize = entry.shape.iter().product();
        assert_eq!(values * entry.dtype.size(), entry.range[1] - entry.range[0]);
        entry.range[1] - entry.range[0]
    });
    assert_eq!(bytes.sum::<usize>(), length);
}
