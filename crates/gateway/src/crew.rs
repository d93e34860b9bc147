//! A few threads of low priority for work that burns a processor, such as counting a long prompt.
//!
//! On a request thread such work would hold up every other request of that thread. Tokio's
//! blocking pool is the wrong place too: hundreds of threads, each as important as the request
//! threads, so that one caller's megabyte slows everybody. Here the threads are few, the line
//! before them is bounded (who finds it full is told so at once and can use a bound instead of a
//! count), and the scheduler prefers everybody else.
//! When this is wrong: work shorter than about 50 µs costs more to hand over than to do.

use std::{
    error::Error,
    fmt, io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use tokio::sync::oneshot;

/// Threads that do what is handed to them, in order. They end when the crew is dropped.
#[derive(Debug)]
pub struct Crew {
    jobs: SyncSender<Job>,
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
    /// Starts `size` threads, before which at most `backlog_max` jobs wait.
    ///
    /// # Errors
    ///
    /// The system would not start a thread.
    pub fn start(size: NonZeroUsize, backlog_max: NonZeroUsize) -> io::Result<Self> {
        let (jobs, line) = sync_channel(backlog_max.get());
        let line = Arc::new(Mutex::new(line));
        for number in 0..size.get() {
            let line = Arc::clone(&line);
            thread::Builder::new().name(format!("crew-{number}")).spawn(move || serve(&line))?;
        }
        Ok(Self { jobs })
    }

    /// How many threads suit this machine: one below four processors, else two.
    ///
    /// More would not help: what the crew does is rare, and its threads must not crowd the others.
    pub fn size_for_machine() -> NonZeroUsize {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        if processors < 4 { NonZeroUsize::MIN } else { NonZeroUsize::MIN.saturating_add(1) }
    }

    /// Hands over `work` at once; the future brings its result. Dropping the future abandons the
    /// work: what was not begun is skipped.
    ///
    /// # Errors
    ///
    /// The line was full, or the work panicked.
    pub fn run<T, W>(
        &self,
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
        let taken = self.jobs.try_send(job);
        async move {
            taken.map_err(|_full| CrewError::Busy)?;
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

type Job = Box<dyn FnOnce() + Send>;

fn serve(line: &Mutex<Receiver<Job>>) {
    step_back();
    loop {
        // The lock is held while waiting for a job, which is what makes the others wait behind.
        // Nothing panics under it; if something did, a receiver has no half-way state.
        let next = line.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

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
    use super::*;

    fn crew(backlog_max: usize) -> Crew {
        Crew::start(NonZeroUsize::MIN, NonZeroUsize::new(backlog_max).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn work_is_done_and_its_result_comes_back() {
        let crew = crew(8);
        assert_eq!(crew.run(|| 6 * 7).await, Ok(42));
    }

    #[tokio::test]
    async fn a_full_line_is_told_at_once() {
        let crew = crew(1);
        let (go, wait) = sync_channel::<()>(1);
        let (tell, begun) = sync_channel(1);
        let running = crew.run(move || {
            tell.send(()).unwrap();
            wait.recv().unwrap();
        });
        begun.recv().unwrap();
        let waiting = crew.run(|| "waited");
        assert_eq!(crew.run(|| "refused").await, Err(CrewError::Busy));
        go.send(()).unwrap();
        assert_eq!(running.await, Ok(()));
        assert_eq!(waiting.await, Ok("waited"));
    }

    #[tokio::test]
    async fn abandoned_work_that_was_not_begun_is_skipped() {
        let crew = crew(8);
        let (go, wait) = sync_channel::<()>(1);
        let blocker = crew.run(move || wait.recv().unwrap());
        let (tell, told) = sync_channel(1);
        drop(crew.run(move || tell.send("begun").unwrap()));
        go.send(()).unwrap();
        blocker.await.unwrap();
        // Jobs are done in order: when this one is done, the abandoned one was passed over.
        crew.run(|| ()).await.unwrap();
        assert!(told.recv().is_err());
    }

    #[tokio::test]
    async fn a_panic_costs_the_result_and_not_the_thread() {
        let crew = crew(8);
        let unlucky: Result<(), _> = crew.run(|| panic!("on purpose")).await;
        assert_eq!(unlucky, Err(CrewError::Panicked));
        assert_eq!(crew.run(|| 1).await, Ok(1));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_threads_of_the_crew_are_nicer_than_this_one() {
        let nice_of_thread = || {
            let me = rustix::thread::gettid();
            rustix::process::getpriority_process(Some(me)).unwrap()
        };
        let mine = nice_of_thread();
        let theirs = crew(1).run(nice_of_thread).await.unwrap();
        assert_eq!(theirs, mine.max(NICENESS), "mine is {mine}");
    }
}
