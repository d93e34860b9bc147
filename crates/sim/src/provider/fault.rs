//! What can go wrong at a provider, and what its refusals look like on the wire.
//!
//! The bodies are the protocol's, organisation and project ids included, because a gateway has to
//! take those out. Messages are shortened, never reworded, where a client or a gateway reads them.

use http::StatusCode;
use serde_json::{Value, json};

use super::asked::Tongue;

/// What goes wrong with one answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// The stream ends in the middle of an event; a whole answer is shorter than announced.
    CutShort,
    /// An error event halfway, and no more; a whole answer is a 500.
    ErrorEvent,
    /// Status 200, and bytes that mean nothing.
    Garbage,
    /// No answer, ever, and no close.
    Hang,
    /// All is well, but usage is missing.
    NoUsage,
    /// The provider says no.
    Refused(Rebuff),
    /// The connection is reset before the head of the answer.
    Reset,
    /// The connection is reset halfway.
    ResetMidway,
    /// Half an answer, then silence on an open connection.
    Stall,
}

/// How the provider says no.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Rebuff {
    /// 502, with a page of HTML, as a load balancer gives.
    BadGateway,
    /// 400: more than the model can hold.
    ContextLength,
    /// 401: the operator's key is wrong.
    InvalidKey,
    /// 404.
    ModelNotFound,
    /// 503.
    Overloaded,
    /// 429 that no waiting helps: larger than the limit itself.
    Oversize,
    /// 429 with `insufficient_quota`: the account is empty.
    Quota,
    /// 429 with `Retry-After`.
    RateLimit,
    /// Any other status, with OpenAI's generic body.
    Status(u16),
}

impl Fault {
    /// The fault of that name, as markers and command lines spell it.
    pub fn named(name: &str) -> Option<Self> {
        let fault = match name {
            "cut_short" => Self::CutShort,
            "error_event" => Self::ErrorEvent,
            "garbage" => Self::Garbage,
            "hang" => Self::Hang,
            "no_usage" => Self::NoUsage,
            "reset" => Self::Reset,
            "reset_midway" => Self::ResetMidway,
            "stall" => Self::Stall,
            _ => Self::Refused(Rebuff::named(name)?),
        };
        Some(fault)
    }

    /// Its name.
    pub fn name(&self) -> String {
        match self {
            Self::CutShort => "cut_short".into(),
            Self::ErrorEvent => "error_event".into(),
            Self::Garbage => "garbage".into(),
            Self::Hang => "hang".into(),
            Self::NoUsage => "no_usage".into(),
            Self::Refused(rebuff) => rebuff.name(),
            Self::Reset => "reset".into(),
            Self::ResetMidway => "reset_midway".into(),
            Self::Stall => "stall".into(),
        }
    }
}

impl Rebuff {
    fn named(name: &str) -> Option<Self> {
        let rebuff = match name {
            "bad_gateway" => Self::BadGateway,
            "context_length" => Self::ContextLength,
            "invalid_key" => Self::InvalidKey,
            "model_not_found" => Self::ModelNotFound,
            "overloaded" => Self::Overloaded,
            "oversize" => Self::Oversize,
            "quota" => Self::Quota,
            "rate_limit" => Self::RateLimit,
            _ => Self::Status(name.parse().ok().filter(|code| (400..=599).contains(code))?),
        };
        Some(rebuff)
    }

    fn name(self) -> String {
        match self {
            Self::BadGateway => "bad_gateway".into(),
            Self::ContextLength => "context_length".into(),
            Self::InvalidKey => "invalid_key".into(),
            Self::ModelNotFound => "model_not_found".into(),
            Self::Overloaded => "overloaded".into(),
            Self::Oversize => "oversize".into(),
            Self::Quota => "quota".into(),
            Self::RateLimit => "rate_limit".into(),
            Self::Status(code) => code.to_string(),
        }
    }

