//! The requests that clients make.

/// One kind of request.
pub(crate) struct Kind {
    /// What stands in the tables.
    pub(crate) label: &'static str,
    /// How many of all requests are of this kind; the shares of all kinds add up to 1.
    pub(crate) share: f64,
    pub(crate) path: &'static str,
    /// Lines of its head beside `Host`, each with its line end.
    pub(crate) fields: &'static str,
    /// Who makes it.
    pub(crate) clients: Clientele,
    /// What a 200 has to hold.
    pub(crate) content: &'static str,
}

/// Whether requests say whom they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clientele {
    /// They do not.
    Unnamed,
    /// One of so many clients, any of them as likely as the others.
    Among(u32),
    /// A client that never came before.
    New,
}

/// 1 ms of CPU time of the thread that does it.
pub(crate) const WORK: Kind = Kind {
    label: "work",
    share: 1.0,
    path: "/cpu?ms=1",
    fields: "",
    clients: Clientele::Unnamed,
    content: "burnt\n",
};
/// Next to no work.
pub(crate) const TRIFLE: Kind = Kind { label: "trifle", path: "/", content: "Hello from Pivot\n", ..WORK };

impl Kind {
    /// Writes a request, that of client `client` of the kind at `place` among all kinds.
    pub(crate) fn write(&self, place: usize, client: u32, is_last: bool, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(b"GET ");
        into.extend_from_slice(self.path.as_bytes());
        into.extend_from_slice(b" HTTP/1.1\r\nHost: a\r\n");
        into.extend_from_slice(self.fields.as_bytes());
        if self.clients != Clientele::Unnamed {
            // A network for each kind, and an address in it for each client.
            let [_, b, c, d] = client.to_be_bytes();
            into.extend_from_slice(format!("X-Forwarded-For: {}.{b}.{c}.{d}\r\n", 10 + place).as_bytes());
        }
        if is_last {
            into.extend_from_slice(b"Connection: close\r\n");
        }
        into.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_its_kind_wants() {
        let mut bytes = Vec::new();
        WORK.write(0, 9, false, &mut bytes);
        assert_eq!(bytes, b"GET /cpu?ms=1 HTTP/1.1\r\nHost: a\r\n\r\n");
        let kind = Kind { fields: "A: b\r\n", clients: Clientele::New, ..TRIFLE };
        kind.write(2, 0x01_02_03, true, &mut bytes);
        let expected =
            "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nX-Forwarded-For: 12.1.2.3\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
