//! Which responses are compressed.

use axum::{
    http::Response,
    response::{IntoResponse, Response as AxumResponse},
};
use tower_http::compression::predicate::{Predicate, SizeAbove};

/// Wraps a response that holds a secret: the length of a compressed secret tells about it (BREACH).
pub(crate) struct Uncompressed<T>(pub T);

#[derive(Clone)]
struct Marker;

impl<T: IntoResponse> IntoResponse for Uncompressed<T> {
    fn into_response(self) -> AxumResponse {
        let mut response = self.0.into_response();
        response.extensions_mut().insert(Marker);
        response
    }
}

/// Compresses what is worth it and holds no secret.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Compressible;

impl Predicate for Compressible {
    fn should_compress<B: http_body::Body>(&self, response: &Response<B>) -> bool {
        SizeAbove::new(512).should_compress(response)
            && response.extensions().get::<Marker>().is_none()
    }
}