    /// The status it is said with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::ContextLength => StatusCode::BAD_REQUEST,
            Self::InvalidKey => StatusCode::UNAUTHORIZED,
            Self::ModelNotFound => StatusCode::NOT_FOUND,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Oversize | Self::Quota | Self::RateLimit => StatusCode::TOO_MANY_REQUESTS,
            Self::Status(code) => {
                StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// The body it is said with, for `model`.
    pub(super) fn body(self, model: &str) -> String {
        let (kind, code, message) = match self {
            Self::BadGateway => return HTML.into(),
            Self::ContextLength => (INVALID, Some("context_length_exceeded"), CONTEXT.into()),
            Self::InvalidKey => (INVALID, Some("invalid_api_key"), KEY.into()),
            Self::ModelNotFound => (
                INVALID,
                Some("model_not_found"),
                format!("The model `{model}` does not exist or you do not have access to it."),
            ),
            Self::Overloaded => {
                ("service_unavailable_error", Some("server_is_overloaded"), LOAD.into())
            }
            Self::Oversize => ("tokens", Some("rate_limit_exceeded"), oversize(model)),
            Self::Quota => ("insufficient_quota", Some("insufficient_quota"), QUOTA.into()),
            Self::RateLimit => {
                let message = rate_limited(model, "tokens", (200_000, 195_869, 4_412), "84ms");
                ("tokens", Some("rate_limit_exceeded"), message)
            }
            Self::Status(code) if code < 500 => (INVALID, None, "Invalid request.".into()),
            Self::Status(_) => ("server_error", None, SERVER.into()),
        };
        error(&message, kind, code).to_string()
    }
}

impl Rebuff {
    /// The status and body it is said with in Anthropic's protocol.
    pub(super) fn in_anthropic(self, model: &str) -> (StatusCode, String) {
        let kind = match self.status().as_u16() {
            400 => INVALID,
            401 => "authentication_error",
            402 => "billing_error",
            403 => "permission_error",
            404 => "not_found_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            503 | 529 => "overloaded_error",
            _ => "api_error",
        };
        let status = if self == Self::Overloaded { 529 } else { self.status().as_u16() };
        let mut body = match self {
            Self::BadGateway => return (self.status(), HTML.into()),
            Self::Overloaded => anthropic_error("Overloaded", kind),
            Self::ModelNotFound => anthropic_error(&format!("model: {model}"), kind),
            Self::ContextLength => {
                anthropic_error("prompt is too long: 210000 tokens > 200000 maximum", kind)
            }
            Self::InvalidKey => anthropic_error("invalid x-api-key", kind),
            Self::Oversize | Self::Quota | Self::RateLimit | Self::Status(_) => {
                let message = format!("This request would exceed {ORGANISATION}'s rate limit.");
                anthropic_error(&message, kind)
            }
        };
        if self == Self::Quota {
            body["error"]["details"] = json!({"error_code": "enforced_spend_limit_reached"});
        }
        (StatusCode::from_u16(status).unwrap_or(self.status()), body.to_string())
    }
}

impl Rebuff {
    /// The status and body it is said with at Cohere.
    pub(super) fn in_cohere(self, model: &str) -> (StatusCode, String) {
        let status = match self {
            Self::BadGateway => return (self.status(), HTML.into()),
            Self::Quota => StatusCode::PAYMENT_REQUIRED,
            _ => self.status(),
        };
        let message = match self {
            Self::ContextLength => "too many tokens: total number of tokens in the prompt cannot \
                                    exceed 128000"
                .into(),
            Self::InvalidKey => "invalid api token".into(),
            Self::ModelNotFound => format!("model '{model}' not found"),
            Self::Quota => format!("{ORGANISATION}: please add or update your payment method"),
            Self::Oversize | Self::RateLimit => {
                "You are past the per minute request limit, please wait and try again later.".into()
            }
            _ if status.is_server_error() => "internal server error".into(),
            _ => "invalid request".to_owned(),
        };
        (status, cohere_error(&message).to_string())
    }

