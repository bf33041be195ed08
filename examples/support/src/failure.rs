//! From the command line to an exit code: whatever goes wrong becomes a message on standard error and a code.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::process::{ExitCode, exit};
use std::sync::{Mutex, PoisonError};
use std::thread::{Thread, ThreadId, current};

use clap::Parser;

use crate::devices::lost;
use crate::error::Error;
use crate::output::complain;
use crate::signal::SIGHUP;
use crate::{stop, terminal};

/// The first panic's message: a worker's panic makes its caller panic with a less telling one.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Held by whoever says why the program ends, so that it is said once.
static LAST_WORDS: Mutex<()> = Mutex::new(());

/// Parses the command line and runs `work` on it. A wrong command line ends with code 2, a stop with that of its
/// signal, and whatever else goes wrong with 1.
pub fn program<A: Parser>(work: impl FnOnce(&A) -> Result<(), Error>) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(answer) => {
            // Help and version come this way too. If the terminal is gone, nobody reads either.
            let _ = answer.print();
            return ExitCode::from(answer.exit_code() as u8);
        }
    };
    terminal::takes_a_view();
    stop::listen();
    match catch(|| work(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ExitCode::from(told(error)),
    }
}

/// Runs `work`; a panic in it, or in a thread that it waits for, becomes [`Error::Panicked`].
fn catch(work: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let main = current().id();
    set_hook(Box::new(move |info| on_panic(info, main)));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let message = FIRST.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(Error::Panicked(
            message.unwrap_or_else(|| "unknown failure".to_owned()),
        ))
    })
}

fn on_panic(info: &PanicHookInfo<'_>, main: ThreadId) {
    let message = match info.payload_as_str() {
        Some(message) => message.to_owned(),
        None => info.to_string(),
    };
    let thread = current();
    if thread.id() != main && is_waited_for_in_vain(&thread) {
        terminal::restore();
        exit(told(Error::Panicked(message)).into());
    }
    FIRST
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert(message);
}

/// Says, once, what went wrong; the exit code. Behind a panic there may be a better known cause: a server that is lost,
/// or, since a view panics when its terminal goes, the hang-up.
fn told(error: Error) -> u8 {
    // Kept until the process is gone.
    std::mem::forget(LAST_WORDS.lock());
    let error = match error {
        Error::Panicked(_) if terminal::is_gone() => Error::Stopped { signal: SIGHUP },
        Error::Training(_) | Error::Panicked(_) => lost().unwrap_or(error),
        error => error,
    };
    complain(format_args!("error: {error}"));
    error.exit_code()
}

/// Whether the others would wait for ever for this thread's answer: burn-train's workers. The threads that a device
/// has of its own are named, and hand their panics to the caller.
fn is_waited_for_in_vain(thread: &Thread) -> bool {
    thread.name().is_none_or(|name| name.starts_with("train-"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread::{Builder, sleep, spawn};
    use std::time::Duration;

    use super::*;

    /// Which of the programs below this process is to be.
    const INNER: &str = "BURN_PATCH_TEST_PROGRAM";

    /// Takes what the test harness is given.
    #[derive(Parser)]
    struct Anything {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _rest: Vec<String>,
    }

    fn work(name: &str) -> Result<(), Error> {
        match name {
            "unnamed" => drop(spawn(|| panic!("what the thread says"))),
            "train-worker" => {
                let worker = Builder::new().name(name.to_owned());
                drop(worker.spawn(|| panic!("what the thread says")));
            }
            "main" => panic!("what the thread says"),
            // A device's thread hands its panic to whoever waits for its answer.
            _ => {
                let device = Builder::new().name("DSU-0-0".to_owned());
                let _ = device
                    .spawn(|| panic!("caught elsewhere"))
                    .map(|thread| thread.join());
                return Err(Error::Training("what the thread says".to_owned()));
            }
        }
        // As the main thread does that waits for a worker's answer.
        sleep(Duration::from_secs(600));
        Ok(())
    }

    #[test]
    fn a_panic_in_any_thread_ends_the_program_with_its_message() {
        if let Ok(name) = std::env::var(INNER) {
            let code = program::<Anything>(|_| work(&name));
            exit(i32::from(code != ExitCode::SUCCESS));
        }
        let this = "failure::tests::a_panic_in_any_thread_ends_the_program_with_its_message";
        for name in ["unnamed", "train-worker", "main", "device"] {
            let output = Command::new(std::env::current_exe().unwrap())
                .args([this, "--exact", "--nocapture"])
                .env(INNER, name)
                .output()
                .unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{name}: {errors}");
            assert_eq!(errors.lines().count(), 1, "{name}: {errors}");
            assert!(errors.contains("what the thread says"), "{name}: {errors}");
        }
    }
}
