//! What is asked: the body, bounded in size and time, and what the gateway needs of it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tollgate_units::Span;
use tollgate_wire::{Ask, Destination, Malformed, Notice, NoticeKind};

use crate::gate::{Bounds, Gateway};
use crate::identify::Inbound;
use crate::room::{Full, Share};
use crate::scales::Busy;
use crate::stopped::busy;

/// A request that was read: its body, and what of it matters here.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) ask: Ask,
    pub(crate) body: Bytes,
    _share: Share,
}

/// Why a request could not be read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// Its JSON is not a request of its endpoint.
    Malformed(Malformed),
    /// HTTP itself forbids it.
    Refused(NoticeKind, String),
    /// There is more to read than the gateway can.
    Busy,
}

impl Unread {
    pub(crate) fn notice(self, inbound: &Inbound) -> Notice {
        match self {
            Self::Malformed(malformed) => tollgate_policy::Refusal::Malformed(malformed)
                .notice(inbound.request_id.clone(), Span::ZERO),
            Self::Refused(kind, message) => inbound.notice(kind, message),
            Self::Busy => busy(inbound),
        }
    }
}

/// Reads the body and what is asked in it.
pub(crate) async fn read(
    gate: &Gateway,
    inbound: &Inbound,
    to: Destination,
    body: Incoming,
) -> Result<Asked, Unread> {
    acceptable(&inbound.parts.headers)?;
    let patience = Duration::from_millis(inbound.live.bounds.body.as_millis());
    let mut share = gate.room.share();
    let collected = collect(body, &inbound.live.bounds, &mut share);
    let Ok(body) = tokio::time::timeout(patience, collected).await else {
        let message = format!("The body did not arrive within {} s.", patience.as_secs());
        return Err(Unread::Refused(NoticeKind::InvalidRequest, message));
    };
    let body = body?;
    let ask = gate.scales.read(to, &body).await.map_err(|Busy| Unread::Busy)?;
    Ok(Asked { ask: ask.map_err(Unread::Malformed)?, body, _share: share })
}

/// JSON, as it is: no page can send it unasked, and what is compressed cannot be counted.
fn acceptable(headers: &HeaderMap) -> Result<(), Unread> {
    let unsupported = |message| Err(Unread::Refused(NoticeKind::UnsupportedEncoding, message));
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return unsupported(format!(
            "The body must be application/json; this one says \"{essence}\"."
        ));
    }
    let foreign = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8")
    };
    if kind.unwrap_or_default().split(';').skip(1).any(foreign) {
        return unsupported("The body must be in UTF-8, and say no other charset.".to_owned());
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return unsupported("The body must not be compressed: send it as it is.".to_owned());
    }
    Ok(())
}

async fn collect(mut body: Incoming, bounds: &Bounds, share: &mut Share) -> Result<Bytes, Unread> {
    let most = bounds.body_bytes_max;
    let too_large = || {
        let message = format!("The body is over {most} bytes, the most that is taken here.");
        Unread::Refused(NoticeKind::TooLarge, message)
    };
    if body.size_hint().lower() > most {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length: u64 = 0;
    while let Some(frame) = body.frame().await {
        let broken = |_| {
            let message = "The body broke off before its end.".to_owned();
            Unread::Refused(NoticeKind::InvalidRequest, message)
        };
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        length = length.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if length > most {
            return Err(too_large());
        }
        share.grow(data.len()).map_err(|Full| Unread::Busy)?;
        // Nearly every body comes in one piece, and is not copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&std::mem::take(&mut first));
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}
