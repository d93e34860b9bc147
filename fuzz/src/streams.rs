//! A stream in one packet and in many: the same bytes out, the same tally.

use std::collections::VecDeque;

use bytes::Bytes;
use tollgate_wire::{Endpoint, Tally, Tap};

pub(crate) fn read(endpoint: u8, packing: u8, stream: &[u8]) {
    let hide = endpoint & 0x80 != 0;
    let endpoint = Endpoint::ALL[usize::from(endpoint & 0x1f) % Endpoint::ALL.len()];
    let (whole, mut one) = run(endpoint, hide, std::iter::once(stream));
    let (packed, mut many) = run(endpoint, hide, Packets { rest: stream, state: packing });
    assert_eq!(whole, packed, "the bytes depend on the packets");
    assert_eq!(one.usage, many.usage);
    assert_eq!((one.done, one.failed, one.events), (many.done, many.failed, many.events));
    assert_eq!(one.take_text(), many.take_text());
    if !hide && !one.failed {
        assert_eq!(whole, stream, "a stream without an error goes on as it came");
    }
}

fn run<'s>(
    endpoint: Endpoint,
    hide: bool,
    packets: impl Iterator<Item = &'s [u8]>,
) -> (Vec<u8>, Tally) {
    let mut tap = Tap::new(endpoint, hide);
    let mut out = VecDeque::new();
    for packet in packets {
        tap.push(Bytes::copy_from_slice(packet), &mut out);
    }
    tap.finish(&mut out);
    (out.iter().flatten().copied().collect(), tap.into_tally())
}

/// The stream in packets of 1 to 16 bytes, or all of one size.
struct Packets<'s> {
    rest: &'s [u8],
    state: u8,
}

impl<'s> Iterator for Packets<'s> {
    type Item = &'s [u8];

    fn next(&mut self) -> Option<&'s [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        // Any generator that takes many values from one byte will do.
        self.state = self.state.wrapping_mul(37).wrapping_add(11);
        let size = usize::from(self.state >> 4) + 1;
        let (packet, rest) = self.rest.split_at(size.min(self.rest.len()));
        self.rest = rest;
        Some(packet)
    }
}
