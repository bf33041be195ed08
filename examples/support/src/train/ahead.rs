//! What other threads prepare while one trains.

use std::any::Any;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle, available_parallelism};

use crate::error::Error;

/// Most threads, so that what they hold stays small on large machines.
const MOST_THREADS: usize = 16;

/// The values of `0..count` in order. Each thread makes every so many-th of them, keeps one and works on another, so
/// there are never more than two for each thread, however slowly they are taken. The threads end with this.
pub(crate) struct Ahead<T> {
    lanes: Vec<Lane<T>>,
    taken: usize,
}

/// One thread and what it has made.
struct Lane<T> {
    made: Receiver<Result<T, Error>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Ahead<T> {
    /// Makes them with `make`, on all cores but one.
    pub(crate) fn start(
        count: usize,
        make: impl Fn(usize) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        let threads = (cores - 1).clamp(1, MOST_THREADS);
        Self::on(threads.min(count), count, make)
    }

    fn on(
        threads: usize,
        count: usize,
        make: impl Fn(usize) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Self {
        let make = Arc::new(make);
        let lane = |first: usize| {
            // One lies in the channel, and the next is made while it does.
            let (sender, made) = sync_channel(1);
            let (make, refused) = (make.clone(), sender.clone());
            // Named, so that its panic comes to whoever waits for it.
            let thread = Builder::new().name(format!("pictures-{first}"));
            let indices = (first..count).step_by(threads);
            let thread = thread.spawn(move || work(indices, &*make, &sender));
            if let Err(error) = &thread {
                let error = Error::Training(format!("no thread to read pictures: {error}"));
                let _ = refused.send(Err(error));
            }
            Lane {
                made,
                thread: thread.ok(),
            }
        };
        Self {
            lanes: (0..threads).map(lane).collect(),
            taken: 0,
        }
    }

    /// The next value.
    ///
    /// # Errors
    ///
    /// That of making it; [`Error::Panicked`] if its thread panicked.
    ///
    /// # Panics
    ///
    /// If all were taken.
    pub(crate) fn take(&mut self) -> Result<T, Error> {
        let lane = self.taken % self.lanes.len();
        self.taken += 1;
        let lane = &mut self.lanes[lane];
        lane.made.recv().unwrap_or_else(|_| Err(lane.failure()))
    }
}

impl<T> Lane<T> {
    /// Why nothing comes from it any more.
    fn failure(&mut self) -> Error {
        let ended = self.thread.take().map(JoinHandle::join);
        Error::Panicked(match ended {
            Some(Err(panic)) => message(&*panic),
            _ => "a thread that reads pictures ended early".to_owned(),
        })
    }
}

/// Until all are made, one fails, or nobody takes them any more.
fn work<T>(
    indices: impl Iterator<Item = usize>,
    make: &impl Fn(usize) -> Result<T, Error>,
    sender: &SyncSender<Result<T, Error>>,
) {
    for index in indices {
        let made = make(index);
        let failed = made.is_err();
        if sender.send(made).is_err() || failed {
            return;
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or(panic.downcast_ref::<&str>().copied());
    let why = text.unwrap_or("no message");
    format!("a thread that reads pictures panicked: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    const COUNT: usize = 40;

    #[test]
    fn values_come_in_order_from_any_number_of_threads() {
        for threads in [1, 2, 3, COUNT] {
            let mut ahead = Ahead::on(threads, COUNT, Ok);
            let taken: Vec<usize> = (0..COUNT).map(|_| ahead.take().unwrap()).collect();
            assert_eq!(taken, (0..COUNT).collect::<Vec<_>>());
        }
        drop(Ahead::start(0, Ok));
    }

    /// Counts those that are there.
    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn no_more_than_two_are_ready_for_each_thread_and_none_is_left() {
        let there = Arc::new(AtomicUsize::new(0));
        let (threads, counter) = (3, there.clone());
        let mut ahead = Ahead::on(threads, COUNT, move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(Counted(counter.clone()))
        });
        for _ in 0..COUNT / 2 {
            std::thread::sleep(Duration::from_millis(5));
            let now = there.load(Ordering::SeqCst);
            assert!(now <= 2 * threads, "{now}");
            drop(ahead.take().unwrap());
        }
        let handles = ahead.lanes.iter_mut().map(|lane| lane.thread.take());
        let handles: Vec<_> = handles.flatten().collect();
        drop(ahead);
        for handle in handles {
            handle.join().unwrap();
        }
        assert_eq!(there.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn an_error_and_a_panic_come_in_their_place() {
        let make = |index: usize| match index {
            7 => Err(Error::Training("the seventh".to_owned())),
            11 => panic!("the eleventh"),
            index => Ok(index),
        };
        let mut ahead = Ahead::on(4, COUNT, make);
        for index in 0..7 {
            assert_eq!(ahead.take().unwrap(), index);
        }
        let error = ahead.take().unwrap_err().to_string();
        assert!(error.contains("the seventh"), "{error}");
        // The same thread made the eleventh, if it had gone on.
        let mut ahead = Ahead::on(3, COUNT, move |index| {
            make(if index == 7 { 0 } else { index })
        });
        let error = (0..12).find_map(|_| ahead.take().err()).unwrap();
        assert!(error.to_string().contains("the eleventh"), "{error}");
    }
}