    /// The status and body it is said with at Google.
    pub(super) fn in_gemini(self, model: &str) -> (StatusCode, String) {
        let status = self.status();
        let code = status.as_u16();
        let (word, message) = match self {
            Self::BadGateway => return (status, HTML.into()),
            Self::ContextLength => {
                ("INVALID_ARGUMENT", "The input token count exceeds the maximum.".into())
            }
            Self::InvalidKey => ("UNAUTHENTICATED", "API key not valid.".into()),
            Self::ModelNotFound => ("NOT_FOUND", format!("models/{model} is not found.")),
            Self::Oversize | Self::Quota => ("RESOURCE_EXHAUSTED", QUOTA.to_owned()),
            Self::RateLimit => {
                ("RESOURCE_EXHAUSTED", "Resource exhausted. Please retry in 1s.".into())
            }
            Self::Overloaded => ("UNAVAILABLE", "The model is overloaded.".into()),
            Self::Status(code) if code < 500 => ("INVALID_ARGUMENT", "Invalid request.".into()),
            Self::Status(_) => ("INTERNAL", SERVER.into()),
        };
        let mut body = gemini_error(code, word, &message);
        let quota = match self {
            Self::Quota | Self::Oversize => Some(("GenerateRequestsPerDayPerProject", "40s")),
            Self::RateLimit => Some(("GenerateRequestsPerMinutePerProject", "1s")),
            _ => None,
        };
        if let Some((quota, delay)) = quota {
            body["error"]["details"] = json!([
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
                 "violations": [{"quotaId": quota, "quotaValue": "20"}]},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
            ]);
        }
        (status, body.to_string())
    }
}

/// An error of a status and a type, as whoever speaks like that writes it.
pub(super) fn in_tongue(tongue: Tongue, status: u16, kind: &str, message: &str) -> Value {
    match tongue {
        Tongue::Anthropic => anthropic_error(message, kind),
        Tongue::Cohere => cohere_error(message),
        Tongue::Gemini => {
            let word = if status == 404 { "NOT_FOUND" } else { "INVALID_ARGUMENT" };
            gemini_error(status, word, message)
        }
        Tongue::OpenAi => error(message, kind, None),
    }
}

fn cohere_error(message: &str) -> Value {
    json!({"id": "29f1tg00-0000-4000-8000-000000000000", "message": message})
}

/// An error as Google writes it.
pub(super) fn gemini_error(code: u16, status: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message, "status": status}})
}

/// An error as Anthropic writes it.
pub(super) fn anthropic_error(message: &str, kind: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_sim"})
}

/// An error as OpenAI writes it.
pub(super) fn error(message: &str, kind: &str, code: Option<&str>) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// The message of a rate limit, as gateways and clients parse it; `counts` are limit, used, asked.
pub(super) fn rate_limited(
    model: &str,
    unit: &str,
    (limit, used, asked): (u64, u64, u64),
    wait: &str,
) -> String {
    let short = if unit == "tokens" { "TPM" } else { "RPM" };
    format!(
        "Rate limit reached for {model} in organization {ORGANISATION} on {unit} per min \
         ({short}): Limit {limit}, Used {used}, Requested {asked}. Please try again in {wait}. \
         Visit https://platform.openai.com/account/rate-limits to learn more."
    )
}

fn oversize(model: &str) -> String {
    format!(
        "Request too large for {model} in organization {ORGANISATION} on tokens per min (TPM): \
         Limit 30000, Requested 34307. The input or output tokens must be reduced in order to run \
         successfully."
    )
}

/// The account whose name no caller should learn.
pub(super) const ORGANISATION: &str = "org-Sim0rganisation0000000001";

pub(super) const INVALID: &str = "invalid_request_error";
pub(super) const SERVER: &str = "The server had an error while processing your request.";
const CONTEXT: &str = "This model's maximum context length is 128000 tokens. However, your \
                       messages resulted in 140000 tokens. Please reduce the length of the \
                       messages.";
const KEY: &str = "Incorrect API key provided: sk-sim**********0001. You can find your API key \
                   at https://platform.openai.com/account/api-keys.";
const LOAD: &str = "The server is currently overloaded. Please try again later.";
const QUOTA: &str = "You exceeded your current quota, please check your plan and billing details.";
const HTML: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
                    <center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        let names = [
            "cut_short",
            "error_event",
            "garbage",
            "hang",
            "no_usage",
            "reset",
            "reset_midway",
            "stall",
            "bad_gateway",
            "context_length",
            "invalid_key",
            "model_not_found",
            "overloaded",
            "oversize",
            "quota",
            "rate_limit",
            "402",
            "529",
        ];
        for name in names {
            assert_eq!(Fault::named(name).map(|fault| fault.name()).as_deref(), Some(name));
        }
        assert_eq!(Fault::named("200"), None);
        assert_eq!(Fault::named("tired"), None);
    }
}
