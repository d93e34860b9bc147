//! Google's Gemini. No headers; an error's body tells which quota is spent, and after which delay
//! to come back, which is wrong for quotas of a day: they turn at midnight in California. Quotas
//! are the project's, not the key's. Only input counts; failures are not billed but count. Usage
//! reports the cache inside the input, and thoughts beside the output.

use super::{Dialect, Meaning, ReserveRule, Says, rule};

pub(crate) static DIALECT: Dialect = Dialect {
    name: "gemini",
    base_url: Some("https://generativelanguage.googleapis.com"),
    hosts: &["generativelanguage.googleapis.com"],
    limits: &[],
    more: None,
    reserve: ReserveRule::InputOnly,
    errors: &[
        rule(&[400], Says::Code("API_KEY_INVALID"), Meaning::OperatorFault),
        rule(&[503], Says::Words("overloaded"), Meaning::Overloaded),
    ],
    stops_billing: Some(false),
};
