//! A small world to play histories in: a shelf, a clock, four meters, what is held and a log.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tollgate_limits::{
    Books, Charge, Charges, Demand, Denied, Held, Marks, Meter, MeterId, ReservationId, Rule,
    Settlement, Shelf, Stretch, reserve, settle, void,
};
use tollgate_units::{Amount, Span, Timestamp};

/// The civil turns of this world: "days" of 230, 240 and 250 ms, like those of 23 to 25 hours.
const DAYS: [u64; 6] = [240, 230, 240, 250, 240, 240];

/// Meters in a map, and nothing else.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Meters {
    pub(crate) meters: BTreeMap<MeterId, Meter>,
    pub(crate) books: Books,
}

impl Shelf for Meters {
    fn look(&self, id: MeterId) -> Option<&Meter> {
        self.meters.get(&id)
    }

    fn touch(&mut self, id: MeterId, _rule: &Rule) -> &mut Meter {
        self.meters.entry(id).or_default()
    }

    fn books(&mut self) -> &mut Books {
        &mut self.books
    }
}

impl Meters {
    /// Throws away every meter that says nothing any more.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        self.meters.retain(|_, meter| meter.ends_at() > now);
    }
}

/// What happens next.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Pass(u64),
    Rebook(usize, Vec<Ask>, Stretch),
    Reserve(Vec<Ask>, Stretch),
    Settle(usize, Vec<u64>),
    Void(usize),
}

/// A demand on one of the four meters.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) meter: usize,
    pub(crate) demand: Demand,
}

/// One reservation that has not ended.
pub(crate) struct Open {
    pub(crate) number: u64,
    pub(crate) marks: Marks,
    pub(crate) charges: Charges,
}

/// What is charged to a meter at one time by one reservation: as reserved, and as settled.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) meter: MeterId,
    pub(crate) number: u64,
    pub(crate) at: u64,
    pub(crate) reserved: u64,
    pub(crate) settled: u64,
    /// At-once charges end when they settle.
    pub(crate) live: bool,
    /// Debt of a stream so long that the turns it knew have passed: its day is a guess.
    pub(crate) stale: bool,
}

pub(crate) struct World {
    pub(crate) rules: Vec<Rule>,
    pub(crate) shelf: Meters,
    pub(crate) now: Timestamp,
    pub(crate) open: Vec<Open>,
    pub(crate) log: Vec<Entry>,
    pub(crate) numbers: u64,
}

