//! Integers out of byte slices and back: little-endian, as IVTP and the Aspeed header write them.

/// The 16-bit number at `at`, or `None` past the end.
pub fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The 32-bit number at `at`, or `None` past the end.
pub fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Text out of a fixed field: up to the first NUL, what is not UTF-8 replaced, control characters removed.
pub fn text_field(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    clean_text(&String::from_utf8_lossy(&bytes[..end]))
}

/// `text` without its control characters: what a peer wrote must not steer a terminal.
pub fn clean_text(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_little_endian_and_end_with_the_slice() {
        let bytes = [1, 2, 3, 4, 5];
        assert_eq!(u16_le(&bytes, 3), Some(0x0504));
        assert_eq!(u16_le(&bytes, 4), None);
        assert_eq!(u32_le(&bytes, 1), Some(0x0504_0302));
        assert_eq!(u32_le(&bytes, usize::MAX), None);
    }

    #[test]
    fn a_text_field_ends_at_its_nul_and_cannot_steer_a_terminal() {
        assert_eq!(text_field(b"ad\x1b[2Jmin\0junk"), "ad[2Jmin");
        assert_eq!(text_field(b"full"), "full");
    }
}
