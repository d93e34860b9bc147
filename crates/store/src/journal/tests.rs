//! The journal on a file that fails, and what the file says afterwards. No thread: the tests
//! say when it is time to write.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use tollgate_limits::{
    Charge, Charges, Demand, MeterId, ReservationId, Rule, Shelf as _, Stretch, reserve, settle,
};
use tollgate_units::{Amount, Span, Timestamp};

use super::*;

const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const MINUTE: Span = Span::from_secs(60);

/// A shelf, its scribe, and what the scribe reports.
struct Desk {
    shelf: Arc<Mutex<Shelf>>,
    scribe: Scribe,
    events: Receiver<JournalEvent>,
    hand: crate::ClockHand,
    clock: Clock,
    path: PathBuf,
}

impl Desk {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tollgate-journal-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        Self::at(directory.join("meters.db"))
    }

    fn at(path: PathBuf) -> Self {
        Self::with(path, |log| Syncer::of(log).unwrap())
    }

    fn with(path: PathBuf, syncer: impl Fn(&Path) -> Syncer) -> Self {
        let (clock, hand) = Clock::manual(START);
        let shelf = Arc::new(Mutex::new(Shelf::journaled()));
        let file = File::open(&path).unwrap();
        restore(&file, &clock, &shelf).unwrap();
        let syncer = syncer(&file.log());
        let (sender, events) = sync_channel(1000);
        let report = move |event| sender.send(event).unwrap();
        let scribe =
            Scribe::new((file, syncer), Arc::clone(&shelf), clock.clone(), Box::new(report));
        Self { shelf, scribe, events, hand, clock, path }
    }

    /// One unit used on each of these meters.
    fn spend(&self, meters: std::ops::Range<u64>, rule: Rule) {
        let mut all = lock(&self.shelf);
        for number in meters {
            let demand = Demand::exactly(Amount::ONE);
            let list = vec![Charge { meter: meter(number), rule, demand }];
            let charges = Charges::new(list, Stretch::exactly(0)).unwrap();
            let now = all.begin(&charges, self.clock.now());
            let id = ReservationId::new(number);
            let held = reserve(&mut *all, &charges, id, now).unwrap();
            settle(&mut *all, held.marks, &[Amount::ONE], now);
        }
    }

    fn told(&self) -> Vec<JournalEvent> {
        self.events.try_iter().collect()
    }

    fn rows(&self) -> usize {
        let connection = self.scribe.file().connection();
        let rows: i64 =
            connection.query_row("SELECT count(*) FROM meters", [], |row| row.get(0)).unwrap();
        usize::try_from(rows).unwrap()
    }

    /// Another life, from what the file says.
    fn again(self) -> Self {
        let path = self.path.clone();
        drop(self.scribe);
        Self::at(path)
    }

    fn used(&self, number: u64) -> bool {
        lock(&self.shelf).look(meter(number)).is_some()
    }

    fn clean_up(self) {
        std::fs::remove_dir_all(self.path.parent().unwrap()).unwrap();
    }
}

