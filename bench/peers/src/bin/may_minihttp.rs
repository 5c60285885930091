//! may_minihttp, which reads a head and leaves everything else to its user; it has no limit and no timeout, and cannot
//! be told to set TCP_NODELAY.

use std::io;

use may_minihttp::{HttpServer, HttpService, Request, Response};
use pivot_bench_peers::{HELLO, User, arguments, burn};

#[derive(Clone)]
struct Service;

impl HttpService for Service {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        let (path, query) = request.path().split_once('?').unwrap_or((request.path(), ""));
        match (request.method(), path) {
            ("GET", "/") => {
                response.header("Content-Type: text/plain; charset=utf-8").body(HELLO);
            }
            ("GET", "/cpu") => match query.strip_prefix("ms=").map(str::parse) {
                Some(Ok(ms)) => {
                    burn(ms);
                    response.header("Content-Type: text/plain; charset=utf-8").body("burnt\n");
                }
                _ => {
                    response.status_code(400, "Bad Request");
                }
            },
            ("GET", path) => match path.strip_prefix("/users/").map(str::parse) {
                Some(Ok(id)) => {
                    response
                        .header("Content-Type: application/json")
                        .body_vec(serde_json::to_vec(&User::new(id))?);
                }
                Some(Err(_)) => {
                    response.status_code(400, "Bad Request");
                }
                None => {
                    response.status_code(404, "Not Found");
                }
            },
            _ => {
                response.status_code(405, "Method Not Allowed");
            }
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let (address, threads) = arguments();
    may::config().set_workers(threads);
    let server = HttpServer(Service).start(address)?;
    server.join().map_err(|_| io::Error::other("the server panicked"))
}
