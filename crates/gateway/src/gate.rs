//! The gateway, built from its parts: what all requests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tollgate_policy::{CacheSettings, Moment, Options, Policy, RoutingSettings};
use tollgate_store::{Answers, Clock, Memory, Owners};
use tollgate_units::{Amount, Span};
use tollgate_wire::Notice;

use crate::alerts::{Alerts, Webhook};
use crate::background::Works;
use crate::crew::Crew;
use crate::issued::Issued;
use crate::issuers::Issuers;
use crate::room::Room;
use crate::routes::Routes;
use crate::runaway::Runaways;
use crate::saved::Saved;
use crate::scales::Scales;
use crate::server::Draining;
use crate::sessions::Sessions;
use crate::shadow::Shadow;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::totals::{Sums, Totals};
use crate::upstream::Upstreams;

/// What the gateway is built from.
#[derive(Debug)]
pub struct Parts {
    /// What is in force at first.
    pub live: Live,
    /// Where the meters are.
    pub meters: Arc<Memory>,
    /// Keys and raises that were given while a gateway ran.
    pub issued: Issued,
    /// What is counted for operators.
    pub metrics: Arc<Metrics>,
    /// Whose it is, what providers store.
    pub owners: Owners,
    /// Where work goes on that no caller waits for.
    pub tasks: Tasks,
    /// Answers that are kept, to be given again, where some are.
    pub answers: Option<Answers>,
    /// The threads that count big prompts.
    pub crew: Crew,
    /// A policy that is only watched.
    pub shadow: Option<Shadow>,
    /// Whether the listener is on loopback, where a foreign `Host` is refused.
    pub loopback: bool,
    /// Whether the gateway is on its way down.
    pub draining: Draining,
    /// Unpredictable bits: the beginning of request ids and of jitter.
    pub seed: u64,
}

/// What the configuration says, made ready: replaced whole, or not at all. A request keeps what was
/// in force when it came.
#[derive(Debug)]
pub struct Live {
    /// Who may do what.
    pub policy: Arc<Policy>,
    /// Whose JWTs are believed. What is remembered of them is remembered for this policy.
    pub issuers: Issuers,
    /// The accounts, in the policy's order of providers.
    pub upstreams: Upstreams,
    /// Bounds of time and size.
    pub bounds: Bounds,
    /// Where alerts go besides the log.
    pub webhook: Option<Arc<Webhook>>,
    /// How requests are tried again, and when a route is left alone.
    pub routing: RoutingSettings,
    /// Which answers are kept, to be given again.
    pub cache: Option<CacheSettings>,
}

/// Bounds of time and size on the way of a request.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The longest body, in bytes.
    pub body_bytes_max: u64,
    /// How long a caller may take to send its body.
    pub body: Span,
    /// How long a provider may take to begin its answer.
    pub first_byte: Span,
    /// How long a provider may be silent within its answer.
    pub idle: Span,
}

/// The data plane.
#[derive(Debug)]
pub struct Gateway {
    live: ArcSwap<Live>,
    pub(crate) alerts: Alerts,
    pub(crate) answers: Option<Arc<Answers>>,
    pub(crate) meters: Arc<Memory>,
    issued: Issued,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) owners: Arc<Owners>,
    pub(crate) tasks: Tasks,
    pub(crate) scales: Scales,
    pub(crate) room: Room,
    pub(crate) routes: Routes,
    pub(crate) runaways: Runaways,
    pub(crate) saved: Saved,
    pub(crate) sessions: Sessions,
    pub(crate) shadow: Option<Shadow>,
    pub(crate) sums: Sums,
    pub(crate) works: Works,
    pub(crate) loopback: bool,
    draining: Draining,
    seed: u64,
    requests: AtomicU64,
    rolls: AtomicU64,
}