impl World {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self {
            rules,
            shelf: Meters::default(),
            now: ms(10_000),
            open: Vec::new(),
            log: Vec::new(),
            numbers: 0,
        }
    }

    /// The charges of these asks as policy would make them now: a meter asked twice, once.
    pub(crate) fn charges(&self, asks: &[Ask], stretch: Stretch) -> Charges {
        let mut list: Vec<Charge> = Vec::new();
        for ask in asks {
            let meter = meter_id(ask.meter);
            let Some(rule) = self.rules.get(ask.meter) else {
                continue;
            };
            if list.iter().all(|charge| charge.meter != meter) {
                // What a meter counts is in its identity: one that counts afterwards always does.
                let demand =
                    if ask.meter == AFTERWARDS { Demand::afterwards() } else { ask.demand };
                list.push(Charge { meter, rule: turned(*rule, self.now), demand });
            }
        }
        let Ok(charges) = Charges::new(list, stretch) else { unreachable!("meters are unique") };
        charges
    }

    pub(crate) fn reserve(&mut self, charges: &Charges) -> Result<u64, Denied> {
        self.numbers += 1;
        let id = ReservationId::new(self.numbers);
        let Held { marks, stretch, .. } = reserve(&mut self.shelf, charges, id, self.now)?;
        for (position, charge) in charges.iter().enumerate() {
            let amount = marks.reserved(position).get();
            assert_eq!(amount, charge.demand.at(stretch).get());
            self.log.push(self.entry(charge.meter, self.numbers, amount));
        }
        self.open.push(Open { number: self.numbers, marks, charges: charges.clone() });
        Ok(stretch)
    }

    /// Settles by `used`, where there is a number for a position, else as reserved.
    pub(crate) fn settle(&mut self, which: usize, used: &[u64]) -> Option<Settlement> {
        let open = self.close(which)?;
        let used: Vec<Amount> = (0..open.marks.len())
            .map(|at| used.get(at).map_or(open.marks.reserved(at), |&used| Amount::new(used)))
            .collect();
        for (charge, used) in open.charges.iter().zip(&used) {
            self.ends(open.number, charge, used.get());
        }
        Some(settle(&mut self.shelf, open.marks, &used, self.now))
    }

    pub(crate) fn void(&mut self, which: usize) -> Option<Settlement> {
        let open = self.close(which)?;
        for charge in &open.charges {
            self.ends(open.number, charge, 0);
        }
        Some(void(&mut self.shelf, open.marks, self.now))
    }

    /// Plays one step without looking at what it says.
    pub(crate) fn play(&mut self, step: &Step) {
        match step {
            Step::Pass(millis) => self.pass(*millis),
            Step::Rebook(which, asks, stretch) => {
                let charges = self.charges(asks, *stretch);
                if let Some(open) = pick(&mut self.open, *which) {
                    let (marks, now) = (&mut open.marks, self.now);
                    if tollgate_limits::rebook(&mut self.shelf, marks, &charges, now).is_ok() {
                        open.charges = charges;
                    }
                }
            }
            Step::Reserve(asks, stretch) => {
                let charges = self.charges(asks, *stretch);
                drop(self.reserve(&charges));
            }
            Step::Settle(which, used) => drop(self.settle(*which, used)),
            Step::Void(which) => drop(self.void(*which)),
        }
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.now = self.now.plus(Span::from_millis(millis));
    }

    fn close(&mut self, which: usize) -> Option<Open> {
        if self.open.is_empty() {
            return None;
        }
        Some(self.open.swap_remove(which % self.open.len()))
    }

    fn ends(&mut self, number: u64, charge: &Charge, used: u64) {
        let Some(entry) =
            self.log.iter_mut().find(|e| e.number == number && e.meter == charge.meter)
        else {
            return;
        };
        entry.live = false;
        if matches!(charge.rule, Rule::AtOnce { .. }) {
            return;
        }
        entry.settled = used.min(entry.reserved);
        let debt = used.saturating_sub(entry.reserved);
        if debt > 0 {
            let stale = matches!(charge.rule, Rule::Calendar { turns, .. } if turns[2] <= self.now);
            self.log.push(Entry { stale, ..self.entry(charge.meter, 0, debt) });
        }
    }

    fn entry(&self, meter: MeterId, number: u64, amount: u64) -> Entry {
        let at = self.now.as_millis();
        Entry { meter, number, at, reserved: amount, settled: amount, live: true, stale: false }
    }
}

pub(crate) fn pick<T>(list: &mut [T], which: usize) -> Option<&mut T> {
    let at = which.checked_rem(list.len())?;
    list.get_mut(at)
}

