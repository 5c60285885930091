//! Heads: whatever the bytes, every prefix is judged as the whole is, the naive decoder takes the same heads in the same
//! way, and spans lie inside the head.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pivot_core::http::h1::decode::{HeadLimits, HeaderSpan, decode_head};
use pivot_core::http::h1::naive;

const LIMITS: HeadLimits = HeadLimits { head_size_max: 512, target_size_max: 128, headers_max: 16 };

fuzz_target!(|bytes: &[u8]| {
    let mut table = [HeaderSpan::default(); 16];
    let whole = decode_head(bytes, &LIMITS, &mut table);
    if let Ok(Some(head)) = &whole {
        let len = usize::from(head.len);
        assert!(len <= bytes.len() && usize::from(head.header_count) <= table.len());
        let spans =
            table[..usize::from(head.header_count)].iter().flat_map(|header| [header.name, header.value]);
        for span in spans.chain([head.target, head.path, head.host]).chain(head.query) {
            assert!(usize::from(span.start) + usize::from(span.len) <= len);
        }
    }
    // The first verdict stands, however much more comes.
    assert_eq!(naive::compare(bytes, &LIMITS), whole);
});
