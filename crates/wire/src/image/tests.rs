use super::*;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place) & 63) as usize] as char;
            text.push(if place > three.len() { '=' } else { letter });
        }
    }
    text
}

fn url(kind: &str, bytes: &[u8]) -> String {
    format!("data:image/{kind};base64,{}", base64(bytes))
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    [&header[..], &width.to_be_bytes(), &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat()
}

/// A JPEG with a thumbnail of `padding` bytes in front of its frame.
fn jpeg(width: u16, height: u16, frame: u8, padding: u16) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe1];
    bytes.extend((padding + 2).to_be_bytes());
    bytes.extend(vec![0xc0; usize::from(padding)]);
    bytes.extend([0xff, 0xc4, 0, 4, 1, 2, 0xff, 0xff, frame, 0, 17, 8]);
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
    bytes
}

fn webp(chunk: &[u8]) -> Vec<u8> {
    [b"RIFF\x40\0\0\0WEBP", chunk].concat()
}

#[test]
fn every_format_says_its_size() {
    let lossy = webp(b"VP8 \x30\0\0\0\x30\x01\0\x9d\x01\x2a\x20\x43\x58\x02");
    let lossless = webp(b"VP8L\x30\0\0\0\x2f\x1f\xc3\x95\0");
    let extended = webp(b"VP8X\x0a\0\0\0\0\0\0\0\x1f\x03\0\x57\x02\0");
    let table = [
        ("png", png(800, 600), (800, 600)),
        ("png", png(70_000, 1), (70_000, 1)),
        ("gif", b"GIF89a\x20\x03\x58\x02\xf7\0\0".to_vec(), (800, 600)),
        ("jpeg", jpeg(800, 600, 0xc0, 0), (800, 600)),
        ("jpeg", jpeg(800, 600, 0xc2, 60_001), (800, 600)),
        ("jpeg", jpeg(65_535, 2, 0xcf, 7), (65_535, 2)),
        ("webp", lossy, (800, 600)),
        ("webp", lossless, (800, 600)),
        ("webp", extended, (800, 600)),
    ];
    for (kind, bytes, size) in table {
        assert_eq!(size_of_url(&url(kind, &bytes)), Some(size), "{kind} {:?}", bytes.get(..16));
    }
}

#[test]
fn a_picture_cut_short_or_of_no_kind_has_no_size() {
    for whole in [png(800, 600), jpeg(800, 600, 0xc0, 9), webp(b"VP8X\x0a\0\0\0\0\0\0\0\x1f")] {
        let seen = 24.min(whole.len() - 14);
        for length in 0..seen {
            assert_eq!(size_of_url(&url("x", &whole[..length])), None, "{length}");
        }
    }
    let table = [
        "https://example.com/a.png".to_owned(),
        "data:image/png;base64".to_owned(),
        "data:image/png,%89PNG".to_owned(),
        "data:image/png;base64,####".to_owned(),
        "dat".to_owned(),
        "dataé:".to_owned(),
        url("bmp", b"BM\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        url("png", &png(0, 600)),
        url("jpeg", &[&[0xff, 0xd8][..], &[0xff, 0xe1, 0, 0].repeat(20_000)].concat()),
    ];
    for text in table {
        assert_eq!(size_of_url(&text), None, "{}", text.get(..40).unwrap_or(&text));
    }
}

#[test]
fn base64_reads_the_same_from_any_place() {
    let bytes: Vec<u8> = (0..=255).collect();
    let text = base64(&bytes);
    let picture = Picture { base64: text.as_bytes() };
    for (at, byte) in bytes.iter().enumerate() {
        assert_eq!(picture.byte(at), Some(*byte), "{at}");
    }
    assert_eq!(picture.byte(256), None);
    assert_eq!(picture.byte(usize::MAX), None);
}
