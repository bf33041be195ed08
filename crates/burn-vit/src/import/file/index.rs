//! The index of a checkpoint in several files.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Names of the tensors by file, from a `model.safetensors.index.json`.
///
/// # Errors
///
/// What is wrong, in words: no such JSON, no files, or a file that is not beside the index.
pub fn parse_index(json: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
    let Index { weight_map } = serde_json::from_str(json)
        .map_err(|error| format!("it is no index of a safetensors checkpoint: {error}"))?;
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, file) in weight_map {
        if file.is_empty() || file.starts_with('.') || file.contains(['/', '\\', ':']) {
            return Err(format!(
                "'{name}' lies in '{file}', which is not beside the index"
            ));
        }
        files.entry(file).or_default().push(name);
    }
    if files.is_empty() {
        return Err("it names no tensors".to_owned());
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_listed_by_file_and_files_lie_beside_the_index() {
        let text = r#"{"metadata":{"total_size":8},"weight_map":{"a":"1.safetensors","b":"2.safetensors","c":"1.safetensors"}}"#;
        let files = parse_index(text).unwrap();
        assert_eq!(files["1.safetensors"], ["a", "c"]);
        for file in ["../x.safetensors", "/etc/passwd", "c:x", ""] {
            let text = serde_json::json!({"weight_map": {"a": file}}).to_string();
            assert!(parse_index(&text).unwrap_err().contains("not beside"));
        }
        assert!(parse_index("{}").is_err());
        assert!(parse_index(r#"{"weight_map":{}}"#).is_err());
    }
}
