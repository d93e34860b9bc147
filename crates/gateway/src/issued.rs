//! What operators change while the gateway runs: keys that are issued, limits that are raised.
//!
//! In memory for requests, in the registry for the next start. A request looks a digest up under a
//! short lock; what follows from a key (its subjects, its bound limits) is made at its first use
//! and kept with the policy it belongs to, so a hundred thousand keys that sleep cost a map entry
//! each, and a reload costs nothing until they come. Changes are made one at a time, written to the
//! registry first and then put into memory: what is in force survives. When it is wrong: a second
//! gateway on another file knows nothing of these keys.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};
use tollgate_limits::MeterId;
use tollgate_policy::{
    Guardrails, KeyDigest, KeyEntry, KeySettings, Policy, Raised, Raises, parse,
};
use tollgate_store::{Audited, Change, Entry, IssuedKey, OpenError, Raise, Registry, Trouble};
use tollgate_units::Timestamp;

use crate::gate::Gateway;

/// The most keys there may be, revoked ones included: each costs about half a kilobyte.
pub const KEYS_MAX: usize = 1_000_000;
/// The most meters that may be raised at a time.
pub const RAISES_MAX: usize = 10_000;

/// Keys and raises, in memory and in the registry.
#[derive(Debug)]
pub struct Issued {
    directory: Mutex<Directory>,
    raised: ArcSwap<InForce>,
    registry: Registry,
    /// Held by whoever changes something, over the look before it and the write after.
    changing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Directory {
    by_digest: HashMap<[u8; 32], Arc<Holder>>,
    by_name: BTreeMap<String, Arc<Holder>>,
}

/// One key, and what follows from it once it was used.
#[derive(Debug)]
struct Holder {
    key: IssuedKey,
    made: ArcSwapOption<Made>,
}

/// What follows from a key under one policy; nothing where it has no place there.
#[derive(Debug)]
struct Made {
    /// Not held, so that a policy that was replaced goes when its last request has.
    policy: Weak<Policy>,
    entry: Option<Arc<KeyEntry>>,
}

#[derive(Debug, Default)]
struct InForce {
    list: Vec<Raise>,
    by_meter: Option<Arc<Raises>>,
}

impl Issued {
    /// Everything that `registry` remembers.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub fn load(registry: Registry, now: Timestamp) -> Result<Self, OpenError> {
        let mut directory = Directory::default();
        registry.keys()?.into_iter().for_each(|key| directory.put(key));
        let raised = InForce::of(registry.raises(now)?);
        Ok(Self {
            directory: Mutex::new(directory),
            raised: ArcSwap::from_pointee(raised),
            registry,
            changing: Mutex::new(()),
        })
    }

    /// The entry of the key whose secret has this digest; nothing where it is not known, expired,
    /// revoked, or has no place in `policy`.
    pub fn find(
        &self,
        digest: &KeyDigest,
        policy: &Arc<Policy>,
        now: Timestamp,
    ) -> Option<Arc<KeyEntry>> {
        let holder = lock(&self.directory).by_digest.get(digest.as_bytes()).cloned()?;
        if holder.takes(digest, now) { holder.entry(policy) } else { None }
    }

    /// The entry of the key called `name`, revoked ones apart.
    pub(crate) fn called(&self, name: &str, policy: &Arc<Policy>) -> Option<Arc<KeyEntry>> {
        let holder = lock(&self.directory).by_name.get(name).cloned()?;
        if holder.key.revoked_at.is_some() { None } else { holder.entry(policy) }
    }

    /// Up to `most` keys whose name is after `after` and that `wanted` asks for, by name.
    pub fn page(
        &self,
        after: Option<&str>,
        most: usize,
        wanted: impl Fn(&IssuedKey) -> bool,
    ) -> Vec<IssuedKey> {
        // Gathered in bites, so that requests come between.
        let (mut found, mut after) = (Vec::new(), after.map(str::to_owned));
        while found.len() < most {
            let bite = self.bite(after.as_deref());
            let Some(last) = bite.last() else { break };
            after = Some(last.key.name.clone());
            found.extend(bite.iter().map(|holder| &holder.key).filter(|key| wanted(key)).cloned());
        }
        found.truncate(most);
        found
    }

