//! The date format of HTTP (`IMF-fixdate`, RFC 9110, section 5.6.7).

/// `unix_s` seconds after the start of 1970 as `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// The format has four digits for the year: moments after the year 9999 are written as its last second.
pub fn http_date(unix_s: u64) -> [u8; 29] {
    let unix_s = if unix_s > UNIX_S_MAX { UNIX_S_MAX } else { unix_s };
    let day = (unix_s / DAY_S) as u32;
    let second = (unix_s % DAY_S) as u32;

    // Days from a first of March on, since that puts the leap day last: "chrono-compatible low-level date
    // algorithms" by Howard Hinnant, civil_from_days. An era is 400 years, 146,097 days.
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + u32::from(month < 2);

    let mut text = *b"Thu, 00 Jan 0000 00:00:00 GMT";
    text[..3].copy_from_slice(&WEEKDAYS[(day % 7) as usize]);
    text[5..7].copy_from_slice(&two_digits(day_of_month));
    text[8..11].copy_from_slice(&MONTHS[month as usize]);
    text[12..14].copy_from_slice(&two_digits(year / 100));
    text[14..16].copy_from_slice(&two_digits(year % 100));
    text[17..19].copy_from_slice(&two_digits(second / 3_600));
    text[20..22].copy_from_slice(&two_digits(second / 60 % 60));
    text[23..25].copy_from_slice(&two_digits(second % 60));
    text
}

/// `number`, below 100, in two digits.
const fn two_digits(number: u32) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

const DAY_S: u64 = 86_400;
/// The last second of the year 9999.
const UNIX_S_MAX: u64 = 253_402_300_799;
/// From the weekday of the first of January 1970 on.
const WEEKDAYS: [[u8; 3]; 7] = [*b"Thu", *b"Fri", *b"Sat", *b"Sun", *b"Mon", *b"Tue", *b"Wed"];
const MONTHS: [[u8; 3]; 12] = [
    *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct", *b"Nov",
    *b"Dec",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::String;

    fn date(unix_s: u64) -> String {
        String::from_utf8(http_date(unix_s).to_vec()).unwrap()
    }

    #[test]
    fn known_moments_have_their_known_dates() {
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(date(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 GMT");
        assert_eq!(date(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(date(UNIX_S_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(date(u64::MAX), date(UNIX_S_MAX));
    }

    #[test]
    fn every_day_of_the_calendar_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970_u32, 1_u32, 1_u32);
        for days in 0..=UNIX_S_MAX / DAY_S {
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
            let text = http_date(days * DAY_S);
            assert_eq!(&text[..3], weekday.as_bytes());
            assert_eq!(&text[5..7], &two_digits(day));
            assert_eq!(&text[8..11], &MONTHS[month as usize - 1]);
            assert_eq!(&text[12..16], format!("{year:04}").as_bytes());
            let month_days = match month {
                2 => 28 + u32::from(is_leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (day == month_days, month) {
                (false, _) => (year, month, day + 1),
                (true, 12) => (year + 1, 1, 1),
                (true, _) => (year, month + 1, 1),
            };
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }
}
