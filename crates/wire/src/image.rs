//! The size of an image that a prompt carries in itself, from the first bytes of the picture.
//!
//! Only headers are looked at, and only their bytes are decoded: base64 can be read at any place,
//! so a JPEG's segments are jumped over. A size that is not found is `None`, never a guess.

/// How many segments of a JPEG are looked at for its size.
const SEGMENTS_MAX: usize = 256;

/// Width and height of the image in a `data:` URL.
pub(crate) fn size_of_url(url: &str) -> Option<(u32, u32)> {
    let (scheme, rest) = (url.get(..5)?, url.get(5..)?);
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    // The type before the comma is short; what comes after it may be megabytes.
    let comma = memchr::memchr(b',', rest.as_bytes())?;
    let (header, data) = (rest.get(..comma)?, rest.get(comma.saturating_add(1)..)?);
    let is_base64 = header.rsplit(';').next()?.trim().eq_ignore_ascii_case("base64");
    is_base64.then(|| size_of_base64(data)).flatten()
}

/// Width and height of the image that `data` is, in base64.
pub(crate) fn size_of_base64(data: &str) -> Option<(u32, u32)> {
    size(Picture { base64: data.as_bytes() })
}

fn size(picture: Picture<'_>) -> Option<(u32, u32)> {
    let found = match picture.bytes::<4>(0)? {
        [0x89, b'P', b'N', b'G'] => png(picture),
        [b'G', b'I', b'F', b'8'] => gif(picture),
        [b'R', b'I', b'F', b'F'] => webp(picture),
        [0xff, 0xd8, 0xff, _] => jpeg(picture),
        _ => None,
    };
    found.filter(|&(width, height)| width > 0 && height > 0)
}

fn png(picture: Picture<'_>) -> Option<(u32, u32)> {
    if picture.bytes(12)? != *b"IHDR" {
        return None;
    }
    Some((u32::from_be_bytes(picture.bytes(16)?), u32::from_be_bytes(picture.bytes(20)?)))
}

fn gif(picture: Picture<'_>) -> Option<(u32, u32)> {
    Some((little_u16(picture.bytes(6)?), little_u16(picture.bytes(8)?)))
}

fn webp(picture: Picture<'_>) -> Option<(u32, u32)> {
    if picture.bytes(8)? != *b"WEBP" {
        return None;
    }
    match &picture.bytes::<4>(12)? {
        // Lossy: 14 bits each, after a frame tag and a start code.
        b"VP8 " => {
            let (width, height) = (picture.bytes(26)?, picture.bytes(28)?);
            Some((little_u16(width) & 0x3fff, little_u16(height) & 0x3fff))
        }
        // Lossless: 14 bits each, less one, after a signature byte.
        b"VP8L" => {
            let bits = u32::from_le_bytes(picture.bytes(21)?);
            Some(((bits & 0x3fff).saturating_add(1), (bits >> 14 & 0x3fff).saturating_add(1)))
        }
        // Extended: 24 bits each, less one.
        b"VP8X" => {
            let (width, height) = (picture.bytes(24)?, picture.bytes(27)?);
            Some((little_u24(width).saturating_add(1), little_u24(height).saturating_add(1)))
        }
        _ => None,
    }
}

fn jpeg(picture: Picture<'_>) -> Option<(u32, u32)> {
    let mut at = 2_usize;
    for _ in 0..SEGMENTS_MAX {
        let [mark, kind] = picture.bytes(at)?;
        if mark != 0xff {
            return None;
        }
        if kind == 0xff {
            // A fill byte.
            at = at.checked_add(1)?;
            continue;
        }
        // Every start of frame but the tables that share its range (C4, C8, CC).
        if matches!(kind, 0xc0..=0xcf) && !matches!(kind, 0xc4 | 0xc8 | 0xcc) {
            let [high, low, wide, narrow] = picture.bytes(at.checked_add(5)?)?;
            return Some((big_u16([wide, narrow]), big_u16([high, low])));
        }
        let alone = matches!(kind, 0x01 | 0xd0..=0xd8);
        let length = if alone { 0 } else { big_u16(picture.bytes(at.checked_add(2)?)?).max(2) };
        at = at.checked_add(2)?.checked_add(usize::try_from(length).ok()?)?;
    }
    None
}

/// A picture in base64, readable at any place.
#[derive(Clone, Copy)]
struct Picture<'a> {
    base64: &'a [u8],
}

impl Picture<'_> {
    fn bytes<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        for (offset, byte) in bytes.iter_mut().enumerate() {
            *byte = self.byte(at.checked_add(offset)?)?;
        }
        Some(bytes)
    }

    /// The byte at a place: four letters make three bytes.
    fn byte(self, at: usize) -> Option<u8> {
        let first = at.checked_div(3)?.checked_mul(4)?.checked_add(at % 3)?;
        let high = sextet(*self.base64.get(first)?)?;
        let low = sextet(*self.base64.get(first.checked_add(1)?)?)?;
        let both = u16::from(high) << 6 | u16::from(low);
        let [_, byte] = (both >> (4_usize.checked_sub(at % 3 * 2)?)).to_be_bytes();
        Some(byte)
    }
}

const fn sextet(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn big_u16(bytes: [u8; 2]) -> u32 {
    u32::from(u16::from_be_bytes(bytes))
}

fn little_u16(bytes: [u8; 2]) -> u32 {
    u32::from(u16::from_le_bytes(bytes))
}

fn little_u24([low, middle, high]: [u8; 3]) -> u32 {
    u32::from_le_bytes([low, middle, high, 0])
}

#[cfg(test)]
mod tests;
