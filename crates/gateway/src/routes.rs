//! What is known of every route to a provider: one lock a route, and the budget of retries.
//!
//! The decisions are `routing`'s. A route is one model at one account and is known by their names,
//! so that a reload forgets nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tollgate_policy::{Deployment, RoutingSettings};
use tollgate_routing as routing;
use tollgate_routing::{BreakerState, Call, RetryBudget, Route, RouteSettings};
use tollgate_units::Timestamp;

/// What is known of every route.
#[derive(Debug)]
pub(crate) struct Routes {
    known: RwLock<HashMap<Name, Arc<Known>>>,
    settings: Mutex<RoutingSettings>,
    budget: Mutex<RetryBudget>,
}

/// A model at an account.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Name {
    pub(crate) provider: Arc<str>,
    pub(crate) model: Arc<str>,
}

/// One route, and what it is called.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: Name,
    route: Mutex<Route>,
    /// Whether its account is another one by now: who is still on the way there tells nobody.
    pub(crate) is_over: AtomicBool,
}

impl Routes {
    pub(crate) fn new(settings: RoutingSettings) -> Self {
        Self {
            known: RwLock::default(),
            budget: Mutex::new(RetryBudget::new(settings.retry.budget)),
            settings: Mutex::new(settings),
        }
    }

    /// Other settings from now on; what is known stays.
    pub(crate) fn reconfigure(&self, settings: RoutingSettings) {
        let before = std::mem::replace(&mut *locked(&self.settings), settings);
        if before.retry.budget != settings.retry.budget {
            *locked(&self.budget) = RetryBudget::new(settings.retry.budget);
        }
        if before.breaker != settings.breaker {
            for known in self.all() {
                known.route().reconfigure(settings_of(&settings));
            }
        }
    }

    /// Every route that is known, in order.
    pub(crate) fn all(&self) -> Vec<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.values().cloned().collect();
        drop(known);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// The route to `deployment`.
    pub(crate) fn to(&self, deployment: &Deployment, now: Timestamp) -> Arc<Known> {
        let (provider, model) = (deployment.provider().clone(), deployment.model().clone());
        let name = Name { provider, model };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&name) {
            return known.clone();
        }
        drop(known);
        let settings = settings_of(&locked(&self.settings));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let route = Mutex::new(Route::new(settings));
        let fresh = Arc::new(Known { name: name.clone(), route, is_over: AtomicBool::new(false) });
        if known.len() >= ROUTES_MAX {
            // Names that callers made up go, and no route of which something is known.
            known.retain(|_, known| Arc::strong_count(known) > 1 || !known.is_as_new(now));
        }
        if known.len() >= ROUTES_MAX {
            return fresh;
        }
        known.entry(name).or_insert(fresh).clone()
    }

    /// The account called `provider` is another one now: what was known of it says nothing.
    pub(crate) fn forget(&self, provider: &str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|name, known| {
            let stays = &*name.provider != provider;
            known.is_over.fetch_or(!stays, Ordering::Relaxed);
            stays
        });
    }

    /// Whether one more retry may be made now; and whether the budget is empty, or well, where it
    /// is one of the two.
    pub(crate) fn may_retry(&self, now: Timestamp) -> (bool, Option<bool>) {
        let mut budget = locked(&self.budget);
        let may_retry = budget.withdraw(now);
        let is_spent = match may_retry {
            false => Some(true),
            true if budget.is_well(now) => Some(false),
            true => None,
        };
        (may_retry, is_spent)
    }

    /// A request goes out for the first time: retries are a share of these.
    pub(crate) fn first_sent(&self, now: Timestamp) {
        locked(&self.budget).deposit(now);
    }
}

impl Known {
    /// The route itself, while nobody else looks at it.
    pub(crate) fn route(&self) -> MutexGuard<'_, Route> {
        locked(&self.route)
    }

    /// Whether nothing is known of it that a new route would not start with.
    fn is_as_new(&self, now: Timestamp) -> bool {
        let route = self.route();
        let outlook = route.outlook(&Call::default(), now);
        let is_well = outlook.state == BreakerState::Closed && outlook.shut.is_none();
        is_well && outlook.in_flight == 0 && route.pools(now).next().is_none()
    }

    /// Reads the route, for people.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Route) -> T) -> T {
        look(&self.route())
    }
}

fn settings_of(settings: &RoutingSettings) -> RouteSettings {
    let breaker = routing::BreakerSettings {
        failures: settings.breaker.failures,
        error_percent: settings.breaker.error_rate,
        cooldown: settings.breaker.cooldown,
        ..routing::BreakerSettings::default()
    };
    RouteSettings { breaker, safe_permille: settings.breaker.safe_remaining.saturating_mul(10) }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What callers may name freely is bounded.
const ROUTES_MAX: usize = 10_000;
