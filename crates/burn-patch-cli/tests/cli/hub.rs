//! Weights from the Hub, or a server on this machine that answers as it does.

use crate::program::{assert_refused, run};

#[test]
fn an_address_that_names_no_model_is_a_wrong_command_line() {
    for wrong in ["hf://", "hf://a", "hf://a/b/c", "hf://../b"] {
        let output = run(&["describe", "--weights", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

#[cfg(not(feature = "hub"))]
#[test]
fn without_the_feature_an_address_says_how_to_get_it() {
    let args = ["describe", "--weights", "hf://org/model"];
    assert_refused(&args, &["hf://org/model@main", "--features hub"]);
}

#[cfg(feature = "hub")]
mod fetching {
    use std::fs;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::path::Path;
    use std::process::{Command, Output};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::assert_refused;
    use crate::program::{checkpoints, describe, folder, text};

    const FILES: &[&str] = &["config.json", "model.safetensors"];

    /// A server with `org/vit`, which is timm_vit's folder, `org/other`, which has no weights, and `org/private`.
    fn server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(move || answer(stream.unwrap()));
            }
        });
        format!("http://{address}")
    }

    fn answer(mut stream: TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let request = lines.next().unwrap().unwrap();
        let headers: Vec<String> = lines
            .map(|line| line.unwrap().to_lowercase())
            .take_while(|line| !line.is_empty())
            .collect();
        let path = request.split(' ').nth(1).unwrap();
        let json = |files: &[&str]| {
            let siblings = files
                .iter()
                .map(|file| format!("{{\"rfilename\":\"{file}\"}}"));
            let siblings = siblings.collect::<Vec<_>>().join(",");
            format!("{{\"sha\":\"abc\",\"siblings\":[{siblings}]}}").into_bytes()
        };
        let folder = checkpoints().join("timm_vit");
        let (status, body) = match path {
            "/api/models/org/vit/revision/main" => ("200 OK", json(FILES)),
            "/api/models/org/other/revision/v2" => ("200 OK", json(&["README.md"])),
            "/api/models/org/private/revision/main" => ("401 Unauthorized", Vec::new()),
            _ => match path.strip_prefix("/org/vit/resolve/main/") {
                Some(file) if FILES.contains(&file) => {
                    ("206 Partial Content", fs::read(folder.join(file)).unwrap())
                }
                _ => ("404 Not Found", Vec::new()),
            },
        };
        let range = headers
            .iter()
            .find_map(|line| line.strip_prefix("range: bytes="));
        let (from, to) = range
            .and_then(|range| range.split_once('-'))
            .unwrap_or(("0", ""));
        let from: usize = from.parse().unwrap();
        let to = to
            .parse()
            .map_or(body.len(), |last: usize| last + 1)
            .min(body.len());
        let part = &body[from.min(to)..to];
        let name = path.rsplit('/').next().unwrap();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{}\r\nETag: \"{name}\"\r\n\
             X-Repo-Commit: abc\r\nConnection: close\r\n\r\n",
            part.len(),
            to.max(1) - 1,
            body.len()
        );
        let _ = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(part));
    }

    /// A proxy would be asked in the server's place.
    const PROXIES: &[&str] = &["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"];

    fn describe_from(endpoint: &str, cache: &Path, weights: &str) -> Output {
        let mut program = Command::new(env!("CARGO_BIN_EXE_burn-patch"));
        for proxy in PROXIES {
            program.env_remove(proxy).env_remove(proxy.to_lowercase());
        }
        program
            .args(["describe", "--json", "--weights", weights])
            .env("HF_ENDPOINT", endpoint)
            .env("HF_HOME", cache)
            .env_remove("HF_TOKEN")
            .output()
            .unwrap()
    }

    #[test]
    fn a_model_is_fetched_once_with_its_configuration() {
        let cache = folder();
        let file = checkpoints().join("timm_vit/model.safetensors");
        let want = describe(&["--weights", text(&file)]);
        // The second time nobody is there to ask.
        for endpoint in [&server(), "http://127.0.0.1:9"] {
            let output = describe_from(endpoint, cache.path(), "hf://org/vit");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            let got: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(got["architecture"], want["architecture"]);
        }
    }

    #[test]
    fn what_cannot_be_fetched_is_an_error_within_seconds() {
        let server = server();
        // Takes connections and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mute = format!("http://{}", silent.local_addr().unwrap());
        for (endpoint, weights, reason) in [
            (server.as_str(), "hf://org/nobody", "no such model"),
            (&server, "hf://org/vit@v3", "no such model"),
            (
                &server,
                "hf://org/other@v2",
                "it has none of model.safetensors",
            ),
            (&server, "hf://org/private", "HF_TOKEN"),
            ("http://127.0.0.1:9", "hf://org/vit", "cannot be reached"),
            (
                "http://no-such-host.invalid",
                "hf://org/vit",
                "cannot be reached",
            ),
            (&mute, "hf://org/vit", "did not answer"),
        ] {
            let cache = folder();
            let start = Instant::now();
            let output = describe_from(endpoint, cache.path(), weights);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{weights}: {errors}");
            assert_eq!(errors.lines().count(), 1, "{errors}");
            assert!(
                errors.contains(weights) && errors.contains(reason),
                "{errors}"
            );
            assert!(start.elapsed() < Duration::from_secs(15), "{weights}");
        }
        assert_refused(&["describe", "--weights", "hf:/org/vit"], &["hf:/org/vit"]);
    }
}