fn meter(number: u64) -> MeterId {
    MeterId::new(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
}

fn total() -> Rule {
    Rule::Total { most: Amount::new(1000), idle: MINUTE }
}

fn flushed(events: &[JournalEvent]) -> usize {
    let meters = |event: &JournalEvent| match event {
        JournalEvent::Flushed { meters, .. } => *meters,
        JournalEvent::Failed(_) | JournalEvent::Recovered => 0,
    };
    events.iter().map(meters).sum()
}

#[test]
fn a_meter_is_written_once_a_flush_and_only_when_it_changed() {
    let mut desk = Desk::new();
    for _ in 0..100 {
        desk.spend(0..10, total());
    }
    assert!(desk.scribe.tick());
    assert_eq!(flushed(&desk.told()), 10);
    assert!(desk.scribe.tick());
    assert_eq!(desk.told(), []);
    desk.spend(3..4, total());
    assert!(desk.scribe.tick());
    assert_eq!(flushed(&desk.told()), 1);
    assert_eq!(desk.rows(), 10);
    desk.clean_up();
}

#[test]
fn a_flush_takes_what_there_is_however_much_it_is() {
    let mut desk = Desk::new();
    let many = 2 * scribe::GROUP as u64 + 77;
    desk.spend(0..many, total());
    assert!(desk.scribe.tick());
    assert_eq!(flushed(&desk.told()) as u64, many);
    let desk = desk.again();
    assert!((0..many).all(|number| desk.used(number)));
    desk.clean_up();
}

#[test]
fn the_slots_of_at_once_limits_are_not_written() {
    let mut desk = Desk::new();
    desk.spend(0..10, Rule::AtOnce { most: Amount::ONE, lease: Span::MAX });
    assert!(desk.scribe.tick());
    assert_eq!((desk.told().len(), desk.rows()), (0, 0));
    desk.clean_up();
}

#[test]
fn a_full_disk_forgets_nothing_and_is_told_until_there_is_room() {
    let mut desk = Desk::new();
    desk.spend(0..10, total());
    assert!(desk.scribe.tick());
    assert_eq!(flushed(&desk.told()), 10);
    // The database may not grow by a page, as on a disk without room.
    let limit = |desk: &Desk, pages: i64| {
        let connection = desk.scribe.file().connection();
        let pragma = format!("PRAGMA max_page_count = {pages}");
        connection.query_row(&pragma, [], |row| row.get::<_, i64>(0)).unwrap();
    };
    limit(&desk, 1);
    desk.spend(5..3000, total());
    let before = lock(&desk.shelf).unwritten();
    for _ in 0..3 {
        assert!(!desk.scribe.tick());
        let told = desk.told();
        assert_eq!(told.len(), 1, "{told:?}");
        let JournalEvent::Failed(trouble) = &told[0] else { panic!("{told:?}") };
        assert_eq!(trouble.to_string(), "database or disk is full (write)");
        assert_eq!(lock(&desk.shelf).unwritten(), before, "all of it is still to be written");
    }
    assert!(desk.scribe.finish().is_err());
    desk.told();
    // Serving goes on, and meters that end meanwhile are no trouble.
    desk.spend(3000..3100, total());
    limit(&desk, 100_000);
    assert!(desk.scribe.tick());
    let told = desk.told();
    assert_eq!(told[0], JournalEvent::Recovered);
    assert_eq!(flushed(&told), 3095);
    let desk = desk.again();
    assert!((0..3100).all(|number| desk.used(number)));
    desk.clean_up();
}

#[test]
fn a_file_that_was_moved_away_is_told_when_it_is_to_be_synced() {
    let mut desk = Desk::new();
    desk.spend(0..10, total());
    let aside = desk.path.with_extension("aside");
    std::fs::rename(&desk.path, &aside).unwrap();
    let trouble = desk.scribe.finish().unwrap_err();
    assert_eq!(trouble.op, "find");
    assert!(trouble.message.ends_with("meters.db was moved, removed or replaced"), "{trouble}");
    assert_eq!(desk.told(), [JournalEvent::Failed(trouble)]);
    std::fs::rename(&aside, &desk.path).unwrap();
    desk.scribe.finish().unwrap();
    assert_eq!(desk.told()[0], JournalEvent::Recovered);
    let desk = desk.again();
    assert!((0..10).all(|number| desk.used(number)));
    desk.clean_up();
}

#[test]
fn recovery_is_told_once_the_file_takes_something_and_not_before() {
    let mut desk = Desk::new();
    let sql = |desk: &Desk, text| desk.scribe.file().connection().execute_batch(text).unwrap();
    sql(&desk, "PRAGMA query_only = ON");
    desk.spend(0..10, total());
    assert!(!desk.scribe.tick());
    // All of it ends, so that nothing is left to write.
    desk.hand.advance(MINUTE);
    lock(&desk.shelf).sweep(100, desk.clock.now());
    desk.told();
    assert_eq!(lock(&desk.shelf).unwritten(), 0);
    assert!(!desk.scribe.tick());
    assert!(matches!(desk.told()[..], [JournalEvent::Failed(_)]));
    sql(&desk, "PRAGMA query_only = OFF");
    assert!(desk.scribe.tick());
    assert_eq!(desk.told(), [JournalEvent::Recovered]);
    desk.clean_up();
}

#[test]
fn what_was_committed_is_synced_once_when_it_is_time() {
    let (begun, syncs) = sync_channel(10);
    let path = Desk::new().path;
    let mut desk = Desk::with(path, |_| {
        let begun = begun.clone();
        Syncer::start(move || begun.send(()).map_err(std::io::Error::other)).unwrap()
    });
    let later = Instant::now() + SYNC_EVERY;
    desk.scribe.sync_when_due(later).unwrap();
    desk.scribe.finish().unwrap();
    assert_eq!(syncs.try_iter().count(), 0, "nothing was committed");
    desk.spend(0..10, total());
    assert!(desk.scribe.tick());
    for due in [later, later + SYNC_EVERY] {
        desk.scribe.sync_when_due(due).unwrap();
    }
    // It waits for a sync under way, and asks for none with its own last commit.
    desk.scribe.finish().unwrap();
    assert_eq!(syncs.try_iter().count(), 1);
    desk.clean_up();
}

#[test]
fn after_a_sync_that_failed_everything_is_written_again() {
    let path = Desk::new().path;
    let broken = || Err(std::io::Error::other("the disk is gone"));
    let mut desk = Desk::with(path, |_| Syncer::start(broken).unwrap());
    desk.spend(0..10, total());
    assert!(desk.scribe.tick());
    desk.spend(10..12, total());
    assert!(desk.scribe.tick());
    desk.told();
    desk.scribe.sync_when_due(Instant::now() + SYNC_EVERY).unwrap();
    desk.scribe.finish().unwrap();
    let told = desk.told();
    assert!(matches!(&told[0], JournalEvent::Failed(trouble) if trouble.op == "sync"), "{told:?}");
    assert_eq!(told[1], JournalEvent::Recovered);
    assert_eq!(flushed(&told), 12);
    desk.clean_up();
}

#[test]
fn once_everything_has_ended_neither_meters_nor_rows_are_left() {
    let mut desk = Desk::new();
    desk.spend(0..5000, total());
    assert!(desk.scribe.tick());
    assert_eq!(desk.rows(), 5000);
    desk.hand.advance(MINUTE);
    for _ in 0..30 {
        assert!(desk.scribe.tick());
    }
    assert_eq!((lock(&desk.shelf).len(), desk.rows()), (0, 0));
    desk.clean_up();
}

#[test]
fn a_meter_that_came_back_before_its_row_was_removed_has_one_row() {
    let mut desk = Desk::new();
    desk.spend(0..10, total());
    assert!(desk.scribe.tick());
    desk.hand.advance(MINUTE);
    lock(&desk.shelf).sweep(100, desk.clock.now());
    desk.spend(3..5, total());
    assert!(desk.scribe.tick());
    assert_eq!(desk.rows(), 2);
    // And its row goes with it.
    desk.hand.advance(MINUTE);
    lock(&desk.shelf).sweep(100, desk.clock.now());
    assert!(desk.scribe.tick());
    assert_eq!(desk.rows(), 0);
    desk.clean_up();
}

#[test]
fn the_file_knows_what_the_clock_said() {
    let mut desk = Desk::new();
    desk.spend(0..1, total());
    desk.hand.advance(Span::from_secs(7));
    assert!(desk.scribe.tick());
    let reading = desk.scribe.file().last_reading().unwrap();
    assert_eq!(reading, Some(START.plus(Span::from_secs(7))));
    desk.clean_up();
}
