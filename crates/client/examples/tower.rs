//! The tower layer: `cargo run -p tollgate-client --example tower`. The inner service may be any
//! that takes `http::Request`s, such as hyper-util's client; here it is a function that fails once.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use http::{Request, Response};
use tollgate_client::{Amount, Config, Demand, Tollgate, TollgateLayer};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let sent = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&sent);
    let provider = service_fn(move |request: Request<&'static str>| {
        let number = count.fetch_add(1, Relaxed) + 1;
        async move {
            let status = if number == 1 { 503 } else { 200 };
            Response::builder().status(status).body(request.into_body().to_uppercase())
        }
    });
    let gate = Tollgate::new(Config::default())?;
    let client = ServiceBuilder::new().layer(TollgateLayer::new(gate.clone())).service(provider);

    let mut request = Request::post("https://api.openai.com/v1/responses").body("hello")?;
    // One unit where nothing is said.
    request.extensions_mut().insert(Demand(Amount::new(3)));
    let answer = client.oneshot(request).await?;

    let mut out = std::io::stdout();
    let (status, attempts) = (answer.status(), sent.load(Relaxed));
    writeln!(out, "{status} after {attempts} attempts: {}", answer.body())?;
    writeln!(out, "{} of 120 left", gate.standing().left.get())?;
    Ok(())
}
