//! Numbers as text, without the formatting machinery: it costs ten times as much, and code space on a board.

/// The digits of a number, most significant first. Borrow them with [`Digits::as_bytes`].
#[derive(Clone, Copy, Debug)]
pub struct Digits {
    /// Only `start..` is filled.
    bytes: [u8; DIGITS_MAX],
    start: u8,
}

impl Digits {
    /// `number` to the base of ten.
    pub const fn decimal(number: u64) -> Self {
        let mut bytes = [0; DIGITS_MAX];
        let start = write_decimal(number, &mut bytes);
        Self { bytes, start: start as u8 }
    }

    /// `number` to the base of sixteen, in lower case, without leading zeros.
    pub const fn hexadecimal(mut number: u64) -> Self {
        let mut bytes = [0; DIGITS_MAX];
        let mut start = DIGITS_MAX;
        loop {
            start -= 1;
            bytes[start] = b"0123456789abcdef"[(number & 15) as usize];
            number >>= 4;
            if number == 0 {
                return Self { bytes, start: start as u8 };
            }
        }
    }

    /// The digits as text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(usize::from(self.start)..).unwrap_or(&[])
    }
}

/// Writes the digits of `number` to the base of ten at the end of `into`; answers where they start.
///
/// [`decimal_len`] bytes suffice. What does not fit is left out: the most significant digits.
#[inline]
pub const fn write_decimal(mut number: u64, into: &mut [u8]) -> usize {
    let mut start = into.len();
    while start > 0 {
        start -= 1;
        into[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    start
}

/// How many digits `number` has to the base of ten.
#[inline]
pub const fn decimal_len(number: u64) -> usize {
    // Most numbers here are the lengths of short answers.
    match number {
        0..10 => 1,
        10..100 => 2,
        100..1_000 => 3,
        1_000..10_000 => 4,
        _ => number.ilog10() as usize + 1,
    }
}

/// The number that `digits` write down (`1*DIGIT`), or why there is none.
pub const fn parse_decimal(digits: &[u8]) -> Result<u64, NumberError> {
    let mut number = Some(0_u64);
    let mut index = 0;
    while index < digits.len() {
        let digit = digits[index].wrapping_sub(b'0');
        if digit > 9 {
            return Err(NumberError::NotANumber);
        }
        number = match number {
            Some(number) => match number.checked_mul(10) {
                Some(tens) => tens.checked_add(digit as u64),
                None => None,
            },
            None => None,
        };
        index += 1;
    }
    match number {
        _ if index == 0 => Err(NumberError::NotANumber),
        Some(number) => Ok(number),
        None => Err(NumberError::TooLarge),
    }
}

/// Why text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// It is empty, or has a byte that is no digit: a sign, a space, a comma.
    NotANumber,
    /// It is a number that 64 bits do not hold.
    TooLarge,
}

/// Digits of the largest number to the base of ten; to the base of sixteen it has fewer.
const DIGITS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn digits_are_those_of_the_formatting_machinery() {
        let mut numbers = std::vec![0, u64::MAX];
        for shift in 0..64 {
            numbers.extend([1 << shift, (1 << shift) - 1, (1 << shift) + 1]);
        }
        for power in 0..20 {
            let number = 10_u64.pow(power);
            numbers.extend([number - 1, number, number + 1]);
        }
        for number in numbers {
            assert_eq!(Digits::decimal(number).as_bytes(), format!("{number}").as_bytes());
            assert_eq!(decimal_len(number), format!("{number}").len());
            let mut exact = std::vec![0; decimal_len(number)];
            assert_eq!(write_decimal(number, &mut exact), 0);
            assert_eq!(exact, format!("{number}").as_bytes());
            assert_eq!(Digits::hexadecimal(number).as_bytes(), format!("{number:x}").as_bytes());
            assert_eq!(parse_decimal(Digits::decimal(number).as_bytes()), Ok(number));
        }
    }

    #[test]
    fn numbers_are_digits_alone_and_fit_in_64_bits() {
        assert_eq!(parse_decimal(b"000000000000000000000000000000007"), Ok(7));
        assert_eq!(parse_decimal(b"18446744073709551616"), Err(NumberError::TooLarge));
        assert_eq!(parse_decimal(b"99999999999999999999999"), Err(NumberError::TooLarge));
        for bad in [
            &b""[..],
            b"+1",
            b"-1",
            b"1 ",
            b" 1",
            b"1,1",
            b"0x1",
            b"1_0",
            b"99999999999999999999999x",
            b"\xd9\xa1",
        ] {
            assert_eq!(parse_decimal(bad), Err(NumberError::NotANumber), "{bad:?}");
        }
    }
}
