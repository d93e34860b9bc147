use proptest::prelude::*;
use serde_json::Value as Dom;

use super::*;

/// What a walk finds, as a tree.
fn walked(value: Value<'_>) -> Dom {
    match value.kind() {
        Kind::Array => Dom::Array(value.items().map(walked).collect()),
        Kind::Object => {
            let pair = |member: Member<'_>| (member.key.text().into_owned(), walked(member.value));
            Dom::Object(value.members().map(pair).collect())
        }
        Kind::String => Dom::String(value.text().into_owned()),
        Kind::Bool(_) | Kind::Null | Kind::Number => serde_json::from_slice(value.raw()).unwrap(),
    }
}

fn json() -> impl Strategy<Value = Dom> {
    let leaf = prop_oneof![
        Just(Dom::Null),
        any::<bool>().prop_map(Dom::from),
        any::<i64>().prop_map(Dom::from),
        (-1e6..1e6_f64).prop_map(Dom::from),
        ".*".prop_map(Dom::from),
        r#"[\\"{}\[\],: ]*"#.prop_map(Dom::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Dom::from),
            prop::collection::hash_map(".{0,6}", inner, 0..6)
                .prop_map(|map| Dom::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_walk_finds_what_a_parser_finds(dom in json(), pretty in any::<bool>()) {
        let body = if pretty {
            serde_json::to_vec_pretty(&dom).unwrap()
        } else {
            serde_json::to_vec(&dom).unwrap()
        };
        let padded = [b" \n", body.as_slice(), b"\t "].concat();
        let root = Value::root(&padded);
        prop_assert_eq!(root.raw(), body.as_slice());
        prop_assert_eq!(walked(root), serde_json::from_slice::<Dom>(&body).unwrap());
    }

    #[test]
    fn a_walk_over_anything_at_all_ends(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        fn visit(value: Value<'_>, room: u8) {
            let Some(room) = room.checked_sub(1) else { return };
            value.items().for_each(|item| visit(item, room));
            value.members().for_each(|member| visit(member.value, room));
        }
        visit(Value::root(&bytes), 8);
        let _ = Value::root(&bytes).find_within(&["a"], |_, _| true).is_some();
    }
}

#[test]
fn keys_are_found_at_any_depth_and_values_are_not_keys() {
    let body = br#"{"a":"id","b":[{"c":{"i\u0064" : null}},{"id":7}],"text":"\"id\":1"}"#;
    let found = Value::root(body).find_within(&["id"], |_, value| !value.is_null());
    assert_eq!(found.map(|member| member.value.raw()), Some(&b"7"[..]));
    let nothing = Value::root(body).find_within(&["text\":"], |_, _| true);
    assert!(nothing.is_none());
}

#[test]
fn a_path_reads_as_people_write_it() {
    let root = Path::ROOT;
    let messages = root.key("messages");
    let first = messages.index(0);
    let content = first.key("content");
    assert_eq!(content.index(12).key("text").to_string(), "messages[0].content[12].text");
    assert_eq!(root.to_string(), "");
}

#[test]
fn a_trail_leads_to_whatever_is_found() {
    let body = br#"{"a":[1,[2,{"x":"}"}],{"b":{"x":1,"c":"x"}}],"x":[{"y":0},{"x":null}],"d":"x"}"#;
    let root = Value::root(body);
    let mut trail = Trail::new(root);
    let (mut from, mut found) = (0, Vec::new());
    while let Some(member) = root.find_from(from, &["x"], |_, _| true) {
        found.push(trail.to(&member, &Path::ROOT.key("r"), |path| path.to_string()));
        from = member.value.place().start;
    }
    assert_eq!(found, ["r.a[1][1].x", "r.a[2].b.x", "r.x", "r.x[1].x"]);
}
