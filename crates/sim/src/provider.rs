//! The scripted provider: a server on a real socket that speaks OpenAI's protocol (on Azure's
//! paths too), Anthropic's, Cohere's and Gemini's, and does as it is told.
//!
//! Tests, benchmarks and the demo put it where a paid model would be. Everything it does follows
//! from a [`Script`] and the requests, and everything it has seen stands in its books, so that a
//! gateway's books can be compared with them. It generates words, not sense, and keeps
//! between requests only what such providers keep at an account.

mod allowance;
mod asked;
mod body;
mod chat;
mod cohere;
mod completions;
mod fault;
mod gemini;
mod kept;
mod ledger;
mod lists;
mod marker;
mod messages;
mod pace;
mod paths;
mod responses;
mod script;
mod server;
mod socket;
mod turn;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

pub use allowance::{Allowance, Style};
pub use asked::{Asked, Endpoint, Keeping};
pub use fault::{Fault, Rebuff};
pub use ledger::{Counters, End, Seen};
pub use script::{Act, Hold, Mixture, Price, Script, Verbatim};

/// A running provider; dropping it closes every connection.
pub struct Provider {
    addr: SocketAddr,
    house: Arc<server::House>,
    serving: AbortHandle,
}

impl Provider {
    /// Starts on a free port of the loopback interface, on the current runtime.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub async fn start(script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        Self::serve(listener, script)
    }

    /// Starts on `listener`, on the current runtime.
    ///
    /// # Errors
    ///
    /// When the listener has no address.
    pub fn serve(listener: TcpListener, script: Script) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let house = Arc::new(server::House::new(script));
        let serving = tokio::spawn(server::serve(listener, Arc::clone(&house))).abort_handle();
        Ok(Self { addr, house, serving })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What a configuration has as `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// The counters, now.
    pub fn counters(&self) -> Counters {
        self.house.ledger.counters()
    }

    /// Every request seen so far, in the order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.house.ledger.seen()
    }

    /// Lets everything go on that waits because its act says [`Hold`], or will but has arrived.
    pub fn release(&self) {
        self.house.release();
    }

    /// Waits until `holds` of the counters, which are looked at after every change.
    pub async fn until(&self, holds: impl FnMut(&Counters) -> bool) -> Counters {
        self.house.ledger.until(holds).await
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl core::fmt::Debug for Provider {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Provider").field("addr", &self.addr).finish_non_exhaustive()
    }
}