    /// The next few keys after `after`, by name.
    fn bite(&self, after: Option<&str>) -> Vec<Arc<Holder>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let directory = lock(&self.directory);
        let holders = directory.by_name.range::<str, _>((from, Unbounded));
        holders.take(BITE).map(|(_, holder)| holder.clone()).collect()
    }

    /// The key called `name`.
    pub fn key(&self, name: &str) -> Option<IssuedKey> {
        lock(&self.directory).by_name.get(name).map(|holder| holder.key.clone())
    }

    /// What is raised at `now`, the first to be over first.
    pub fn raises(&self, now: Timestamp) -> Vec<Raise> {
        self.raised.load().list.iter().filter(|raise| now < raise.until).cloned().collect()
    }

    /// What is raised, for decisions.
    pub(crate) fn in_force(&self) -> Option<Arc<Raises>> {
        self.raised.load().by_meter.clone()
    }

    /// Lines of the audit log; see [`Registry::audit`]. Reads the disk.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn audit(&self, before: Option<u64>, most: usize) -> Result<Vec<Audited>, Trouble> {
        self.registry.audit(before, most)
    }

    /// The right to change something. It waits for who has it, and whoever has it writes to the
    /// disk: not for the threads that serve requests.
    pub fn desk(&self) -> Desk<'_> {
        Desk { issued: self, _alone: lock(&self.changing) }
    }

    /// A clean stop of the registry.
    ///
    /// # Errors
    /// When the disk does not take it; nothing is lost by that.
    pub fn close(&self) -> Result<(), Trouble> {
        self.registry.close()
    }
}

/// How an issued key stands: all but the active ones are refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyState {
    /// It is let in.
    Active,
    /// Its time is over.
    Expired,
    /// The configuration has a key of its name, which is the one that counts.
    NameInConfiguration,
    /// It was revoked.
    Revoked,
    /// The configuration has no such tier.
    TierMissing,
}

impl KeyState {
    /// The state in one word, as the admin API says it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::NameInConfiguration => "name_in_configuration",
            Self::Revoked => "revoked",
            Self::TierMissing => "tier_missing",
        }
    }
}

impl Gateway {
    /// How an issued key stands.
    pub fn state_of(&self, key: &IssuedKey, now: Timestamp) -> KeyState {
        let policy = &self.live().policy;
        if key.revoked_at.is_some() {
            KeyState::Revoked
        } else if key.expires_at.is_some_and(|end| end <= now) {
            KeyState::Expired
        } else if policy.lists(&key.name) {
            KeyState::NameInConfiguration
        } else if policy.has_tier(&key.tier) {
            KeyState::Active
        } else {
            KeyState::TierMissing
        }
    }

    /// Issued keys that the policy in force has no place for, by name, the first `most`: whoever
    /// changed the configuration did not think of them.
    pub fn stranded(&self, most: usize) -> Vec<String> {
        let now = self.clock().now();
        let is_stranded = |key: &IssuedKey| {
            let state = self.state_of(key, now);
            matches!(state, KeyState::NameInConfiguration | KeyState::TierMissing)
        };
        self.issued().page(None, most, is_stranded).into_iter().map(|key| key.name).collect()
    }
}

/// How many keys are looked at under one lock.
const BITE: usize = 256;

/// Where changes are made, one at a time. Each is on disk, with its line in the audit log, before
/// it is in force; one that the disk does not take changes nothing.
#[derive(Debug)]
pub struct Desk<'a> {
    issued: &'a Issued,
    _alone: MutexGuard<'a, ()>,
}

impl Desk<'_> {
    /// How many keys there are, revoked ones included.
    pub fn count(&self) -> usize {
        lock(&self.issued.directory).by_name.len()
    }

    /// Makes or changes a key.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn put(&self, key: IssuedKey, entry: &Entry) -> Result<(), Trouble> {
        self.issued.registry.write(Change::Key(&key), entry)?;
        lock(&self.issued.directory).put(key);
        Ok(())
    }

    /// Raises limits; a meter that is raised already is raised anew.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn raise(&self, raises: &[Raise], entry: &Entry) -> Result<(), Trouble> {
        self.issued.registry.write(Change::Raise(raises), entry)?;
        let mut list = self.issued.raises(entry.at);
        list.retain(|old| raises.iter().all(|new| new.meter != old.meter));
        list.extend_from_slice(raises);
        self.issued.raised.store(Arc::new(InForce::of(list)));
        Ok(())
    }

    /// Lets a limit have its own amount again.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn lower(&self, meter: u128, entry: &Entry) -> Result<(), Trouble> {
        self.issued.registry.write(Change::Lower(meter), entry)?;
        let mut list = self.issued.raises(entry.at);
        list.retain(|raise| raise.meter != meter);
        self.issued.raised.store(Arc::new(InForce::of(list)));
        Ok(())
    }

    /// Writes down what is about to be changed elsewhere.
    ///
    /// # Errors
    /// When the disk does not take it; then it must not be changed.
    pub fn note(&self, entry: &Entry) -> Result<(), Trouble> {
        self.issued.registry.write(Change::Elsewhere, entry).map(|_| ())
    }
}

