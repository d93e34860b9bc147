//! What outlives a change: of the configuration, and of the process.

use proptest::prelude::*;
use tollgate_limits::{Charges, Meter, RestoreError, Rule, peek};
use tollgate_units::Amount;

use crate::world::{
    Step, World, amount, exactly, firm, history_with_rebooking, meter_id, rules, span, turned,
};

proptest! {
    #![proptest_config(crate::world::cases(160))]

    /// The amount is an argument of the question, not of the state.
    #[test]
    fn changing_an_amount_moves_nothing_and_refills_nothing(
        rules in rules(),
        history in history_with_rebooking(20),
        other in 0_u64..80,
    ) {
        let mut world = World::new(rules.clone());
        for step in &history {
            world.play(step);
        }
        for (at, rule) in rules.iter().enumerate() {
            let Some(meter) = world.shelf.meters.get(&meter_id(at)) else { continue };
            let rule = turned(*rule, world.now);
            let [was, is] = [rule, of(rule, amount(other))].map(|r| meter.standing(&r, world.now));
            prop_assert_eq!((was.used, was.held, was.resets_at), (is.used, is.held, is.resets_at));
            prop_assert_eq!(is.left, amount(other).less(is.used).less(is.held));
        }
    }

    /// Whatever the amounts were when it was admitted, the same history leaves the same state.
    #[test]
    fn state_says_nothing_of_the_amount(rules in rules(), history in history_with_rebooking(20)) {
        let plenty = |most| rules.iter().map(|rule| of(*rule, amount(most))).collect();
        let mut worlds = [World::new(plenty(100_000)), World::new(plenty(999_999))];
        for step in &history {
            for world in &mut worlds {
                world.play(step);
            }
        }
        prop_assert_eq!(&worlds[0].shelf, &worlds[1].shelf);
    }

    /// What is held counts as spent, because the reservations are gone with the process.
    #[test]
    fn a_restored_meter_decides_alike(
        rules in rules(),
        history in history_with_rebooking(20),
        future in history_with_rebooking(20),
    ) {
        let mut world = World::new(rules.clone());
        for step in &history {
            world.play(step);
        }
        let mut restored = World::new(rules.clone());
        (restored.now, restored.numbers) = (world.now, world.numbers);
        for (id, meter) in &world.shelf.meters {
            restored.shelf.meters.insert(*id, Meter::restored(&meter.saved()).unwrap());
        }
        for (at, rule) in rules.iter().enumerate() {
            let rule = turned(*rule, world.now);
            let [was, is] = [&world, &restored].map(|world| {
                let meter = world.shelf.meters.get(&meter_id(at)).cloned().unwrap_or_default();
                meter.standing(&rule, world.now)
            });
            prop_assert_eq!((is.used, is.held), (was.used.plus(was.held), Amount::ZERO));
            prop_assert_eq!((is.left, is.resets_at), (was.left, was.resets_at));
        }
        world.open.clear();
        for step in &future {
            if let Step::Reserve(asks, stretch) = step {
                let charges = world.charges(asks, *stretch);
                let [was, is] = [&world, &restored].map(|w| decision(w, &charges));
                prop_assert_eq!(was, is);
            }
            world.play(step);
            restored.play(step);
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same(rules in rules(), history in history_with_rebooking(20)) {
        let mut world = World::new(rules);
        for step in &history {
            world.play(step);
        }
        for meter in world.shelf.meters.values() {
            let bytes = meter.saved();
            let again = Meter::restored(&bytes).unwrap();
            prop_assert_eq!(again.saved(), bytes.clone());
            prop_assert_eq!(again.ends_at(), meter.ends_at());
            let mut longer = bytes.clone();
            longer.push(0);
            prop_assert!(Meter::restored(&longer).is_err());
        }
    }

    #[test]
    fn no_bytes_are_read_as_what_they_do_not_say(
        kind in prop_oneof![Just(0x11_u8), Just(0x12), any::<u8>()],
        bytes in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let bytes = [vec![kind], bytes].concat();
        if let Ok(meter) = Meter::restored(&bytes) {
            let again = Meter::restored(&meter.saved()).unwrap();
            prop_assert_eq!(again, meter);
        }
    }
}

#[test]
fn bytes_that_are_no_meter_say_why() {
    let cases: [(&[u8], RestoreError); 6] = [
        (&[], RestoreError::Cut),
        (&[0x21, 0], RestoreError::Unknown { kind: 0x21 }),
        (&[0x11, 5, 5], RestoreError::Cut),
        (&[0x11, 5, 5, 5, 5], RestoreError::Trailing),
        (&[0x12, 1, 0x80], RestoreError::Cut),
        (
            &[0x12, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0],
            RestoreError::TooLarge,
        ),
    ];
    for (bytes, error) in cases {
        assert_eq!(Meter::restored(bytes), Err(error), "{bytes:02x?}");
    }
}

/// 10 a minute become 100 and then 10 again: nobody gets anything back by it.
#[test]
fn raising_and_lowering_a_limit_refills_nothing() {
    let rules = [
        Rule::Bucket { burst: amount(10), units: amount(10), period: span(60_000) },
        Rule::Sliding { most: amount(10), window: span(60_000) },
        Rule::Fixed { most: amount(10), window: span(60_000) },
    ];
    for small in rules {
        let large = of(small, amount(100));
        let mut world = World::new(vec![]);
        world.reserve(&firm(vec![exactly(0, small, 10)])).expect("it is empty");
        assert!(world.reserve(&firm(vec![exactly(0, large, 91)])).is_err(), "{small:?}");
        assert!(world.reserve(&firm(vec![exactly(0, large, 90)])).is_ok(), "{small:?}");
        assert!(world.reserve(&firm(vec![exactly(0, small, 1)])).is_err(), "{small:?}");
    }
}

fn decision(world: &World, charges: &Charges) -> Option<u64> {
    peek(&world.shelf, charges, world.now).ok().map(|(stretch, _)| stretch)
}

fn of(rule: Rule, most: Amount) -> Rule {
    match rule {
        Rule::AtOnce { lease, .. } => Rule::AtOnce { most, lease },
        Rule::Bucket { units, period, .. } => Rule::Bucket { burst: most, units, period },
        Rule::Calendar { turns, .. } => Rule::Calendar { most, turns },
        Rule::Fixed { window, .. } => Rule::Fixed { most, window },
        Rule::Sliding { window, .. } => Rule::Sliding { most, window },
        Rule::Total { idle, .. } => Rule::Total { most, idle },
    }
}
