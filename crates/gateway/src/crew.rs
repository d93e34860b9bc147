//! A few threads of low priority for work that burns a processor, such as counting a long prompt.
//!
//! On a request thread such work would hold up every other request of that thread. Tokio's
//! blocking pool is the wrong place too: hundreds of threads, each as important as the request
//! threads, so that one caller's megabyte slows everybody. Here the threads are few, the lines
//! before them are bounded (who finds one full is told so at once), and the scheduler prefers
//! everybody else.
//!
//! Twenty bodies of 25 MB are half a minute of work, and whoever sends them must not hold up those
//! who send a page. So work is taken by when it would be due if each megabyte took a second, some
//! twenty times as long as it does: short work overtakes long work that came up to that much
//! earlier, and nothing waits for ever. And one thread takes short work only, because what has
//! begun cannot be overtaken.
//! When this is wrong: work shorter than about 50 µs costs more to hand over than to do.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    error::Error,
    fmt, io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

/// Threads that do what is handed to them, roughly in order. They end when the crew is dropped.
#[derive(Debug)]
pub struct Crew {
    lines: Arc<Lines>,
}

/// Why the crew brings no result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CrewError {
    /// Its line is full: it was not even begun.
    Busy,
    /// The work panicked. The thread lives on.
    Panicked,
}

impl Crew {
    /// Starts `size` threads for everything and one for short work, before which at most
    /// `backlog_max` jobs wait, of short work and of long work each.
    ///
    /// # Errors
    ///
    /// The system would not start a thread.
    pub fn start(size: NonZeroUsize, backlog_max: NonZeroUsize) -> io::Result<Self> {
        let lines = Arc::new(Lines::new(backlog_max.get()));
        // Made first, so that threads which were started end if a later one is not.
        let crew = Self { lines: Arc::clone(&lines) };
        for number in 0..=size.get() {
            let lines = Arc::clone(&lines);
            let takes_long = number > 0;
            let thread = thread::Builder::new().name(format!("crew-{number}"));
            thread.spawn(move || serve(&lines, takes_long))?;
        }
        Ok(crew)
    }

    /// How many threads for everything suit this machine: one below four processors, else two.
    ///
    /// More would not help: what the crew does is rare, and its threads must not crowd the others.
    pub fn size_for_machine() -> NonZeroUsize {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        if processors < 4 { NonZeroUsize::MIN } else { NonZeroUsize::MIN.saturating_add(1) }
    }

    /// Hands over `work` on `bytes` bytes at once; the future brings its result. Dropping it gives
    /// the work up: what was not begun is skipped.
    ///
    /// # Errors
    ///
    /// The line was full, or the work panicked.
    pub fn run<T, W>(
        &self,
        bytes: usize,
        work: W,
    ) -> impl Future<Output = Result<T, CrewError>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move || {
            if tell.is_closed() {
                return;
            }
            // On a panic `tell` is dropped unused, which is how the caller learns of it. `work`
            // owns what it touches, so nothing half-changed is seen by anybody afterwards.
            if let Ok(result) = catch_unwind(AssertUnwindSafe(work)) {
                // Nobody listens any more: the work was for nothing, and nothing is owed.
                let _ = tell.send(result);
            }
        });
        let taken = self.lines.join(bytes, job);
        async move {
            taken?;
            told.await.map_err(|_dropped| CrewError::Panicked)
        }
    }
}

impl fmt::Display for CrewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "every thread for long work is busy and the line before them is full",
            Self::Panicked => "the work panicked",
        })
    }
}

impl Error for CrewError {}

impl Drop for Crew {
    fn drop(&mut self) {
        self.lines.lock().is_closed = true;
        self.lines.came.notify_all();
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The lines before the threads.
#[derive(Debug)]
struct Lines {
    waiting: Mutex<Waiting>,
    came: Condvar,
    most: usize,
    begun: Instant,
}

#[derive(Debug, Default)]
struct Waiting {
    short: BinaryHeap<Reverse<Waiter>>,
    long: BinaryHeap<Reverse<Waiter>>,
    is_closed: bool,
    joined: u64,
}

/// A job in line.
struct Waiter {
    due: Duration,
    /// Of two that are due together, the first to come goes first.
    number: u64,
    job: Job,
}

impl Lines {
    fn new(most: usize) -> Self {
        let begun = Instant::now();
        Self { waiting: Mutex::default(), came: Condvar::new(), most, begun }
    }

    fn join(&self, bytes: usize, job: Job) -> Result<(), CrewError> {
        let mut waiting = self.lock();
        let number = waiting.joined;
        let line = if bytes <= SHORT_BYTES_MAX { &mut waiting.short } else { &mut waiting.long };
        if line.len() >= self.most {
            return Err(CrewError::Busy);
        }
        let pace = Duration::from_micros(u64::try_from(bytes).unwrap_or(u64::MAX));
        line.push(Reverse(Waiter { due: self.begun.elapsed().saturating_add(pace), number, job }));
        waiting.joined += 1;
        drop(waiting);
        // All, because the one that would be woken may not take this kind.
        self.came.notify_all();
        Ok(())
    }

    /// The next job, once there is one; nothing once the crew is gone.
    fn next(&self, takes_long: bool) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = waiting.take(takes_long) {
                return Some(job);
            }
            if waiting.is_closed {
                return None;
            }
            waiting = self.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing panics under this lock; if something did, the heaps would be whole.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self, takes_long: bool) -> Option<Job> {
        let is_long_first = match (self.short.peek(), self.long.peek()) {
            (Some(short), Some(long)) => long.0.cmp(&short.0) == Ordering::Less,
            (short, _) => short.is_none(),
        };
        let line = if takes_long && is_long_first { &mut self.long } else { &mut self.short };
        line.pop().map(|Reverse(waiter)| waiter.job)
    }
}

impl Ord for Waiter {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiter {}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("due", &self.due).finish_non_exhaustive()
    }
}