impl Directory {
    fn put(&mut self, key: IssuedKey) {
        if let Some(former) = self.by_name.get(&key.name).map(|holder| holder.key.clone()) {
            former.digests().for_each(|digest| drop(self.by_digest.remove(&digest)));
        }
        let holder = Arc::new(Holder { made: ArcSwapOption::empty(), key });
        if holder.key.revoked_at.is_none() {
            let digests = holder.key.digests();
            self.by_digest.extend(digests.map(|digest| (digest, holder.clone())));
        }
        self.by_name.insert(holder.key.name.clone(), holder);
    }
}

impl Holder {
    /// Whether the secret of this digest opens at `now`.
    fn takes(&self, digest: &KeyDigest, now: Timestamp) -> bool {
        let key = &self.key;
        let is_current = KeyDigest::from_bytes(key.digest) == *digest;
        let is_previous = key.previous.is_some_and(|(previous, until)| {
            KeyDigest::from_bytes(previous) == *digest && now < until
        });
        (is_current || is_previous) && key.expires_at.is_none_or(|end| now < end)
    }

    /// What follows from the key under `policy`.
    fn entry(&self, policy: &Arc<Policy>) -> Option<Arc<KeyEntry>> {
        let made = self.made.load();
        if let Some(made) =
            made.as_deref().filter(|made| made.policy.as_ptr() == Arc::as_ptr(policy))
        {
            return made.entry.clone();
        }
        let entry = self.make(policy);
        let policy = Arc::downgrade(policy);
        self.made.store(Some(Arc::new(Made { policy, entry: entry.clone() })));
        entry
    }

    /// Works out what follows from the key, and says why nothing does: once a policy.
    fn make(&self, policy: &Arc<Policy>) -> Option<Arc<KeyEntry>> {
        let name = &self.key.name;
        if policy.lists(name) {
            tracing::error!(key = %name, "an issued key has the name of one in the configuration, \
                 which is the one that counts: revoke it, or rename the other");
            return None;
        }
        let settings = match settings(&self.key) {
            Ok(settings) => settings,
            Err(sentence) => {
                tracing::error!(key = %name, limit = %sentence, "a limit of an issued key cannot \
                     be read by this version, so the key is refused");
                return None;
            }
        };
        let entry = policy.entry(settings);
        if entry.is_none() {
            tracing::error!(key = %name, tier = %self.key.tier, "the tier of an issued key is not \
                 in the configuration, so the key is refused: give it another tier");
        }
        entry
    }
}

/// A key as the policy reads it, or the limit that cannot be read.
fn settings(key: &IssuedKey) -> Result<KeySettings, String> {
    let limit = |sentence: &String| parse(sentence).map_err(|_| sentence.clone());
    Ok(KeySettings {
        trust_user: key.trust_user,
        name: key.name.clone(),
        digest: KeyDigest::from_bytes(key.digest),
        tier: key.tier.clone(),
        team: key.team.clone(),
        user: key.user.clone(),
        project: key.project.clone(),
        org: key.org.clone(),
        limits: key.limits.iter().map(limit).collect::<Result<_, _>>()?,
        models: key.models.clone(),
        guardrails: Guardrails::default(),
    })
}

impl InForce {
    fn of(mut list: Vec<Raise>) -> Self {
        list.sort_by_key(|raise| raise.until);
        let by_meter = Raises::new(list.iter().map(|raise| {
            let Raise { amount, until, .. } = *raise;
            (MeterId::new(raise.meter), Raised { amount, until })
        }));
        Self { list, by_meter }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
