//! Serving a device to other processes.

use crate::error::Error;

/// Serves the device called `backend` on `port` of `host`, 0 for any that is free, until the program is asked to stop.
///
/// # Errors
///
/// [`Error::Serve`] if the port is taken or Burn does not serve the backend, those of
/// [`device`](burn_patch::ops::backends::device), and [`Error::Ended`] in the end.
#[cfg(feature = "remote")]
pub fn serve(host: &str, port: u16, backend: &str) -> Result<(), Error> {
    use std::net::TcpListener;
    use std::thread::sleep;
    use std::time::Duration;

    use burn::server::{RemoteServer, WebSocketTransport};
    use burn_patch::ops::backends::device;
    use tokio::runtime::Builder;

    use crate::kernels::prepare_backend;
    use crate::log_records;
    use crate::output::say;
    use crate::stop;

    log_records::say_warnings();
    prepare_backend(backend, false);
    let device = device(backend)?;
    let failed =
        |why: &dyn std::fmt::Display| Error::Serve(format!("{backend} on {host}:{port}: {why}"));
    let listener = TcpListener::bind((host, port)).map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    let transport = WebSocketTransport::from_listener(listener);
    let serving = runtime.spawn(RemoteServer::new([device]).serve_async(transport));
    // What Burn does not serve it refuses at once.
    sleep(Duration::from_millis(100));
    if !serving.is_finished() {
        say(format_args!(
            "serving {backend}; train on it with --devices remote:{address}"
        ));
    }
    while !serving.is_finished() {
        if let Err(error) = stop::check() {
            runtime.shutdown_background();
            return Err(error.ended(format!("{backend} is served no more")));
        }
        sleep(Duration::from_millis(50));
    }
    match runtime.block_on(serving) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}

/// This build serves nothing.
///
/// # Errors
///
/// [`burn_patch::Error::BackendNotCompiled`], always.
#[cfg(not(feature = "remote"))]
pub fn serve(host: &str, port: u16, _: &str) -> Result<(), Error> {
    // It names the feature.
    burn_patch::ops::backends::device(&format!("remote:{host}:{port}"))?;
    Ok(())
}
