//! Where a caller stands: what `GET /v1/limits`, the admin plane and every answer's headers show.

use std::sync::Arc;

use tollgate_limits::{Charge, Charges, Demand, Standing, Stretch};
use tollgate_units::{Amount, Timestamp};
use tollgate_wire::Endpoint;

use crate::bound::BoundLimit;
use crate::charge::Request;
use crate::deployment::Model;
use crate::plan::Candidate;
use crate::policy::Policy;
use crate::principal::Caller;
use crate::subject::Subject;
use crate::{SubjectKind, Unit};

/// A limit on a caller, and the meter to look at.
#[derive(Debug)]
pub struct Watched {
    /// The limit as it is in force.
    pub limit: Arc<BoundLimit>,
    /// The limit as the configuration has it, whatever is raised.
    pub configured: Arc<BoundLimit>,
    /// Whom it counts here, as `user:ana and model:gpt-4o`, or whose it is, as `team:acme`, where
    /// it counts all of them together; nothing for everybody.
    pub subject: Option<String>,
    /// Whose the subject's name is and whose the limit, as `org:o1`: two meters of one subject and
    /// one sentence differ in it.
    pub owner: Option<String>,
    /// Until when the limit has another amount than its own.
    pub raised_until: Option<Timestamp>,
    charge: Charge,
}

impl Watched {
    /// The meter, the rule and a demand of nothing.
    pub const fn charge(&self) -> &Charge {
        &self.charge
    }

    /// A charge of nothing: looking at it tells where the meter stands.
    pub fn look(&self) -> Option<Charges> {
        Charges::new(vec![self.charge], Stretch { least: 0, most: 0 }).ok()
    }
}

impl Caller {
    /// The limits on the caller, each with its meter. With `own_only`, those that count nobody
    /// else.
    pub fn watched(&self, own_only: bool, now: Timestamp) -> Vec<Watched> {
        let mut watched: Vec<Watched> = Vec::new();
        let models: Vec<_> =
            self.models().into_iter().filter_map(|name| self.policy.model(name)).collect();
        let of_models = models.iter().flat_map(|model| model.limits.iter());
        for bound in self.limits().iter().chain(of_models) {
            if own_only && (!bound.is_own() || bound.limit.shadow) {
                continue;
            }
            for found in self.meters_of(bound, &models, now) {
                if watched.iter().all(|seen| seen.charge.meter != found.charge.meter) {
                    watched.push(found);
                }
            }
        }
        watched
    }

    /// The meters of one limit for one caller: one, or one for each model or path it divides among.
    fn meters_of(
        &self,
        bound: &Arc<BoundLimit>,
        models: &[Arc<Model>],
        now: Timestamp,
    ) -> Vec<Watched> {
        let divides_by = |kind: &SubjectKind| bound.limit.subjects.contains(kind);
        let any = [Model::any()];
        let divided = divides_by(&SubjectKind::Model) || divides_by(&SubjectKind::Provider);
        // Where it does not divide by them: whichever it is, none of it is in the meter.
        let models = if divided { models } else { &any };
        let endpoints: &[Endpoint] = if divides_by(&SubjectKind::Path) {
            &Endpoint::ALL
        } else {
            &[Endpoint::ChatCompletions]
        };
        let mut meters = Vec::new();
        for model in models {
            for &endpoint in endpoints {
                let request = Request { caller: self, model, endpoint };
                let deployment = model.routes.first().map(AsRef::as_ref);
                let subjects = request.subjects(bound, deployment);
                meters.push(self.watch(bound, &subjects, now));
            }
        }
        meters
    }

    fn watch(&self, bound: &Arc<BoundLimit>, subjects: &[Subject], now: Timestamp) -> Watched {
        let meter = bound.meter(subjects);
        let limit = self.in_force(bound, meter, now);
        let (rule, demand) = (limit.rule(now), Demand::exactly(Amount::ZERO));
        Watched {
            subject: bound.whom(subjects),
            owner: self.owner_of(bound, subjects),
            configured: bound.clone(),
            raised_until: self.raised(meter, now).map(|raised| raised.until),
            charge: Charge { meter, rule, demand },
            limit,
        }
    }

    /// Whose names `subjects` are, and whose the limit is that counts them.
    fn owner_of(&self, bound: &BoundLimit, subjects: &[Subject]) -> Option<String> {
        let mut words: Vec<String> = Vec::new();
        for subject in subjects {
            if subject.is_session() {
                let whose = [SubjectKind::Key, SubjectKind::User].map(|kind| self.subject(&kind));
                for whose in whose.iter().flatten() {
                    words.extend(whose.owner());
                    words.push(whose.to_string());
                }
            } else {
                words.extend(subject.owner());
            }
        }
        words.extend(bound.owner().filter(|_| !subjects.is_empty()).map(str::to_owned));
        let mut seen = std::collections::HashSet::new();
        words.retain(|word| seen.insert(word.clone()));
        (!words.is_empty()).then(|| words.join(" and "))
    }
}

impl Policy {
    /// The limit on failed authentication from the caller's address, and a charge of one failure.
    pub fn failed_login(&self, ip: std::net::IpAddr, now: Timestamp) -> Option<Charges> {
        let bound = &self.failed_logins;
        let meter = bound.meter(&[Subject::of_ip(ip)]);
        let charge = Charge { meter, rule: bound.rule(now), demand: Demand::exactly(Amount::ONE) };
        Charges::new(vec![charge], Stretch { least: 0, most: 0 }).ok()
    }
}

/// One of the caller's own limits and where it stands, as headers show it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The limit.
    pub limit: &'a BoundLimit,
    /// Where it stands.
    pub standing: Standing,
}

impl Candidate {
    /// The caller's own limits with their standings.
    pub fn shown<'a>(&'a self, standings: &'a [Standing]) -> impl Iterator<Item = Shown<'a>> {
        let pairs = self.limits.iter().zip(standings);
        pairs
            .filter(|(limit, _)| limit.is_own() && !limit.is_built_in)
            .map(|(limit, &standing)| Shown { limit, standing })
    }
}

impl Shown<'_> {
    /// Whether the limit counts requests.
    pub fn counts_requests(&self) -> bool {
        self.limit.limit.unit == Unit::Requests
    }

    /// Whether the limit counts tokens of any kind.
    pub fn counts_tokens(&self) -> bool {
        matches!(self.limit.limit.unit, Unit::InputTokens | Unit::OutputTokens | Unit::Tokens)
    }

    /// Whether the limit counts input tokens and nothing else.
    pub fn counts_input(&self) -> bool {
        self.limit.limit.unit == Unit::InputTokens
    }

    /// Whether the limit counts output tokens and nothing else.
    pub fn counts_output(&self) -> bool {
        self.limit.limit.unit == Unit::OutputTokens
    }
}

/// The instant that RFC 3339 text names, in whole milliseconds; nothing before 1970.
pub fn instant(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(instant.as_millisecond()).ok().map(Timestamp::from_millis)
}
