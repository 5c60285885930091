//! hyper, without any limit.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use pivot_bench_peers::{HELLO, TEXT, User, arguments, burn, tokio_listener, tokio_runtime};

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::GET {
        return Ok(empty(StatusCode::METHOD_NOT_ALLOWED));
    }
    Ok(match request.uri().path() {
        "/" => full(Bytes::from_static(HELLO.as_bytes()), TEXT),
        "/cpu" => match milliseconds(request.uri().query()) {
            Some(ms) => {
                burn(ms);
                full(Bytes::from_static(b"burnt\n"), TEXT)
            }
            None => empty(StatusCode::BAD_REQUEST),
        },
        path => match path.strip_prefix("/users/").map(str::parse) {
            Some(Ok(id)) => match serde_json::to_vec(&User::new(id)) {
                Ok(content) => full(content.into(), "application/json"),
                Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
            },
            Some(Err(_)) => empty(StatusCode::BAD_REQUEST),
            None => empty(StatusCode::NOT_FOUND),
        },
    })
}

fn milliseconds(query: Option<&str>) -> Option<u64> {
    query?.split('&').find_map(|pair| pair.strip_prefix("ms="))?.parse().ok()
}

fn full(content: Bytes, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn main() -> std::io::Result<()> {
    let (address, threads) = arguments();
    tokio_runtime(threads)?.block_on(async {
        let listener = tokio_listener(address)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(async {
                // A client that goes away is no error of the server.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .pipeline_flush(true)
                    .serve_connection(TokioIo::new(stream), service_fn(answer))
                    .await;
            });
        }
    })
}