fn serve(lines: &Lines, takes_long: bool) {
    step_back();
    while let Some(job) = lines.next(takes_long) {
        job();
    }
}

/// Work on this much has a thread that nothing longer holds up: some 50 ms.
const SHORT_BYTES_MAX: usize = 1024 * 1024;

/// Lets the scheduler prefer every other thread of the process. On Linux a nice value belongs to
/// the thread; elsewhere it belongs to the process and is left alone.
fn step_back() {
    #[cfg(target_os = "linux")]
    {
        let me = rustix::thread::gettid();
        if let Err(error) = rustix::process::setpriority_process(Some(me), NICENESS) {
            // Refused by a sandbox, or the process is already nicer: slower for others, not wrong.
            tracing::debug!(%error, "a crew thread keeps its priority");
        }
    }
}

/// A tenth of the processor against one busy thread of normal priority.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{SyncSender, sync_channel};

    use super::*;

    /// One more byte than short work has: only one thread takes it.
    const LONG: usize = SHORT_BYTES_MAX + 1;

    fn crew(backlog_max: usize) -> Crew {
        Crew::start(NonZeroUsize::MIN, NonZeroUsize::new(backlog_max).unwrap()).unwrap()
    }

    /// Holds up the thread that takes `bytes`, until something is sent.
    fn hold_up(
        crew: &Crew,
        bytes: usize,
    ) -> (SyncSender<()>, impl Future<Output = Result<(), CrewError>> + use<>) {
        let (go, wait) = sync_channel::<()>(1);
        let (tell, begun) = sync_channel(1);
        let running = crew.run(bytes, move || {
            tell.send(()).unwrap();
            wait.recv().unwrap();
        });
        begun.recv().unwrap();
        (go, running)
    }

    #[tokio::test]
    async fn work_is_done_and_its_result_comes_back() {
        let crew = crew(8);
        assert_eq!(crew.run(LONG, || 6 * 7).await, Ok(42));
        assert_eq!(crew.run(1, || 6 * 7).await, Ok(42));
    }

    #[tokio::test]
    async fn a_full_line_is_told_at_once_and_holds_up_no_short_work() {
        let crew = crew(1);
        let (go, running) = hold_up(&crew, LONG);
        let waiting = crew.run(LONG, || "waited");
        assert_eq!(crew.run(LONG, || "refused").await, Err(CrewError::Busy));
        assert_eq!(crew.run(1, || "short").await, Ok("short"));
        go.send(()).unwrap();
        assert_eq!(running.await, Ok(()));
        assert_eq!(waiting.await, Ok("waited"));
    }

    #[tokio::test]
    async fn short_work_overtakes_long_work_and_a_wait_ends() {
        let lines = Lines::new(8);
        let (tell, told) = sync_channel(8);
        let megabytes = |count: usize| count * 1024 * 1024;
        for (bytes, name) in [(megabytes(25), "long"), (megabytes(2), "middling"), (90, "short")] {
            let tell = tell.clone();
            lines.join(bytes, Box::new(move || tell.send(name).unwrap())).unwrap();
        }
        while let Some(job) = lines.lock().take(true) {
            job();
        }
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["short", "middling", "long"]);
        // What came a minute ago is due before anything that comes now.
        let now = Instant::now();
        let early = Lines { begun: now.checked_sub(Duration::from_mins(1)).unwrap(), ..lines };
        let waiter = |due, number| Waiter { due, number, job: Box::new(|| ()) };
        let old = waiter(Duration::from_secs(25), 0);
        let fresh = waiter(early.begun.elapsed(), 1);
        assert!(old < fresh);
    }

    #[tokio::test]
    async fn abandoned_work_that_was_not_begun_is_skipped() {
        let crew = crew(8);
        let (go, blocker) = hold_up(&crew, LONG);
        let (tell, told) = sync_channel(1);
        drop(crew.run(LONG, move || tell.send("begun").unwrap()));
        go.send(()).unwrap();
        blocker.await.unwrap();
        // Equal jobs are done in order: when this one is done, the abandoned one was passed over.
        crew.run(LONG, || ()).await.unwrap();
        assert!(told.recv().is_err());
    }

    #[tokio::test]
    async fn a_panic_costs_the_result_and_not_the_thread() {
        let crew = crew(8);
        let unlucky: Result<(), _> = crew.run(LONG, || panic!("on purpose")).await;
        assert_eq!(unlucky, Err(CrewError::Panicked));
        assert_eq!(crew.run(LONG, || 1).await, Ok(1));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_threads_of_the_crew_are_nicer_than_this_one() {
        let nice_of_thread = || {
            let me = rustix::thread::gettid();
            rustix::process::getpriority_process(Some(me)).unwrap()
        };
        let mine = nice_of_thread();
        let theirs = crew(1).run(1, nice_of_thread).await.unwrap();
        assert_eq!(theirs, mine.max(NICENESS), "mine is {mine}");
    }
}
