//! The terminal, where burn-train's view can draw on it.

use std::io::{IsTerminal, stdin, stdout};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the view can be drawn: on a terminal that knows how, for a person who wants colours. The first answer holds, so
/// that a terminal that goes is missed.
pub(crate) fn takes_a_view() -> bool {
    static TAKES: OnceLock<bool> = OnceLock::new();
    *TAKES.get_or_init(has_one)
}

fn has_one() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    stdin().is_terminal() && stdout().is_terminal() && !dumb && !set("NO_COLOR")
}

/// Whether the terminal that takes the view is there no more.
pub(crate) fn is_gone() -> bool {
    takes_a_view() && !stdin().is_terminal()
}

/// Whether a view covers the terminal.
static COVERED: AtomicBool = AtomicBool::new(false);

/// Whether a view covers the terminal, so that a line would spoil it.
pub(crate) fn is_covered() -> bool {
    COVERED.load(Ordering::Relaxed)
}

/// Says whether a view covers the terminal.
pub(crate) fn cover(covered: bool) {
    COVERED.store(covered, Ordering::Relaxed);
}

#[cfg(unix)]
pub(crate) use unix::{keep_signals, restore};

/// Elsewhere Ctrl-C stays with the view.
#[cfg(not(unix))]
pub(crate) fn keep_signals<T>(open: impl FnOnce() -> T) -> T {
    open()
}

/// Elsewhere the view restores the terminal.
#[cfg(not(unix))]
pub(crate) fn restore() {}

#[cfg(unix)]
mod unix {
    use std::io::{Write, stdin, stdout};
    use std::sync::Mutex;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use rustix::termios::{
        LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
    };

    /// How long the view may take to open.
    const OPENING: Duration = Duration::from_secs(2);
    /// Leaves the other screen, the mouse and bracketed paste alone, and shows the cursor.
    const LEAVE: &str =
        "\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?25h";

    /// The terminal as it was, while the view changes it.
    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    /// Runs `open`, which turns the terminal raw, and then lets Ctrl-C send its signal again.
    pub(crate) fn keep_signals<T>(open: impl FnOnce() -> T) -> T {
        if let (Ok(before), Ok(mut slot)) = (tcgetattr(stdin()), BEFORE.lock()) {
            *slot = Some(before);
        }
        let view = open();
        let start = Instant::now();
        while start.elapsed() < OPENING {
            match tcgetattr(stdin()) {
                Ok(mut raw) if !raw.local_modes.contains(LocalModes::ICANON) => {
                    raw.local_modes.insert(LocalModes::ISIG);
                    // Suspending or dumping core would leave the terminal raw.
                    raw.special_codes[SpecialCodeIndex::VSUSP] = 0;
                    raw.special_codes[SpecialCodeIndex::VQUIT] = 0;
                    let _ = tcsetattr(stdin(), OptionalActions::Now, &raw);
                    break;
                }
                Ok(_) => sleep(Duration::from_millis(5)),
                Err(_) => break,
            }
        }
        view
    }

    /// Leaves the terminal as it was before the view, when the view itself cannot.
    pub(crate) fn restore() {
        let before = BEFORE.lock().ok().and_then(|mut slot| slot.take());
        if let Some(before) = before {
            let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
            let mut out = stdout();
            let _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
        }
    }
}
