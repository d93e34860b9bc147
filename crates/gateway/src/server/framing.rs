//! Where one HTTP/1 request ends and the next begins, for those that say it in one way only.
//!
//! Request smuggling needs two servers in a row that disagree about that. hyper 1.12 itself
//! refuses differing or listed `Content-Length`s, `Transfer-Encoding` that does not end in
//! `chunked` or comes with HTTP/1.0, folded lines, spaces before a colon, and bare line feeds in
//! chunk headers. But it takes `Content-Length` *and* `Transfer-Encoding` (keeping the latter and
//! closing afterwards, as RFC 9112 6.3 allows), equal `Content-Length`s twice, `gzip, chunked`,
//! several `Host`s, and bare line feeds in a head, and the handler cannot see that it did. So this
//! reads along, knows where each head begins, and refuses those five as well.
//!
//! It only ever refuses more than hyper does: bytes that it passes are still parsed there.
//! When this is wrong: HTTP/2 frames say their length once, so from its preface on nothing is read.

use memchr::memchr;

/// Reads along with one connection. Feed it every byte, in order, in pieces of any size.
#[derive(Debug)]
pub(super) struct Framing {
    part: Part,
    head: Head,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    is_first: bool,
}

/// ```text
/// Head --empty line--> Head (no body) | Counted | ChunkSize
/// Counted --all of it--> Head
/// ChunkSize --above zero--> ChunkBytes --all of it--> ChunkEnd --empty line--> ChunkSize
/// ChunkSize --zero--> Trailers --empty line--> Head
/// Head --the preface of HTTP/2, first--> Foreign
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    ChunkBytes { left: u64 },
    ChunkEnd,
    ChunkSize,
    Counted { left: u64 },
    Foreign,
    Head,
    Trailers,
}

/// What has been said so far in the head that is being read.
#[derive(Debug, Default)]
struct Head {
    has_request_line: bool,
    length: Option<u64>,
    is_chunked: bool,
    has_host: bool,
}

/// The line cannot be read in one way only.
#[derive(Debug, Eq, PartialEq)]
struct Ambiguous;

impl Framing {
    pub(super) fn new() -> Self {
        Self { part: Part::Head, head: Head::default(), line: Vec::new(), is_first: true }
    }

    /// Whether the line that comes next, or was refused, belongs to a head.
    pub(super) fn is_in_head(&self) -> bool {
        self.part == Part::Head
    }

    /// Whether a head has begun and is not complete.
    pub(super) fn is_within_head(&self) -> bool {
        self.is_in_head() && (self.head.has_request_line || !self.line.is_empty())
    }