pub(crate) fn ms(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn span(millis: u64) -> Span {
    Span::from_millis(millis)
}

pub(crate) fn amount(units: u64) -> Amount {
    Amount::new(units)
}

pub(crate) fn meter_id(number: usize) -> MeterId {
    MeterId::new(number as u128)
}

/// One charge of a fixed amount.
pub(crate) fn exactly(number: usize, rule: Rule, units: u64) -> Charge {
    Charge { meter: meter_id(number), rule, demand: Demand::exactly(amount(units)) }
}

/// Charges that do not bend.
pub(crate) fn firm(list: Vec<Charge>) -> Charges {
    let Ok(charges) = Charges::new(list, Stretch::exactly(0)) else {
        unreachable!("meters are unique")
    };
    charges
}

/// The rule as policy would hand it over now: with the turns around `now`.
pub(crate) fn turned(rule: Rule, now: Timestamp) -> Rule {
    match rule {
        Rule::Calendar { most, .. } => Rule::Calendar { most, turns: turns(now) },
        Rule::AtOnce { .. }
        | Rule::Bucket { .. }
        | Rule::Fixed { .. }
        | Rule::Sliding { .. }
        | Rule::Total { .. } => rule,
    }
}

/// The start and the end of the day of `now`, and the end of the next.
pub(crate) fn turns(now: Timestamp) -> [Timestamp; 3] {
    let mut edges = DAYS.iter().cycle().scan(0, |edge, day| {
        let start = *edge;
        *edge += day;
        Some(start)
    });
    let mut window = [0, 0, 0];
    while window[1] <= now.as_millis() {
        let Some(edge) = edges.next() else { unreachable!("days go on for ever") };
        window = [window[1], window[2], edge];
    }
    window.map(ms)
}

/// Any rule, small enough to be full often.
pub(crate) fn any_rule() -> impl Strategy<Value = Rule> {
    let most = || (0_u64..40).prop_map(Amount::new);
    let window = || (1_u64..400).prop_map(Span::from_millis);
    prop_oneof![
        most().prop_map(|most| Rule::AtOnce { most, lease: Span::MAX }),
        (most(), 0_u64..9, window()).prop_map(|(burst, units, period)| Rule::Bucket {
            burst,
            units: amount(units),
            period
        }),
        most().prop_map(|most| Rule::Calendar { most, turns: [Timestamp::EPOCH; 3] }),
        (most(), window()).prop_map(|(most, window)| Rule::Fixed { most, window }),
        (most(), window()).prop_map(|(most, window)| Rule::Sliding { most, window }),
        (most(), window()).prop_map(|(most, idle)| Rule::Total { most, idle }),
    ]
}

pub(crate) fn rules() -> impl Strategy<Value = Vec<Rule>> {
    prop::collection::vec(any_rule(), 4)
}

/// The meter of what is known only when it has been used.
const AFTERWARDS: usize = 2;

pub(crate) fn demand(fixed: u128, each: u128, per: u32) -> Demand {
    Demand { fixed, each, per, room: Amount::ZERO }
}

pub(crate) fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let demand = prop_oneof![
        (0_u64..12).prop_map(|units| Demand::exactly(amount(units))),
        (0_u128..8, 0_u128..4).prop_map(|(fixed, each)| demand(fixed, each, 1)),
        (0_u128..50, 0_u128..20).prop_map(|(fixed, each)| demand(fixed, each, 7)),
    ];
    let ask = (0_usize..4, demand).prop_map(|(meter, demand)| Ask { meter, demand });
    prop::collection::vec(ask, 1..5)
}

pub(crate) fn stretch() -> impl Strategy<Value = Stretch> {
    (0_u64..4, 0_u64..20).prop_map(|(least, more)| Stretch { least, most: least + more })
}

/// A step; `used` up to `used_max` may be more than was reserved.
pub(crate) fn step(used_max: u64) -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![0_u64..12, 0_u64..150, Just(1)].prop_map(Step::Pass),
        6 => (asks(), stretch()).prop_map(|(asks, stretch)| Step::Reserve(asks, stretch)),
        3 => (0_usize..8, prop::collection::vec(0..=used_max, 0..5))
            .prop_map(|(which, used)| Step::Settle(which, used)),
        1 => (0_usize..8).prop_map(Step::Void),
    ]
}

/// A step, or the rebooking of what is open.
pub(crate) fn step_or_rebook(used_max: u64) -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => step(used_max),
        1 => (0_usize..8, asks(), stretch())
            .prop_map(|(which, asks, stretch)| Step::Rebook(which, asks, stretch)),
    ]
}

pub(crate) fn history(used_max: u64) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(used_max), 1..80)
}

pub(crate) fn history_with_rebooking(used_max: u64) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step_or_rebook(used_max), 1..80)
}

/// So many cases; a failing one is printed whole, so nothing needs to be remembered in files.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
