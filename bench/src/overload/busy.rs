//! Whether somebody can still look when every worker is inside a handler.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::answer::Answer;
use super::{Course, start, start_on};
use crate::report::{Section, Table};
use crate::rounds::Spread;
use crate::{Options, Result};

/// Handlers that burn CPU time, on connections of their own: some for each worker.
const BURNING: usize = 8;
/// Handlers that sleep: more than there are permits, so that the rest waits.
const SLEEPING: usize = 80;
const CONCURRENCY_MAX: &str = "64";
/// How often, and how many times, somebody looks.
const EVERY: Duration = Duration::from_millis(50);
const LOOKS: usize = 40;
/// Who has no answer after this long waits for his turn.
const WAITS: Duration = Duration::from_millis(500);

pub(crate) fn measure(_: &Options) -> Result<Section> {
    let mut course = Course::new("overload-busy", 3);
    let mut table = Table::new(&["workers", "while", "asked", "median ms", "longest ms"]);
    for (workers, cores) in [(1, "1"), (2, "0,1")] {
        course.step(&format!("workers: {workers}"));
        let admin = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let server = start_on(cores, "pivot", workers, &["--admin", &admin.to_string()])?;
        let _burning = hold(server.address, "/cpu?ms=5000", BURNING)?;
        if ask(server.address, "/", "", WAITS)?.is_some() {
            return Err("a worker is not inside its handler".into());
        }
        for path in ["/livez", "/health", "/metrics"] {
            let (median, longest) = looks(admin, path, "")?;
            let state = format!("{BURNING} x /cpu?ms=5000");
            table.rows.push(vec![workers.to_string(), state, format!("admin {path}"), median, longest]);
        }
    }
    course.step("reserved permits");
    let server = start("pivot", 1, &["--concurrency-max", CONCURRENCY_MAX])?;
    let _sleeping = hold(server.address, "/slow?ms=20000", SLEEPING)?;
    let state = format!("{SLEEPING} x /slow?ms=20000, {CONCURRENCY_MAX} permits");
    let (median, longest) = looks(server.address, "/", "X-Pivot-Class: system\r\n")?;
    table.rows.push(vec!["1".to_owned(), state.clone(), "/, system class".to_owned(), median, longest]);
    let normal = match ask(server.address, "/", "", WAITS)? {
        Some(took) => format!("{:.2}", took.as_secs_f64() * 1e3),
        None => "waits".to_owned(),
    };
    table.rows.push(vec!["1".to_owned(), state, "/, normal class".to_owned(), normal.clone(), normal]);
    Ok(Section {
        name: "overload-busy",
        title: "answers while every worker is inside a long handler",
        meaning: format!(
            "Pivot with one worker on core 1 and with two on cores 0 and 1, its admin listener on the same cores. Each figure is over {LOOKS} requests, one every {} ms, each on a new \
             connection, from the connect to the last byte. `waits`: no answer within {} ms.",
            EVERY.as_millis(),
            WAITS.as_millis()
        ),
        tables: vec![table],
        notes: Vec::new(),
        chart: None,
    })
}

/// Requests under way, each on a connection of its own.
fn hold(address: SocketAddr, path: &str, count: usize) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())?;
        streams.push(stream);
    }
    std::thread::sleep(Duration::from_millis(200));
    Ok(streams)
}

/// The median and the longest time of many requests, in milliseconds.
fn looks(address: SocketAddr, path: &str, fields: &str) -> Result<(String, String)> {
    let mut times = Vec::new();
    for _ in 0..LOOKS {
        let took = ask(address, path, fields, Duration::from_secs(20))?
            .ok_or_else(|| format!("no answer to {path}"))?;
        times.push(took.as_secs_f64() * 1e3);
        std::thread::sleep(EVERY.saturating_sub(took));
    }
    let spread = Spread::of(times);
    Ok((format!("{:.2}", spread.median), format!("{:.2}", spread.most)))
}

/// How long a 200 takes on a new connection; `None` if it does not come within `most`.
fn ask(address: SocketAddr, path: &str, fields: &str, most: Duration) -> Result<Option<Duration>> {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())?;
    let (mut bytes, mut piece) = (Vec::new(), [0; 16 << 10]);
    loop {
        let left = most.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece) {
            Ok(0) => return Err(format!("the connection was closed before the answer to {path}").into()),
            Ok(len) => bytes.extend_from_slice(&piece[..len]),
            // The time is over, or a signal came: the loop tells which.
            Err(_) => continue,
        }
        if bytes.ends_with(b"\r\n0\r\n\r\n") && bytes.starts_with(b"HTTP/1.1 200 ") {
            return Ok(Some(start.elapsed()));
        }
        let is_chunked = bytes.windows(17).any(|window| window.eq_ignore_ascii_case(b"transfer-encoding"));
        if !is_chunked && let Some(answer) = Answer::read(&bytes)? {
            return match answer.status {
                200 => Ok(Some(start.elapsed())),
                status => Err(format!("{path} was answered by {status}").into()),
            };
        }
    }
}
