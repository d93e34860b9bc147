//! Base64 as JWTs have it (RFC 7515, 2): the alphabet of URLs, no padding, one spelling a value.
//!
//! The last letter may carry bits that stand for nothing. They must be zero, so that no two texts
//! are one signature.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The bytes that `text` stands for; nothing where it is not the one way to write them.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for letters in text.as_bytes().chunks(4) {
        let mut group: u32 = 0;
        for &letter in letters {
            group = (group << 6) | u32::from(value(letter)?);
        }
        // Four letters are three bytes, three are two, two are one; one alone is nothing.
        let spare = match letters.len() {
            4 => 0,
            3 => 2,
            2 => 4,
            _ => return None,
        };
        if group & ((1 << spare) - 1) != 0 {
            return None;
        }
        let whole = (group >> spare).to_be_bytes();
        bytes.extend_from_slice(whole.get(5 - letters.len()..)?);
    }
    Some(bytes)
}

/// `bytes` as base64.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, &byte| (group << 8) | u32::from(byte));
        let group = group << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let letter = ALPHABET.get((group >> (18 - 6 * place)) as usize & 63);
            text.extend(letter.map(|&letter| char::from(letter)));
        }
    }
    text
}

fn value(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_in_no_other_spelling() {
        for length in 0..=64_u8 {
            let bytes: Vec<u8> =
                (0..length).map(|at| at.wrapping_mul(151).wrapping_add(7)).collect();
            assert_eq!(decode(&encode(&bytes)).as_deref(), Some(&*bytes), "{length}");
        }
        // RFC 4648, 10, without the padding.
        for (text, bytes) in [("", ""), ("Zg", "f"), ("Zm8", "fo"), ("Zm9v", "foo")] {
            assert_eq!(
                (decode(text).as_deref(), &*encode(bytes.as_bytes())),
                (Some(bytes.as_bytes()), text)
            );
        }
        for wrong in ["Z", "Zg==", "Zh", "Zm9", "Zm+v", "Zm/v", "Z g", "Zm9vZ", "Zmä"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
