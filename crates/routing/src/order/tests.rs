use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const OPEN: Choice = Choice {
    room: Room::Now,
    headroom_permille: 1000,
    price: 100,
    first_token: Some(Span::from_millis(400)),
    weight: 1,
    affinity: 0,
    group: 0,
};

#[test]
fn fallbacks_come_after_every_route_of_the_model_itself() {
    let closed = Choice { room: Room::Closed, ..OPEN };
    let fallback = Choice { group: 1, price: 1, ..OPEN };
    let second = Choice { group: 2, price: 0, ..OPEN };
    assert_eq!(order(&[second, fallback, closed, OPEN], Prefer::Cheapest, 0), [3, 2, 1, 0]);
}

#[test]
fn room_now_comes_before_room_soon_and_closed_routes_stand_last() {
    let soon = Choice { room: Room::Soon(Span::from_millis(5)), price: 0, ..OPEN };
    let later = Choice { room: Room::Soon(Span::from_millis(9)), price: 0, ..OPEN };
    let closed = Choice { room: Room::Closed, price: 0, ..OPEN };
    for prefer in [Prefer::Cheapest, Prefer::Fastest, Prefer::Headroom] {
        assert_eq!(order(&[closed, later, soon, OPEN], prefer, 7), [3, 2, 1, 0], "{prefer:?}");
    }
}

#[test]
fn headroom_counts_in_steps_then_price_then_latency_then_the_order_written() {
    let of = |headroom_permille, price, millis| Choice {
        headroom_permille,
        price,
        first_token: Some(Span::from_millis(millis)),
        ..OPEN
    };
    let choices = [
        of(90, 0, 0),
        of(100, 0, 0),
        of(260, 0, 0),
        of(501, 9, 1),
        of(999, 8, 5),
        of(500, 8, 4),
        of(700, 8, 4),
    ];
    assert_eq!(order(&choices, Prefer::Headroom, 0), [5, 6, 4, 3, 2, 1, 0]);
    assert_eq!(order(&choices, Prefer::Cheapest, 0), [2, 1, 0, 5, 6, 4, 3]);
    assert_eq!(order(&choices, Prefer::Fastest, 0), [2, 1, 0, 3, 5, 6, 4]);
    assert_eq!(order(&choices, Prefer::Listed, 0), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_session_stays_on_its_route_until_that_is_nearly_used_up() {
    let own = Choice { affinity: 9, price: 500, headroom_permille: 120, ..OPEN };
    let other = Choice { affinity: 5, ..OPEN };
    assert_eq!(order(&[other, own], Prefer::Headroom, 0), [1, 0]);
    let nearly_used_up = Choice { headroom_permille: 99, ..own };
    assert_eq!(order(&[other, nearly_used_up], Prefer::Headroom, 0), [0, 1]);
    let closed = Choice { room: Room::Closed, ..own };
    assert_eq!(order(&[other, closed], Prefer::Headroom, 0), [0, 1]);
    assert_eq!(order(&[other, own], Prefer::Listed, 0), [0, 1], "strictly as written");
}

#[test]
fn the_first_is_drawn_by_weight_when_weights_differ() {
    let choices = [Choice { weight: 1, ..OPEN }, Choice { weight: 3, ..OPEN }];
    let firsts: Vec<usize> =
        (0..8_u64).map(|eighth| order(&choices, Prefer::Headroom, eighth << 61)[0]).collect();
    assert_eq!(firsts, [0, 0, 1, 1, 1, 1, 1, 1]);
    let closed = [Choice { weight: 1, ..OPEN }, Choice { weight: 3, room: Room::Closed, ..OPEN }];
    assert_eq!(order(&closed, Prefer::Headroom, u64::MAX), [0, 1]);
    let nothing = [Choice { weight: 0, ..OPEN }, Choice { weight: 7, ..OPEN }];
    assert_eq!(order(&nothing, Prefer::Headroom, 0), [1, 0], "no weight, no draw");
}

#[test]
fn nothing_to_choose_from_gives_nothing() {
    assert_eq!(order(&[], Prefer::Headroom, 3), vec![0_usize; 0]);
}

fn choice() -> impl Strategy<Value = Choice> {
    let room = prop_oneof![
        Just(Room::Now),
        Just(Room::Closed),
        (0_u64..50).prop_map(|millis| Room::Soon(Span::from_millis(millis))),
    ];
    let latency = prop::option::of((0_u64..4).prop_map(Span::from_millis));
    (room, 0_u32..1001, 0_u64..4, latency, 0_u32..4, 0_u64..4, 0_u32..3).prop_map(
        |(room, headroom_permille, price, first_token, weight, affinity, group)| Choice {
            room,
            headroom_permille,
            price,
            first_token,
            weight,
            affinity,
            group,
        },
    )
}

fn class(room: Room) -> u8 {
    match room {
        Room::Now => 0,
        Room::Soon(_) => 1,
        Room::Closed => 2,
    }
}

proptest! {
    #[test]
    fn an_order_is_a_permutation_that_mixes_no_groups_and_no_classes(
        choices in prop::collection::vec(choice(), 0..12),
        prefer in prop::sample::select(
            vec![Prefer::Cheapest, Prefer::Fastest, Prefer::Headroom, Prefer::Listed]
        ),
        die in any::<u64>(),
    ) {
        let ordered = order(&choices, prefer, die);
        let mut sorted = ordered.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..choices.len()).collect::<Vec<_>>());
        for pair in ordered.windows(2) {
            let (left, right) = (choices[pair[0]], choices[pair[1]]);
            prop_assert!(left.group <= right.group);
            if left.group == right.group && prefer != Prefer::Listed {
                prop_assert!(class(left.room) <= class(right.room));
            }
        }
        prop_assert_eq!(&ordered, &order(&choices, prefer, die), "the same again");
    }
}
