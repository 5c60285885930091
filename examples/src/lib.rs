//! The application that the server example, the tests and the bare-metal image share.
//!
//! It needs no operating system: what it cannot know, the CPU time of its thread, is handed in.
#![no_std]

use pivot_core::app::{App, ErrorStatus, Part, Request, Response, Routes, SendError, Sent, get, post};
use pivot_core::app::{BodyError, ParamError};
use pivot_core::http::Status;
use pivot_core::time::Duration;

/// The application; `cpu_time` is the CPU time that the calling thread has used.
pub fn app(cpu_time: fn() -> Duration) -> App<impl Routes> {
    App::new((
        get("/", async |_req, res| res.text("Hello from Pivot\n")),
        get("/users/{id}", show_user),
        post("/echo", echo),
        get("/stream", stream),
        get("/large", large),
        get("/empty", async |_req, res| res.status(204).empty()),
        get("/slow", slow),
        // In the loop, where it keeps everybody waiting.
        get("/cpu", async move |req: Request<'_>, res: Response<'_>| burn(cpu_time, &req, res)),
        // On a thread for handlers that block, where there is one.
        get("/block", async move |req: Request<'_>, res: Response<'_>| burn(cpu_time, &req, res)).blocking(),
        get("/fail", async |_req, _res| Err::<Sent, Failure>(Failure(Status::INTERNAL_SERVER_ERROR))),
    ))
}

/// What goes wrong here, as the client sees it.
#[derive(Clone, Copy, Debug)]
pub struct Failure(Status);

impl ErrorStatus for Failure {
    fn status(&self) -> Status {
        self.0
    }
}

impl<E: ErrorStatus + Known> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.status())
    }
}

/// The errors of Pivot's own that handlers here pass on.
pub trait Known {}
impl Known for SendError {}
impl Known for BodyError {}
impl Known for ParamError {}

async fn show_user(req: Request<'_>, res: Response<'_>) -> Result<Sent, Failure> {
    let id: u64 = req.param_as("id")?;
    let (start, middle) = (Part::Text("{\"id\":"), Part::Text(",\"name\":\"user "));
    Ok(res
        .parts("application/json", &[start, Part::Number(id), middle, Part::Number(id), Part::Text("\"}")])?)
}

/// Sends the content back as it comes, with back-pressure both ways.
async fn echo(req: Request<'_>, res: Response<'_>) -> Result<Sent, Failure> {
    let content_type = req.header("content-type").unwrap_or("application/octet-stream");
    let mut buffer = [0; 1_024];
    // The first piece decides whether there is an answer at all: content that is refused gets a status of its own.
    let first = req.read(&mut buffer).await?;
    let mut body = match req.content_length() {
        Some(len) => res.sized(content_type, len)?,
        None => res.stream(content_type)?,
    };
    body.write(&buffer[..first]).await?;
    if first > 0 {
        loop {
            let len = req.read(&mut buffer).await?;
            if len == 0 {
                break;
            }
            body.write(&buffer[..len]).await?;
        }
    }
    Ok(body.finish()?)
}

async fn stream(_req: Request<'_>, res: Response<'_>) -> Result<Sent, SendError> {
    let mut body = res.stream("text/plain; charset=utf-8")?;
    for line in ["one\n", "two\n", "three\n", "four\n", "five\n"] {
        body.write(line.as_bytes()).await?;
        body.flush().await;
    }
    body.finish()
}

async fn large(req: Request<'_>, res: Response<'_>) -> Result<Sent, Failure> {
    let mut left: u64 = number(&req, "bytes")?;
    let mut body = res.sized("application/octet-stream", left)?;
    let piece = [b'x'; 512];
    while left > 0 {
        let len = left.min(piece.len() as u64);
        body.write(&piece[..len as usize]).await?;
        left -= len;
    }
    Ok(body.finish()?)
}

/// Uses as much CPU time of its thread as it is asked to.
fn burn(cpu_time: fn() -> Duration, req: &Request<'_>, res: Response<'_>) -> Result<Sent, Failure> {
    let burn = milliseconds(req)?;
    let start = cpu_time();
    while cpu_time().saturating_sub(start) < burn {
        core::hint::spin_loop();
    }
    Ok(res.text("burnt\n")?)
}

async fn slow(req: Request<'_>, res: Response<'_>) -> Result<Sent, Failure> {
    req.sleep(milliseconds(&req)?).await;
    Ok(res.text("slept\n")?)
}

fn milliseconds(req: &Request<'_>) -> Result<Duration, Failure> {
    number(req, "ms").map(Duration::from_millis)
}

fn number(req: &Request<'_>, name: &str) -> Result<u64, Failure> {
    let value = req.query_value(name).and_then(|value| value.parse().ok());
    value.ok_or(Failure(Status::BAD_REQUEST))
}
