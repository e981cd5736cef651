//! The order in which connections are accepted. What happens to one after that happens in a task of its own, and tasks
//! begin in no order: the newest often first.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use tower::Service;

use super::arrivals::Arrivals;

/// Makes the service of each connection, when it is accepted.
#[derive(Clone)]
pub struct Tickets<S> {
    app: S,
    arrivals: Arc<Arrivals>,
}

/// A service whose connection has a number.
#[derive(Clone)]
pub struct Ticketed<S> {
    pub(super) inner: S,
    pub(super) number: u64,
}

impl<S> Tickets<S> {
    pub(super) const fn new(app: S, arrivals: Arc<Arrivals>) -> Self {
        Self { app, arrivals }
    }
}

impl<S: Clone, T> Service<T> for Tickets<S> {
    type Response = Ticketed<S>;
    type Error = Infallible;
    type Future = Ready<Result<Ticketed<S>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _target: T) -> Self::Future {
        ready(Ok(Ticketed { inner: self.app.clone(), number: self.arrivals.ticket() }))
    }
}

impl<S: Service<R>, R> Service<R> for Ticketed<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.inner.call(request)
    }
}
