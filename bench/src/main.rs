//! `cargo xtask bench [NAME]`: measures Pivot's server example, with every protection on, beside hyper without any.
//!
//! `instructions` counts user-space instructions a request by callgrind, as the difference of two request counts on one
//! keep-alive connection: repeatable on any machine. `cpu` divides the CPU time of a server by its requests, in
//! rounds that take turns, with the server on one core and the load on another.

mod server;

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, ExitCode};

use server::{SERVERS, Server};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let done = match names.as_slice() {
        [] => instructions().and_then(|()| cpu()),
        ["instructions"] => instructions(),
        ["cpu"] => cpu(),
        _ => Err("the benchmarks are instructions and cpu".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const CONTENT: &[u8] = b"Hello from Pivot\n";
const FEW: u64 = 500;
const MANY: u64 = 2_500;

fn instructions() -> Result<()> {
    println!("user-space instructions a request, one at a time on one connection, by callgrind");
    for name in SERVERS {
        eprintln!("  counting {name} ...");
        let (few, many) = (count_instructions(name, FEW)?, count_instructions(name, MANY)?);
        println!("  {name:<8} {:>8}", (many - few) / (MANY - FEW));
    }
    Ok(())
}

/// Instructions of a server from its start to its end, with so many requests between.
fn count_instructions(name: &str, requests: u64) -> Result<u64> {
    let file = std::env::temp_dir().join(format!("pivot-bench-{}-{name}-{requests}", std::process::id()));
    let out = format!("--callgrind-out-file={}", file.display());
    let server = Server::start(name, &["valgrind", "--tool=callgrind", &out])?;
    let mut stream = server.connect()?;
    for _ in 0..requests {
        exchange(&mut stream)?;
    }
    drop(stream);
    server.end()?;
    let text = std::fs::read_to_string(&file)?;
    std::fs::remove_file(&file)?;
    let total =
        text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    Ok(total.ok_or("callgrind wrote no total")?.trim().parse()?)
}

fn exchange(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(REQUEST)?;
    let (mut answer, mut len) = ([0; 1_024], 0);
    while !answer[..len].ends_with(CONTENT) {
        match stream.read(&mut answer[len..])? {
            0 => return Err("the server closed the connection".into()),
            read => len += read,
        }
    }
    if answer.starts_with(b"HTTP/1.1 200 ") { Ok(()) } else { Err("an answer is not 200".into()) }
}

const ROUNDS: usize = 7;

fn cpu() -> Result<()> {
    println!("CPU time a request, 64 connections for 3 s, median (least - most) of {ROUNDS} rounds");
    let servers: Vec<Server> =
        SERVERS.iter().map(|name| Server::start(name, &["taskset", "-c", "1"])).collect::<Result<_>>()?;
    let mut figures = vec![Vec::new(); servers.len()];
    for round in 1..=ROUNDS {
        eprintln!("  round {round} of {ROUNDS} ...");
        for (server, figures) in servers.iter().zip(&mut figures) {
            let before = server.cpu_ns()?;
            let requests = load(&server.address)?;
            figures.push((server.cpu_ns()? - before) as f64 / requests as f64 / 1_000.0);
        }
    }
    for (server, mut figures) in servers.into_iter().zip(figures) {
        figures.sort_by(f64::total_cmp);
        let (least, median, most) = (figures[0], figures[ROUNDS / 2], figures[ROUNDS - 1]);
        println!("  {:<8} {median:>6.2} µs ({least:.2} - {most:.2})", server.name);
        server.end()?;
    }
    Ok(())
}

/// Runs wrk and answers how many requests it made; an answer that is not 2xx makes the run void.
fn load(address: &str) -> Result<u64> {
    let url = format!("http://{address}/");
    let output = Command::new("taskset")
        .args(["-c", "0", "wrk", "-t1", "-c64", "-d3s", &url])
        .output()
        .map_err(|error| format!("taskset and wrk: {error}; install them: apt-get install util-linux wrk"))?;
    let text = String::from_utf8(output.stdout)?;
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(format!("the run is void:\n{text}").into());
    }
    let line = text
        .lines()
        .find(|line| line.contains(" requests in "))
        .ok_or("wrk says nothing; is it installed?")?;
    Ok(line.split_whitespace().next().unwrap_or("").parse()?)
}
