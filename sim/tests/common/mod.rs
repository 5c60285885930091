//! A server under virtual time, and what is done with its answers.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::time::Duration;

use pivot_core::admission::Quota;
use pivot_core::http::h1::chunked::ChunkDecoder;
use pivot_core::mode::{Config, Draft, Profile};
use pivot_sim::{Client, Server};

pub const SECOND: Duration = Duration::from_secs(1);

pub fn draft() -> Draft {
    Draft {
        head_size_max: 2_048,
        target_size_max: 512,
        response_size: 1_024,
        body_size_max: 10_000,
        quota: plenty(),
        breaker: None,
        ..Profile::Micro.draft()
    }
}

pub fn server_with(config: Config) -> Server {
    Server::new(config, pivot_examples::app(|| Duration::ZERO))
}

pub fn server() -> Server {
    server_with(draft().build().unwrap())
}

pub fn text(server: &Server, client: Client) -> String {
    String::from_utf8(server.received(client)).unwrap()
}

/// The status codes of all answers in a stream of them; chunk data here never looks like a status line.
pub fn codes(answers: &str) -> Vec<u16> {
    answers.match_indices("HTTP/1.1 ").filter_map(|(at, _)| answers[at + 9..at + 12].parse().ok()).collect()
}

/// Answers with their chunks joined: how content is cut into chunks follows how it came.
pub fn joined(answers: &[u8]) -> Vec<u8> {
    const MARK: &[u8] = b"transfer-encoding: chunked\r\n\r\n";
    let Some(at) = answers.windows(MARK.len()).position(|window| window == MARK) else {
        return answers.to_vec();
    };
    let (head, mut rest) = answers.split_at(at + MARK.len());
    let (mut joined, mut decoder) = (head.to_vec(), ChunkDecoder::new());
    while !decoder.is_finished() && !rest.is_empty() {
        let step = decoder.decode(rest).expect("the server's chunks are well formed");
        joined.extend_from_slice(&rest[step.data]);
        rest = &rest[step.consumed_len..];
    }
    joined.extend(self::joined(rest));
    joined
}

pub fn plenty() -> Quota {
    Quota::new(1_000_000, SECOND, 1_000_000).unwrap()
}
