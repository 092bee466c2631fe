//! Where CPU-bound work runs: decoding, sorting, encoding, merging.
//!
//! Such work keeps a core busy for a while. So it runs on a blocking thread, where it does not delay requests. A program
//! that has to do the same things in the same order each time, such as a simulator, has a runtime with one thread. In
//! such a program the order in which blocking threads end would be left to chance. So [`all_here`] lets all work run
//! on the thread of the runtime instead, or lets the runtime wait until it has ended.

#[cfg(feature = "lake")]
mod from_apart;

#[cfg(feature = "lake")]
pub(crate) use from_apart::from_apart;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::chance::heir;

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a program. Until it returns, CPU-bound work of this crate that begins on this thread also ends there, before
/// anything else happens on the thread. Meant for a runtime with one thread, in which nothing has to be answered in the
/// meantime.
pub fn all_here<T>(program: impl FnOnce() -> T) -> T {
    let _before = HereBefore(HERE.replace(true));
    program()
}

/// Returns whether this is within [`all_here`].
#[cfg(feature = "lake")]
pub(crate) fn is_all_here() -> bool {
    HERE.get()
}

/// Restores what was set before, also after a panic.
struct HereBefore(bool);

impl Drop for HereBefore {
    fn drop(&mut self) {
        HERE.set(self.0);
    }
}

/// The runtime is shutting down, so the work has not been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the runtime is shutting down")]
pub(crate) struct Stopped;

/// Work that has begun. A panic of the work goes on in whoever waits for it.
pub(crate) enum CpuWork<T> {
    Done(Option<T>),
    Runs(JoinHandle<T>),
    Thread(oneshot::Receiver<thread::Result<T>>),
}

impl<T: Send + 'static> CpuWork<T> {
    /// Begins work that needs nothing from the runtime.
    pub(crate) fn begin(work: impl FnOnce() -> T + Send + 'static) -> Self {
        if HERE.get() {
            Self::Done(Some(work()))
        } else {
            Self::apart(work)
        }
    }

    /// Begins work on a thread of its own, also within [`all_here`], because it waits for the runtime.
    pub(crate) fn apart(work: impl FnOnce() -> T + Send + 'static) -> Self {
        if !HERE.get() {
            return Self::Runs(spawn_blocking(work));
        }
        // While a blocking thread of a runtime runs, the paused clock of the runtime stands still. What the work waits for
        // may need time to pass.
        let (done, ended) = oneshot::channel();
        let work = heir(work);
        let run = move || {
            // Nobody waits any more if the other end is gone.
            drop(done.send(catch_unwind(AssertUnwindSafe(work))));
        };
        drop(thread::spawn(run));
        Self::Thread(ended)
    }
}

/// The result is read once, so nothing points into it.
impl<T> Unpin for CpuWork<T> {}

impl<T> Future for CpuWork<T> {
    type Output = Result<T, Stopped>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Done(done) => Poll::Ready(Ok(done.take().expect("polled after the end"))),
            Self::Runs(handle) => Pin::new(handle).poll(context).map(|ended| match ended {
                Ok(done) => Ok(done),
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                Err(_) => Err(Stopped),
            }),
            Self::Thread(ended) => Pin::new(ended).poll(context).map(|ended| match ended {
                Ok(Ok(done)) => Ok(done),
                Ok(Err(panic)) => resume_unwind(panic),
                // The work was done or has panicked; both are sent.
                Err(_) => Err(Stopped),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::runtime::Builder;
    use tokio::task::JoinSet;

    use super::*;

    fn on_one_thread<T>(program: impl Future<Output = T>) -> T {
        let runtime = Builder::new_current_thread().build();
        all_here(|| runtime.expect("a runtime").block_on(program))
    }

    #[test]
    fn work_runs_on_the_thread_that_asks_or_apart() {
        let here = thread::current().id();
        let asked = || CpuWork::begin(|| thread::current().id());
        assert_eq!(on_one_thread(async { asked().await }), Ok(here));
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let apart = runtime.block_on(async { asked().await });
        assert!(apart.is_ok_and(|apart| apart != here), "set back");
    }

    #[test]
    fn nothing_else_happens_while_work_is_awaited_from_apart() {
        let (go, wait) = mpsc::channel::<()>();
        on_one_thread(async {
            let mut others = JoinSet::new();
            others.spawn(async move { drop(go) });
            let work = CpuWork::apart(move || wait.try_recv());
            assert_eq!(
                from_apart(work).await,
                Ok(Err(mpsc::TryRecvError::Empty)),
                "the other task has not begun"
            );
            others.join_all().await;
        });
    }

    #[test]
    fn a_task_that_has_used_up_its_time_still_gets_what_comes_from_apart() {
        on_one_thread(async {
            for number in 0..1_000 {
                let work = CpuWork::apart(move || number);
                assert_eq!(from_apart(work).await, Ok(number));
            }
        });
    }

    #[test]
    fn time_can_pass_while_work_waits_for_an_answer() {
        let (ask, asked) = tokio::sync::oneshot::channel::<()>();
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let program = async {
            let work = CpuWork::apart(move || asked.blocking_recv().is_ok());
            tokio::time::sleep(std::time::Duration::from_hours(1)).await;
            ask.send(()).expect("the work waits");
            from_apart(work).await
        };
        assert_eq!(all_here(|| runtime.block_on(program)), Ok(true));
    }

    #[test]
    #[should_panic(expected = "in the work")]
    fn a_panic_goes_on_in_whoever_waits() {
        let work = async { CpuWork::apart(|| panic!("in the work")).await };
        let done: Result<(), Stopped> = on_one_thread(work);
        assert_eq!(done, Ok(()));
    }
}