impl Gateway {
    /// The gateway made of `parts`.
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            routes: Routes::new(parts.live.routing),
            live: ArcSwap::from_pointee(parts.live),
            alerts: Alerts::default(),
            answers: parts.answers.map(Arc::new),
            meters: parts.meters,
            issued: parts.issued,
            metrics: parts.metrics,
            owners: Arc::new(parts.owners),
            tasks: parts.tasks,
            scales: Scales::new(parts.crew),
            room: Room::default(),
            runaways: Runaways::default(),
            saved: Saved::default(),
            sessions: Sessions::default(),
            shadow: parts.shadow,
            sums: Sums::default(),
            works: Works::default(),
            loopback: parts.loopback,
            draining: parts.draining,
            seed: parts.seed,
            requests: AtomicU64::new(0),
            rolls: AtomicU64::new(0),
        })
    }

    /// What is in force.
    pub fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Puts `live` in force for the requests that come from now on, and says what was before.
    /// Meters stay as they are.
    pub fn replace(&self, live: Live) -> Arc<Live> {
        self.routes.reconfigure(live.routing);
        for account in self.live().upstreams.changed(&live.upstreams) {
            self.routes.forget(account);
            self.alerts.forget_account(account, live.webhook.as_ref(), self.clock().now());
        }
        self.live.swap(Arc::new(live))
    }

    /// What was told of the mark of a meter may be told again: its limit was raised, or it was
    /// reset.
    pub fn mark_anew(&self, meter: tollgate_limits::MeterId) {
        self.alerts.forget(meter.get());
    }

    /// The store cannot write down what is used, for this reason; nothing once it writes again.
    pub fn store_in_trouble(&self, why: Option<&str>) {
        self.alerts.store(why, self.live().webhook.as_ref(), self.clock().now());
    }

    /// The policy that is only watched.
    pub const fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
    }

    /// The meters.
    pub const fn meters(&self) -> &Arc<Memory> {
        &self.meters
    }

    /// Keys and raises that are given while it runs.
    pub const fn issued(&self) -> &Issued {
        &self.issued
    }

    /// The answers that are kept, to be given again, where some are.
    pub fn answers(&self) -> Option<&Answers> {
        self.answers.as_deref()
    }

    /// Whose it is, what providers store.
    pub fn owners(&self) -> &Owners {
        &self.owners
    }

    /// What is counted for operators.
    pub const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The clock that decisions are made by.
    pub fn clock(&self) -> &Clock {
        self.meters.clock()
    }

    /// The metrics as text, with the books as they stand now.
    pub fn render_metrics(&self) -> String {
        self.measure_routes();
        self.metrics.stands(self.meters.books().held_count, self.meters.meters());
        self.metrics.render()
    }

    /// What went through the gate in all, since the start.
    pub fn totals(&self) -> Totals {
        self.sums.now()
    }

    /// Whether the gateway takes new requests. Once it is on its way down they are refused with a
    /// `Retry-After`, and running ones finish.
    pub fn is_ready(&self) -> bool {
        !self.draining.has_begun()
    }

    /// Whether any request is on its way.
    pub fn is_busy(&self) -> bool {
        self.meters.books().held_count > 0
    }

    /// `notice`, with a little of its wait added to its headers.
    pub(crate) fn told(&self, notice: Notice) -> Notice {
        let jitter = notice.retry_after.map_or(Span::ZERO, |wait| self.jitter(wait));
        Notice { jitter, ..notice }
    }

    pub(crate) fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("req_{:08x}{number:08x}", self.seed >> 32)
    }

    /// A number that nobody can foresee.
    pub(crate) fn die(&self) -> u64 {
        let roll = self.rolls.fetch_add(1, Ordering::Relaxed);
        scrambled(self.seed.wrapping_add(roll.wrapping_mul(GOLDEN)))
    }

    /// A little of the wait, at most a tenth and 30 s, so that a crowd does not return at once.
    pub(crate) fn jitter(&self, wait: Span) -> Span {
        let number = self.requests.load(Ordering::Relaxed);
        let most = (wait.as_millis() / 10).min(30_000);
        Span::from_millis(scrambled(self.seed ^ number) % (most + 1))
    }
}

/// What a plan for `options` needs to know of this moment, where it is charged on `meters`.
pub(crate) fn moment(meters: &Memory, options: &Options) -> Moment {
    let session = options.session().and_then(|look| meters.peek(&look).ok());
    let quiet = session.is_some_and(|(_, standings)| {
        standings.iter().all(|standing| standing.used.plus(standing.held) == Amount::ZERO)
    });
    Moment { now: meters.clock().now(), opens_session: quiet }
}

/// The step of `SplitMix64`: an odd number whose multiples spread evenly.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of `SplitMix64` (Steele, Lea, Flood 2014): neighbours come out far apart.
const fn scrambled(seed: u64) -> u64 {
    let once = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let twice = (once ^ (once >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    twice ^ (twice >> 31)
}