    /// Reads `bytes`, which follow those before.
    ///
    /// On an error, the byte at the place returned ends a line that must not be understood.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += match &mut self.part {
                Part::Foreign => return Ok(()),
                Part::Counted { left } => {
                    let taken = skip(left, rest.len());
                    if *left == 0 {
                        self.next_head();
                    }
                    taken
                }
                Part::ChunkBytes { left } => {
                    let taken = skip(left, rest.len());
                    if *left == 0 {
                        self.part = Part::ChunkEnd;
                    }
                    taken
                }
                Part::ChunkEnd | Part::ChunkSize | Part::Head | Part::Trailers => {
                    self.line_of(rest).map_err(|end| at + end)?
                }
            };
        }
        Ok(())
    }

    /// Takes one line, or keeps its beginning. Returns how much of `rest` that was.
    fn line_of(&mut self, rest: &[u8]) -> Result<usize, usize> {
        let Some(end) = memchr(b'\n', rest) else {
            if self.line.len() + rest.len() > LINE_BYTES_MAX {
                return Err(rest.len() - 1);
            }
            self.line.extend_from_slice(rest);
            return Ok(rest.len());
        };
        let (part, _) = rest.split_at(end);
        let whole = std::mem::take(&mut self.line);
        let understood = if whole.is_empty() {
            self.line_ended(part)
        } else {
            self.line_ended(&[&whole, part].concat())
        };
        understood.map_err(|Ambiguous| end)?;
        Ok(end + 1)
    }

    fn line_ended(&mut self, line: &[u8]) -> Result<(), Ambiguous> {
        let Some((b'\r', line)) = line.split_last() else {
            return Err(Ambiguous);
        };
        match self.part {
            Part::Head => self.head_line(line)?,
            Part::ChunkSize => {
                self.part = match chunk_size(line)? {
                    0 => Part::Trailers,
                    left => Part::ChunkBytes { left },
                };
            }
            Part::ChunkEnd if line.is_empty() => self.part = Part::ChunkSize,
            Part::ChunkEnd => return Err(Ambiguous),
            Part::Trailers if line.is_empty() => self.next_head(),
            // Trailers are headers that come too late to be obeyed; hyper bounds them.
            Part::Trailers | Part::ChunkBytes { .. } | Part::Counted { .. } | Part::Foreign => {}
        }
        Ok(())
    }

    fn head_line(&mut self, line: &[u8]) -> Result<(), Ambiguous> {
        if !self.head.has_request_line {
            // Empty lines before a request are skipped here as they are by hyper.
            self.head.has_request_line = !line.is_empty();
            if self.is_first && line == HTTP_2_LINE {
                self.is_first = false;
                self.part = Part::Foreign;
            }
            return Ok(());
        }
        if !line.is_empty() {
            return self.head.header(line);
        }
        self.is_first = false;
        match std::mem::take(&mut self.head) {
            Head { is_chunked: true, .. } => self.part = Part::ChunkSize,
            Head { length: Some(left @ 1..), .. } => self.part = Part::Counted { left },
            Head { .. } => self.next_head(),
        }
        Ok(())
    }

    fn next_head(&mut self) {
        self.head = Head::default();
        self.part = Part::Head;
    }
}

impl Head {
    fn header(&mut self, line: &[u8]) -> Result<(), Ambiguous> {
        // A line without a colon is none of ours: hyper refuses it.
        let Some(colon) = memchr(b':', line) else {
            return Ok(());
        };
        let (name, value) = line.split_at(colon);
        let value = || value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() || self.is_chunked {
                return Err(Ambiguous);
            }
            self.length = Some(digits(value(), 10)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let is_plain = value().eq_ignore_ascii_case(b"chunked");
            if !is_plain || self.is_chunked || self.length.is_some() {
                return Err(Ambiguous);
            }
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            if self.has_host {
                return Err(Ambiguous);
            }
            self.has_host = true;
        }
        Ok(())
    }
}

/// Takes as much of `left` as there is, and says how much.
fn skip(left: &mut u64, there: usize) -> usize {
    match usize::try_from(*left) {
        Ok(all) if all <= there => {
            *left = 0;
            all
        }
        _ => {
            *left -= there as u64;
            there
        }
    }
}

/// The size in front of the extensions, which nobody uses and hyper bounds.
fn chunk_size(line: &[u8]) -> Result<u64, Ambiguous> {
    let end = memchr(b';', line).unwrap_or(line.len());
    digits(line.split_at(end).0.trim_ascii_end(), 16)
}

/// At least one digit and nothing else: no sign, no list, no number that wraps.
fn digits(text: &[u8], radix: u32) -> Result<u64, Ambiguous> {
    if text.is_empty() {
        return Err(Ambiguous);
    }
    text.iter().try_fold(0_u64, |number, &byte| {
        let digit = char::from(byte).to_digit(radix).ok_or(Ambiguous)?;
        let shifted = number.checked_mul(u64::from(radix)).ok_or(Ambiguous)?;
        shifted.checked_add(u64::from(digit)).ok_or(Ambiguous)
    })
}

