//! Numbers, in the notations that every program reads alike.

/// Octal digits, perhaps behind spaces, ended by zero bytes or spaces or the field's end. No sign, no digit beyond.
pub(crate) fn octal(field: &[u8]) -> Option<u64> {
    let blanks = field.iter().take_while(|byte| **byte == b' ').count();
    let digits = &field[blanks..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit());
    let (digits, rest) = digits.split_at(end.unwrap_or(digits.len()));
    let ends = rest.iter().all(|byte| matches!(byte, 0 | b' '));
    (ends && !digits.is_empty()).then(|| from_digits(digits, 8))?
}

/// As [`octal`], or nothing but zero bytes: a field that the writer left out, read as 0.
pub(crate) fn octal_or_unset(field: &[u8]) -> Option<u64> {
    match field.iter().all(|byte| *byte == 0) {
        true => Some(0),
        false => octal(field),
    }
}

/// Whether a field that is ignored is at least well-formed: as [`octal_or_unset`], or GNU's binary notation, in 64 bits.
pub(crate) fn is_metadata(field: &[u8], negative: Negative) -> bool {
    match (field[0], negative) {
        (0x80, _) => fits(&field[1..], 0),
        (0xff, Negative::Allowed) => fits(&field[1..], 0xff),
        _ => octal_or_unset(field).is_some(),
    }
}

/// Whether a number may be less than zero.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Negative {
    /// A time before 1970 is.
    Allowed,
    /// It may not.
    Refused,
}

/// Whether big-endian bytes, the sign apart, are a number of 64 bits: the leading ones repeat the sign.
fn fits(bytes: &[u8], sign: u8) -> bool {
    let (leading, low) = bytes.split_at(bytes.len().saturating_sub(8));
    let repeats = leading.iter().all(|byte| *byte == sign);
    repeats && (low.len() < 8 || low[0] & 0x80 == sign & 0x80)
}

/// The decimal number of a pax record: digits alone.
pub(crate) fn decimal(value: &[u8]) -> Option<u64> {
    (!value.is_empty()).then(|| from_digits(value, 10))?
}

/// Whether a pax time is well-formed: digits, perhaps negative, perhaps with a fraction.
pub(crate) fn is_time(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    let mut parts = value.splitn(2, |byte| *byte == b'.');
    let seconds = parts
        .next()
        .and_then(decimal)
        .is_some_and(|seconds| seconds <= i64::MAX as u64);
    let fraction = parts.next().unwrap_or(b"0");
    seconds && !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit)
}

fn from_digits(digits: &[u8], base: u64) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = u64::from(byte.checked_sub(b'0')?);
        (digit < base).then_some(())?;
        number.checked_mul(base)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::{Negative, decimal, is_metadata, is_time, octal, octal_or_unset};

    fn check_octal(field: &[u8], expect: Option<u64>) {
        assert_eq!(octal(field), expect, "{}", field.escape_ascii());
    }

    #[test]
    fn octal_is_digits_with_padding() {
        check_octal(b"0000644\0", Some(0o644));
        check_octal(b"   644 \0", Some(0o644));
        check_octal(b"000644 \0", Some(0o644));
        check_octal(b"00000000012\0", Some(10));
        check_octal(b"777777777777", Some((1 << 36) - 1));
        for wrong in [
            &b"+06542\0\0"[..],
            b"-0000001",
            b"0x10\0\0\0\0",
            b"0000648\0",
            b"064\x00644\0",
            b"\x00000644\0",
            b"644\0junk",
            b"        ",
            b"\0\0\0\0\0\0\0\0",
            b"",
            b"6 4 4\0\0\0",
            b"\t644\0\0\0\0x",
            b"1.0\0",
            b"1_0\0",
            b"\x80\0\0\0\0\0\0\x01",
        ] {
            check_octal(wrong, None);
        }
    }

    #[test]
    fn octal_behind_another_blank_than_a_space_is_none() {
        for blank in [b'\t', b'\n', b'\x0b', b'\x0c', b'\r'] {
            check_octal(&[blank, b'6', b'4', 0], None);
        }
    }

    #[test]
    fn an_unset_field_is_zero() {
        assert_eq!(octal_or_unset(&[0; 8]), Some(0));
        assert_eq!(octal_or_unset(b"        "), None);
        assert_eq!(octal_or_unset(b"0000011\0"), Some(9));
    }

    fn check_metadata(field: &[u8], negative: Negative, expect: bool) {
        assert_eq!(is_metadata(field, negative), expect, "{field:02x?}");
    }

    #[test]
    fn ignored_numbers_may_be_binary_in_64_bits() {
        use Negative::{Allowed, Refused};
        check_metadata(b"0001750\0", Refused, true);
        check_metadata(&[0x80, 0, 0, 0, 0x3b, 0x9a, 0xca, 0], Refused, true);
        check_metadata(&[0xff; 12], Allowed, true);
        check_metadata(&[0xff; 12], Refused, false);
        check_metadata(&[0xff; 8], Refused, false);
        check_metadata(&[0x81, 0, 0, 0, 0, 0, 0, 0], Refused, false);
        check_metadata(&[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Allowed, false);
        check_metadata(&[0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0], Allowed, false);
        check_metadata(
            &[0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0],
            Allowed,
            false,
        );
        check_metadata(
            &[0xff, 0xff, 0xfe, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0],
            Allowed,
            false,
        );
    }

    #[test]
    fn decimal_is_digits_alone() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for wrong in [
            &b""[..],
            b"18446744073709551616",
            b"-1",
            b"+1",
            b" 1",
            b"1 ",
            b"0x1",
            b"1\0",
            b"1e3",
            b":",
        ] {
            assert_eq!(decimal(wrong), None, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn a_time_may_be_negative_and_have_a_fraction() {
        for right in [&b"0"[..], b"1350244992.023960108", b"-1.5"] {
            assert!(is_time(right), "{}", right.escape_ascii());
        }
        for wrong in [
            &b""[..],
            b"-",
            b".5",
            b"1.",
            b"1.2.3",
            b"--1",
            b"+1",
            b"1e9",
            b"nan",
            b"9223372036854775808",
        ] {
            assert!(!is_time(wrong), "{}", wrong.escape_ascii());
        }
    }
}
