//! Training on devices that other processes serve.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{Place, assert_one_line, files, signal, wait_for};

/// Between losses that differ by nothing but where they were computed.
const TOLERANCE: f64 = 1e-5;
/// For a run to notice that a server is gone.
const NOTICE: Duration = Duration::from_secs(60);

/// A `tiny-mae serve` of its own.
struct Server {
    child: Child,
    /// As `--devices` takes it.
    name: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tiny-mae"))
            .args(["serve", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        let name = line.rsplit(' ').next().unwrap().trim().to_owned();
        assert!(name.starts_with("remote:127.0.0.1:"), "{line}");
        Self { child, name }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn losses(place: &Place, out: &str) -> Vec<f64> {
    let mae = &place.results(out)["mae"];
    let values = ["train_loss", "test_loss"].map(|name| mae[name].as_array().unwrap().clone());
    let values = values.into_iter().flatten();
    values.map(|loss| loss.as_f64().unwrap()).collect()
}

#[test]
fn two_servers_give_the_losses_of_two_devices_of_one_process() {
    let place = Place::new();
    let servers = [Server::start(), Server::start()];
    let names = servers.each_ref().map(|server| server.name.as_str());
    let names = names.join(",");
    let base = [
        "--task",
        "mae",
        "--epochs",
        "3",
        "--batch",
        "16",
        "--devices",
    ];
    for (out, devices) in [("local", "flex,flex"), ("served", &names[..])] {
        let text = place.succeeds(out, &[&base[..], &[devices]].concat());
        assert!(text.contains(&devices.replace(',', ", ")), "{text}");
    }
    let [local, served] = ["local", "served"].map(|out| losses(&place, out));
    assert_eq!(local.len(), 6);
    for (expected, got) in local.iter().zip(&served) {
        let difference = (expected - got).abs() / expected;
        assert!(difference < TOLERANCE, "{local:?}, {served:?}");
    }
    // Where it ran is no part of what a run is.
    let run = |out: &str| place.results(out)["run"].clone();
    assert_eq!(run("local"), run("served"));
}

/// Whichever of the two it is, the one that has the model or the other.
#[test]
fn a_server_that_is_killed_is_named_and_the_run_goes_on_without_it() {
    let base = ["--task", "mae", "--batch", "8"];
    for killed in 0..2 {
        let place = Place::new();
        let mut servers = [Server::start(), Server::start()];
        let names = servers.each_ref().map(|server| server.name.clone());
        let long = ["--epochs", "2000", "--devices", &names.join(",")];
        let mut child = place
            .command("out", &[&base[..], &long].concat())
            .spawn()
            .unwrap();
        let mut rest = wait_for(&mut child, "mae epoch 2/2000");
        servers[killed].child.kill().unwrap();
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < NOTICE, "{}: still running", names[killed]);
            std::thread::sleep(Duration::from_millis(50));
        }
        rest.read_to_string(&mut String::new()).unwrap();
        let lost = format!("{} no longer answers", names[killed]);
        assert_one_line(&child.wait_with_output().unwrap(), 1, &[&lost, "--resume"]);

        let manifests = files(&place.path("out/runs/mae"));
        let epochs = manifests.iter().filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            name.strip_prefix("epoch-")?
                .strip_suffix(".json")?
                .parse::<u32>()
                .ok()
        });
        let done = epochs.max().expect("a whole checkpoint");
        let epochs = (done + 1).to_string();
        let short = [
            "--epochs",
            &epochs,
            "--devices",
            &names[1 - killed],
            "--resume",
        ];
        let text = place.succeeds("out", &[&base[..], &short].concat());
        assert!(
            text.contains(&format!("mae: going on after epoch {done}")),
            "{text}"
        );
    }
}

#[test]
fn a_server_that_is_asked_to_stop_says_so() {
    let mut server = Server::start();
    signal(&server.child, "TERM");
    let mut errors = String::new();
    let stderr = server.child.stderr.as_mut().unwrap();
    stderr.read_to_string(&mut errors).unwrap();
    assert_eq!(server.child.wait().unwrap().code(), Some(143), "{errors}");
    assert!(
        errors.contains("SIGTERM; flex is served no more"),
        "{errors}"
    );
}

#[test]
fn what_cannot_be_served_or_trained_on_is_refused_by_name() {
    let place = Place::new();
    let server = Server::start();
    let (_, port) = server.name.rsplit_once(':').unwrap();
    let refused = |args: &[&str], code: i32, parts: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tiny-mae"))
            .args(args)
            .output();
        assert_one_line(&output.unwrap(), code, parts);
    };
    refused(
        &["serve", "--port", port],
        1,
        &["serve: flex on 127.0.0.1", port],
    );
    refused(
        &["serve", "--port", "0", "--backend", "tpu"],
        2,
        &["unknown backend 'tpu'"],
    );
    #[cfg(feature = "tch")]
    refused(
        &["serve", "--port", "0", "--backend", "tch"],
        1,
        &["tch", "LibTorch cannot run"],
    );
    let devices = ["--devices", "flex,flex,flex", "--batch", "2"];
    place.fails("out", &devices, 2, &["--devices", "2 pictures", "got 3"]);
    place.fails(
        "out",
        &["--devices", "remote:localhost"],
        2,
        &["'remote:localhost'", "HOST:PORT"],
    );
}
