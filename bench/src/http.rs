//! The requests that are made here, and what has to come back.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::Result;

/// A request, and the content of its answer.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) request: &'static str,
    pub(crate) status: u16,
    pub(crate) content: &'static str,
}

pub(crate) const PLAINTEXT: Shape =
    Shape { request: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", status: 200, content: "Hello from Pivot\n" };
pub(crate) const JSON: Shape = Shape {
    request: "GET /users/7 HTTP/1.1\r\nHost: a\r\n\r\n",
    status: 200,
    content: "{\"id\":7,\"name\":\"user 7\"}",
};
/// What a browser sends: 700 bytes.
pub(crate) const BROWSER: Shape = Shape {
    request: "GET / HTTP/1.1\r\n\
        Host: www.example.com\r\n\
        Connection: keep-alive\r\n\
        Cache-Control: max-age=0\r\n\
        sec-ch-ua: \"Chromium\";v=\"138\", \"Not)A;Brand\";v=\"8\"\r\n\
        sec-ch-ua-mobile: ?0\r\n\
        sec-ch-ua-platform: \"Linux\"\r\n\
        Upgrade-Insecure-Requests: 1\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36\r\n\
        Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
        Sec-Fetch-Site: none\r\n\
        Sec-Fetch-Mode: navigate\r\n\
        Sec-Fetch-Dest: document\r\n\
        Accept-Encoding: gzip, deflate, br, zstd\r\n\
        Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
        Cookie: session=5f2b7c1e9a4d4b0c8e6f7a1b2c3d4e5f; theme=dark; _ga=GA1.1.1203948576.1753700000; consent=yes\r\n\r\n",
    status: 200,
    content: "Hello from Pivot\n",
};
pub(crate) const UNAVAILABLE: Shape = Shape { status: 503, content: "Service Unavailable\n", ..PLAINTEXT };
pub(crate) const TOO_MANY: Shape = Shape { status: 429, content: "Too Many Requests\n", ..PLAINTEXT };

impl Shape {
    /// The length of the answer that these bytes begin with, `None` if there is more to come.
    ///
    /// # Errors
    ///
    /// It is not the answer that is due.
    pub(crate) fn answer_len(&self, bytes: &[u8]) -> Result<Option<usize>> {
        let Some(head_len) = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
        else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..head_len])?;
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default();
        if status.split(' ').nth(1).and_then(|code| code.parse().ok()) != Some(self.status) {
            return Err(format!("an answer is not {}, so the run is void: {status}", self.status).into());
        }
        let len = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse::<usize>().ok())
            .ok_or("an answer has no content-length, so the run is void")?;
        if len != self.content.len() {
            return Err(format!("an answer has {len} bytes instead of {}", self.content.len()).into());
        }
        match bytes.get(head_len..head_len + len) {
            None => Ok(None),
            Some(content) if content == self.content.as_bytes() => Ok(Some(head_len + len)),
            Some(content) => {
                Err(format!("an answer has other content: {}", String::from_utf8_lossy(content)).into())
            }
        }
    }

    /// Whether an answer of this length stands here and is the one that is due; quicker than to read it all.
    pub(crate) fn is_answered_by(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(b"HTTP/1.1 2")
            && bytes.strip_suffix(self.content.as_bytes()).is_some_and(|head| head.ends_with(b"\r\n\r\n"))
    }

    /// Sends so many requests in one write, and waits for all their answers.
    pub(crate) fn exchange(&self, stream: &mut TcpStream, depth: usize) -> Result<()> {
        stream.write_all(self.request.repeat(depth).as_bytes())?;
        let (mut bytes, mut piece, mut answered) = (Vec::new(), [0; 16 << 10], 0);
        while answered < depth {
            match stream.read(&mut piece) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(len) => bytes.extend_from_slice(&piece[..len]),
                // A read with a time limit is not taken up again by itself.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            while let Some(len) = self.answer_len(&bytes)? {
                bytes.drain(..len);
                answered += 1;
            }
        }
        if bytes.is_empty() { Ok(()) } else { Err("the server sends more than it was asked for".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browsers_head_has_700_bytes() {
        assert_eq!(BROWSER.request.len(), 700);
    }

    #[test]
    fn an_answer_is_taken_whole_and_a_wrong_one_voids_the_run() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nHello from Pivot\n";
        for len in 0..answer.len() {
            assert_eq!(PLAINTEXT.answer_len(&answer[..len]).unwrap(), None, "{len}");
        }
        assert_eq!(PLAINTEXT.answer_len(answer).unwrap(), Some(answer.len()));
        assert!(PLAINTEXT.is_answered_by(answer));
        assert!(JSON.answer_len(answer).is_err() && !JSON.is_answered_by(answer));
        assert!(PLAINTEXT.answer_len(b"HTTP/1.1 503 No\r\n\r\n").is_err());
        assert!(PLAINTEXT.answer_len(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(
            PLAINTEXT.answer_len(b"HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\nHello from pivot\n").is_err()
        );
    }
}
