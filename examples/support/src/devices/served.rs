//! Whether the devices that other processes serve are still there.
//!
//! Burn sends operations without waiting for answers. Where a server dies, what comes after may be an error of another
//! server, which waited for a tensor of it, or no answer at all. So their ports are asked.

use std::io::ErrorKind;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::Error;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Unanswered questions in a row that make a server lost, where its machine does not say that nobody listens.
const UNANSWERED: usize = 3;

/// Their names, `remote:HOST:PORT`.
static SERVED: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn served() -> Vec<String> {
    let served = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
    served.clone()
}

/// Ends the program once one of those among `names` that are served goes away.
pub(super) fn watch(names: &[String]) {
    static WATCH: Once = Once::new();
    let new = names.iter().filter(|name| name.starts_with("remote:"));
    let mut served = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
    served.extend(new.cloned());
    if !served.is_empty() {
        WATCH.call_once(|| drop(thread::spawn(ask_again_and_again)));
    }
}

/// The first that does not answer now.
pub(crate) fn lost() -> Option<Error> {
    served().into_iter().find_map(|device| {
        let why = ask(&device).err()?.0;
        Some(Error::Lost { device, why })
    })
}

fn ask_again_and_again() {
    let mut unanswered = 0;
    loop {
        thread::sleep(PAUSE);
        let answers = served().into_iter().map(|device| (ask(&device), device));
        let failed = answers.filter_map(|(answer, device)| Some((answer.err()?, device)));
        let Some(((why, sure), device)) = failed.max_by_key(|((_, sure), _)| *sure) else {
            unanswered = 0;
            continue;
        };
        unanswered += 1;
        if sure || unanswered == UNANSWERED {
            // As of any thread that nobody waits for, this ends the program.
            panic!("{}", Error::Lost { device, why });
        }
    }
}

/// Opens a connection and closes it again; otherwise why not, and whether the machine says so itself.
fn ask(device: &str) -> Result<(), (String, bool)> {
    let address = device.trim_start_matches("remote:");
    let unsure = |error: std::io::Error| (error.to_string(), false);
    let addresses = address.to_socket_addrs().map_err(unsure)?;
    let mut last = ("it has no address".to_owned(), false);
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => {
                let sure = error.kind() == ErrorKind::ConnectionRefused;
                last = (error.to_string(), sure);
            }
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_port_that_nobody_listens_on_any_more_is_sure_to_be_lost() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let device = format!("remote:{}", listener.local_addr().unwrap());
        assert_eq!(ask(&device), Ok(()));
        drop(listener);
        // A process that another test starts holds the port until it is its own program.
        let refused = (0..100).find_map(|_| {
            thread::sleep(Duration::from_millis(10));
            ask(&device).err()
        });
        let (why, sure) = refused.expect("nobody listens");
        assert!(sure && why.contains("refused"), "{why}");
    }
}
