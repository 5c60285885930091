//! What a server answers: any status, and content whose length it announces.

use crate::Result;

/// An answer that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) content: &'a [u8],
    /// Whether the server closes the connection after it.
    pub(crate) is_last: bool,
    /// Of head and content.
    pub(crate) len: usize,
}

impl<'a> Answer<'a> {
    /// The answer that these bytes begin with, `None` if there is more to come.
    ///
    /// # Errors
    ///
    /// It is no HTTP/1.1, or does not say how long it is.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Option<Self>> {
        let Some(head_len) = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
        else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..head_len])?;
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let code = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = code.and_then(|code| code.parse().ok()).ok_or_else(|| format!("no answer: {line}"))?;
        let (mut content_len, mut is_last) = (None, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                content_len = Some(value.trim().parse::<usize>()?);
            } else if name.eq_ignore_ascii_case("connection") {
                is_last |= value.trim().eq_ignore_ascii_case("close");
            }
        }
        let len = head_len + content_len.ok_or_else(|| format!("an answer has no content-length: {line}"))?;
        Ok(bytes.get(head_len..len).map(|content| Self { status, content, is_last, len }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_at_its_last_byte_and_not_before() {
        let bytes =
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\nConnection: Close\r\n\r\nno\nHTTP";
        let len = bytes.len() - 4;
        for end in 0..len {
            assert_eq!(Answer::read(&bytes[..end]).unwrap(), None, "{end}");
        }
        let answer = Answer { status: 503, content: b"no\n", is_last: true, len };
        assert_eq!(Answer::read(bytes).unwrap(), Some(answer));
        let answer = Answer::read(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap().unwrap();
        assert_eq!((answer.status, answer.is_last, answer.len), (200, false, 38));
    }

    #[test]
    fn what_is_no_answer_of_known_length_is_an_error() {
        for bytes in [
            &b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"[..],
            b"HTTP/1.1 x\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        ] {
            assert!(Answer::read(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
