//! A device that is served over the loopback.

use std::net::TcpListener;
use std::sync::OnceLock;

use burn::server::{RemoteServer, WebSocketTransport};
use burn::tensor::Device;
use burn_patch::ops::backends;
use tokio::runtime::{Builder, Runtime};

/// Flex, served by a thread of this process for as long as it runs.
pub(crate) fn device() -> Device {
    static SERVED: OnceLock<(Runtime, Device)> = OnceLock::new();
    let (_, device) = SERVED.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let server = RemoteServer::new([opened("flex")]);
        let runtime = Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.expect("threads");
        runtime.spawn(server.serve_async(WebSocketTransport::from_listener(listener)));
        (runtime, opened(&format!("remote:{address}")))
    });
    device.clone()
}

fn opened(name: &str) -> Device {
    backends::device(name).unwrap_or_else(|error| panic!("{error}"))
}
