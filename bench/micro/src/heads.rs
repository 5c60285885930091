//! Request heads to decode.

use std::hint::black_box;

use pivot_core::http::h1::decode::{HeadLimits, HeaderSpan, decode_head};

/// The shortest request there is.
pub(crate) const SMALL: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// What a browser sends: 14 fields in 700 bytes.
pub(crate) const BROWSER: &[u8] = b"GET /catalog/search?q=mountain+bike&page=2&sort=price HTTP/1.1\r\n\
    Host: shop.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://shop.example.com/catalog?page=1\r\n\
    Cookie: session=4f9c2b7e81d0a35566e1; theme=dark; consent=yes; cart=b7e1f20c94d36a58; last-visit=17640384; ab=17\r\n\
    DNT: 1\r\n\
    Connection: keep-alive\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    If-None-Match: \"5d8c72a5edda8d6a-3239\"\r\n\
    \r\n";

const _: () = assert!(BROWSER.len() == 700);

const FIELDS_MAX: usize = 64;
const LIMITS: HeadLimits =
    HeadLimits { head_size_max: 8_192, target_size_max: 2_048, headers_max: FIELDS_MAX as u16 };

/// Decodes with all checks, as a server does: the table is the connection's and is not cleared.
pub(crate) fn decode(bytes: &'static [u8]) -> impl FnMut(u64) {
    let mut table = [HeaderSpan::default(); FIELDS_MAX];
    move |count| {
        for _ in 0..count {
            assert!(decode_once(black_box(bytes), &mut table));
        }
    }
}

#[inline(never)]
fn decode_once(bytes: &[u8], table: &mut [HeaderSpan; FIELDS_MAX]) -> bool {
    matches!(black_box(decode_head(bytes, black_box(&LIMITS), table)), Ok(Some(_)))
}

/// `httparse` alone: it finds the parts, and knows nothing of what they mean.
pub(crate) fn httparse(bytes: &'static [u8]) -> impl FnMut(u64) {
    move |count| {
        for _ in 0..count {
            assert!(httparse_once(black_box(bytes)));
        }
    }
}

#[inline(never)]
fn httparse_once(bytes: &[u8]) -> bool {
    let mut fields = [const { std::mem::MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, &mut fields);
    black_box(&request);
    matches!(parsed, Ok(httparse::Status::Complete(_)))
}
