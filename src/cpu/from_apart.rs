//! Waits for another thread, also where the runtime must not go on meanwhile.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::task::unconstrained;

use super::is_all_here;

/// Waits for something that another thread brings. Within [`all_here`](super::all_here) nothing else happens on this
/// thread meanwhile.
pub(crate) async fn from_apart<F: Future>(brought: F) -> F::Output {
    if is_all_here() {
        // A task that has used up its share of time would never be ready otherwise.
        block_on(unconstrained(brought))
    } else {
        brought.await
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
