//! Where meters live: memory, journaled to SQLite; and the clock.
//!
//! ```text
//! answers      answers that were given before, to be given again
//! clock        what time it is: never back, across restarts
//! shelf        cells, their index, what changed, what has ended
//! memory       one lock over the shelf: reserve, rebook, settle
//! reservation  what one request holds, as a value that ends exactly once
//! journal      what is counted, on disk, off the hot path
//! owners       what providers store at their accounts, and whose each of it is
//! registry     what operators change while the gateway runs: keys, raises, who did what
//! ```
//!
//! The decisions are those of `tollgate-limits`; this crate says where the state is, when it is,
//! and that it is still there after a crash.

mod answers;
mod clock;
mod database;
mod journal;
mod memory;
mod owners;
mod registry;
mod reservation;
mod scribe;
mod shelf;

pub use answers::{ANSWER_BYTES_MAX, AnswerBounds, AnswerKey, Answers, Found, Kept, STALE_TIMES};
pub use clock::{AHEAD_MAX, Clock, ClockHand, LOOK_EVERY};
pub use journal::{
    CloseError, FLUSH_EVERY, JournalEvent, OpenError, RETRY_AFTER_MAX, SYNC_EVERY, Trouble,
};
pub use memory::Memory;
pub use owners::{Owners, PENDING_MAX};
pub use registry::{Audited, Change, Entry, IssuedKey, Raise, Registry};
pub use reservation::Reservation;
