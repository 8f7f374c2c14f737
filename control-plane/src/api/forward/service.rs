//! Forwarding as a layer around the server's routes.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use super::Forwarder;
use super::calls::call_of;

/// Puts forwarding in front of a server's routes.
#[derive(Clone)]
pub(crate) struct ForwardingLayer(pub(crate) Forwarder);

impl<S> Layer<S> for ForwardingLayer {
    type Service = Forwarding<S>;

    fn layer(&self, inner: S) -> Forwarding<S> {
        Forwarding {
            forwarder: self.0.clone(),
            inner,
        }
    }
}

/// Routes of which those that need the leader are answered by it.
#[derive(Clone)]
pub(crate) struct Forwarding<S> {
    forwarder: Forwarder,
    inner: S,
}

impl<S> Service<Request<Body>> for Forwarding<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match call_of(request.uri().path()) {
            None => self.inner.call(request).boxed(),
            Some(call) => {
                let (forwarder, inner) = (self.forwarder.clone(), self.inner.clone());
                async move { Ok(forwarder.answer(inner, request, call).await) }.boxed()
            }
        }
    }
}
