//! Chunked content: the same data and the same verdict, however it was cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pivot_core::http::h1::chunked::{ChunkDecoder, ChunkError};

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, usize, Result<bool, ChunkError>) {
    let (mut decoder, mut content, mut consumed_len) = (ChunkDecoder::new(), Vec::new(), 0);
    for mut piece in pieces {
        while !piece.is_empty() && !decoder.is_finished() {
            match decoder.decode(piece) {
                Ok(step) => {
                    assert!(step.consumed_len > 0 && step.data.end <= step.consumed_len);
                    content.extend_from_slice(&piece[step.data]);
                    consumed_len += step.consumed_len;
                    piece = &piece[step.consumed_len..];
                }
                Err(error) => return (content, 0, Err(error)),
            }
        }
    }
    (content, consumed_len, Ok(decoder.is_finished()))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&len, bytes)) = bytes.split_first() else { return };
    let whole = decode(std::iter::once(bytes));
    assert!(whole.0.len() <= bytes.len());
    assert_eq!(decode(bytes.chunks(1)), whole);
    assert_eq!(decode(bytes.chunks(usize::from(len).max(1))), whole);
});
