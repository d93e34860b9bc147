use proptest::prelude::*;

use super::*;

/// What stands in `bytes`, event by event, when they come in packets of `size`.
fn split(bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut ends = Ends::new();
    let (mut whole, mut current) = (Vec::new(), Vec::new());
    for packet in bytes.chunks(size) {
        let mut at = 0;
        while let Some(end) = ends.next(packet, at) {
            current.extend_from_slice(&packet[at..end]);
            whole.push(std::mem::take(&mut current));
            at = end;
        }
        current.extend_from_slice(&packet[at..]);
    }
    whole.push(current);
    whole
}

#[test]
fn events_end_at_empty_lines_however_lines_end() {
    let table: &[(&str, &[&str])] = &[
        ("data: a\n\ndata: b\n\n", &["data: a\n\n", "data: b\n\n", ""]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", &["data: a\r\n\r\n", "data: b\r\n\r\n", ""]),
        ("data: a\r\rdata: b\r\r", &["data: a\r\r", "data: b\r\r", ""]),
        ("data: a\r\n\ndata: b", &["data: a\r\n\n", "data: b"]),
        (": hi\n\n\ndata: a\ndata: b\n\n", &[": hi\n\n", "\n", "data: a\ndata: b\n\n", ""]),
        ("data: a\n", &["data: a\n"]),
        ("", &[""]),
    ];
    for (bytes, events) in table {
        let whole: Vec<_> = split(bytes.as_bytes(), usize::MAX);
        let expected: Vec<_> = events.iter().map(|event| event.as_bytes().to_vec()).collect();
        assert_eq!(whole, expected, "{bytes:?}");
    }
}

#[test]
fn fields_are_read_as_the_standard_says() {
    type Row = (&'static [u8], Option<&'static [u8]>, Option<&'static [u8]>);
    let table: &[Row] = &[
        (b"data: a\n\n", None, Some(b"a")),
        (b"data:a\r\n\r\n", None, Some(b"a")),
        (b"data:  a\n\n", None, Some(b" a")),
        (b"data\n\n", None, Some(b"")),
        (b"data: a\ndata:\ndata: b\n\n", None, Some(b"a\n\nb")),
        (b"event: x\ndata: a\nid: 7\nretry: 5\n\n", Some(b"x"), Some(b"a")),
        (b"\xef\xbb\xbfdata: a\r\r", None, Some(b"a")),
        (b": data: a\n\n", None, None),
        (b"database: a\n data: b\n\n", None, None),
        (b"\n", None, None),
        (b"data: cut", None, Some(b"cut")),
    ];
    for (bytes, name, data) in table {
        let found = event(bytes);
        assert_eq!((found.name, found.data.as_deref()), (*name, *data), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn packets_change_nothing(
        bytes in prop::collection::vec(prop::sample::select(b"d:a \n\r\n\r".to_vec()), 0..60),
        size in 1_usize..8,
    ) {
        let read = |size| -> Vec<Vec<u8>> {
            let pieces = split(&bytes, size);
            assert_eq!(pieces.concat(), bytes);
            let datas = pieces.iter().map(|piece| event(piece).data.map(Cow::into_owned));
            datas.flatten().collect()
        };
        prop_assert_eq!(read(size), read(usize::MAX));
    }

    #[test]
    fn all_events_are_found_again(
        count in 0_usize..6,
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let events_as_sent: Vec<_> =
            (0..count).map(|at| format!("data: {at}{end}{end}")).collect();
        let stream = events_as_sent.concat();
        let found: Vec<_> = events(stream.as_bytes()).filter_map(|event| event.data).collect();
        let expected: Vec<_> = (0..count).map(|at| at.to_string().into_bytes()).collect();
        prop_assert_eq!(found.len(), expected.len());
        let mut pairs = found.iter().zip(&expected);
        prop_assert!(pairs.all(|(found, expected)| found.as_ref() == expected.as_slice()));
    }
}
