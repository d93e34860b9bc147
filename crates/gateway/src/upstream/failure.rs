//! Why an account cannot be used, or has not answered.

use std::error::Error;
use std::fmt;

use http::uri::InvalidUri;

use crate::tls::TlsError;

/// Why there is no answer. The provider's own refusals are answers.
#[derive(Debug)]
pub enum SendError {
    /// Never sent: the provider has seen nothing of this request.
    Connect(Cause),
    /// The connection ended after the request may have been sent.
    Reset(Cause),
    /// The request was on its way, and no answer began in time. The connection is given up.
    TimedOut,
}

/// What went wrong beneath, for the log; it may name hosts, so it is not for callers.
pub type Cause = Box<dyn Error + Send + Sync>;

/// A cause with everything beneath it: hyper's own messages alone say little.
pub(crate) struct Deeply<'c>(pub(crate) &'c Cause);

/// Why an account cannot be used. Names the account, never its key.
#[derive(Debug)]
pub enum AccountError {
    /// The base URL is not one.
    BadUrl(String, InvalidUri),
    /// The key holds characters that no HTTP header can carry.
    KeyUnusable(String),
    /// The base URL is something other than `http(s)://host[:port][/path]`.
    NotABase(String),
    /// An account needs https, and there can be no TLS.
    Tls(TlsError),
}

impl fmt::Display for Deeply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut below = self.0.source();
        while let Some(deeper) = below {
            write!(f, ": {deeper}")?;
            below = deeper.source();
        }
        Ok(())
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (said, cause) = match self {
            Self::Connect(cause) => ("never sent", cause),
            Self::Reset(cause) => ("sent, and the connection ended", cause),
            Self::TimedOut => return f.write_str("sent, and no answer began in time"),
        };
        write!(f, "{said}: {}", Deeply(cause))
    }
}

impl Error for SendError {}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadUrl(name, error) => write!(f, "provider {name}: base_url: {error}"),
            Self::KeyUnusable(name) => {
                write!(f, "provider {name}: api_key has characters that a header cannot carry")
            }
            Self::NotABase(name) => write!(
                f,
                "provider {name}: base_url must be http(s)://host[:port][/path], \
                 without user, query or fragment"
            ),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

impl Error for AccountError {}
