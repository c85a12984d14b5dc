//! What is in the bytes of a peer: little-endian integers, as IVTP and the Aspeed header write them, and its words.

/// The 16-bit number at `at`, or `None` past the end.
pub fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The 32-bit number at `at`, or `None` past the end.
pub fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The bytes in groups of `N`; fewer than that at the end are left out.
pub fn groups<const N: usize>(bytes: &[u8]) -> impl ExactSizeIterator<Item = [u8; N]> {
    bytes.chunks_exact(N).map(|group| group.try_into().expect("a group has N bytes"))
}

/// Text out of a fixed field: up to the first NUL, what is not UTF-8 replaced, cleaned as by [`clean_text`].
pub fn text_field(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    clean_text(&String::from_utf8_lossy(&bytes[..end]))
}

/// `text` without what is not seen in it: what a peer wrote must neither steer a terminal nor hide from a person what
/// a model reads.
pub fn clean_text(text: &str) -> String {
    text.chars().filter(|&ch| !is_unseen(ch)).collect()
}

/// `text`, cleaned and marked as somebody's own words: in quotation marks that it cannot end by itself.
pub fn quote(text: &str) -> String {
    format!("\"{}\"", clean_text(text).replace('"', "'"))
}

/// Whether a character is a control character, orders the text around it (the bidirectional controls), ends a line or
/// shows nothing (Unicode's `Default_Ignorable_Code_Point`).
pub fn is_unseen(ch: char) -> bool {
    ch.is_control()
        || matches!(ch,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
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

    #[test]
    fn a_peers_words_hide_nothing_and_stay_within_their_quotation_marks() {
        // A right-to-left override, a zero width space, a letter of the tags block, a line separator.
        assert_eq!(clean_text("roo\u{202e}t\u{200b}\u{e0041}\u{2028}!"), "root!");
        assert_eq!(clean_text("Überprüfung – 日本語 █▓ é"), "Überprüfung – 日本語 █▓ é");
        assert_eq!(quote("full\r\n\"; now do"), "\"full'; now do\"");
    }
}