/// The first line of the preface of HTTP/2 (RFC 9113, 3.4).
const HTTP_2_LINE: &[u8] = b"PRI * HTTP/2.0";
/// A line that has not ended by then is longer than any head that hyper accepts here.
const LINE_BYTES_MAX: usize = super::HEAD_BYTES_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 8] = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\ncontent-length:5 \r\n\r\na\nb\nc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:  Chunked\r\n\r\n\
         5\r\na\nb\nc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         A;x=y\r\n0123456789\r\n0 \r\nT: 1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\n\n\n Host: a\n",
        "POST / HTTP/1.1\r\nX-Content-Length: 5\r\nHost: a\r\n\r\n",
    ];

    const BAD: [&str; 22] = [
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1\r\nHost: a\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n",
        "POST / HTTP/1.1\r\nContent-Length: +5\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 0x5\r\n",
        "POST / HTTP/1.1\r\nContent-Length:\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nb\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokX\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    ];

    /// Where the bytes, fed in pieces of `size`, are refused.
    fn refused_at(bytes: &[u8], size: usize) -> Option<usize> {
        let mut framing = Framing::new();
        bytes
            .chunks(size)
            .enumerate()
            .find_map(|(number, piece)| framing.read(piece).err().map(|at| number * size + at))
    }

    #[test]
    fn what_can_be_read_in_one_way_passes_in_pieces_of_any_size() {
        for text in GOOD {
            for size in 1..=text.len() {
                assert_eq!(refused_at(text.as_bytes(), size), None, "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused_at_its_line_in_pieces_of_any_size() {
        for text in BAD {
            for size in 1..=text.len() {
                let at = refused_at(text.as_bytes(), size);
                let line = text.rfind('\n');
                if text.contains("a\nb") {
                    assert_eq!(at, text.find("\nb"), "{text:?} by {size}");
                } else {
                    assert_eq!(at, line, "{text:?} by {size}");
                }
            }
        }
    }

    #[test]
    fn a_request_after_another_is_judged_like_the_first() {
        for first in GOOD.iter().filter(|text| !text.starts_with("PRI")) {
            for second in GOOD.iter().filter(|text| !text.starts_with("PRI")) {
                let both = [*first, *second].concat();
                assert_eq!(refused_at(both.as_bytes(), both.len()), None, "{both:?}");
            }
            for second in BAD {
                let both = [*first, second].concat();
                assert!(refused_at(both.as_bytes(), both.len()).is_some(), "{both:?}");
            }
        }
    }

    #[test]
    fn a_head_is_owed_from_its_first_byte_to_its_empty_line() {
        let mut framing = Framing::new();
        assert!(!framing.is_within_head());
        for piece in [&b"G"[..], b"ET / HTTP/1.1\r\n", b"Host: a\r", b"\n"] {
            framing.read(piece).unwrap();
            assert!(framing.is_within_head(), "{piece:?}");
        }
        framing.read(b"\r\n").unwrap();
        assert!(!framing.is_within_head());
        let mut framing = Framing::new();
        framing.read(b"PRI * HTTP/2.0\r\n").unwrap();
        assert!(!framing.is_within_head());
    }

    #[test]
    fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
        let mut framing = Framing::new();
        let piece = [b'x'; 1024];
        let taken = (0..1024).take_while(|_| framing.read(&piece).is_ok()).count();
        assert_eq!(taken * piece.len(), LINE_BYTES_MAX);
        assert!(framing.line.capacity() <= 2 * LINE_BYTES_MAX);
    }

    #[test]
    fn no_bytes_make_it_panic_or_refuse_outside_of_them() {
        let pieces = [
            "\r",
            "\n",
            "\r\n",
            ":",
            " ",
            "0",
            "5",
            "f",
            ";",
            "\0",
            "GET / HTTP/1.1\r\n",
            "Content-Length: ",
            "Transfer-Encoding: chunked\r\n",
            "Host: a\r\n",
            "PRI * HTTP/2.0",
        ];
        for seed in 1..2000_u64 {
            let mut dice = seed;
            let mut framing = Framing::new();
            for _ in 0..40 {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed);
                let piece = pieces[usize::try_from(dice >> 33).unwrap() % pieces.len()];
                if let Err(at) = framing.read(piece.as_bytes()) {
                    assert!(at < piece.len(), "seed {seed}");
                    break;
                }
            }
        }
    }
}
