//! The layer around scripted services, on a paused clock.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tollgate_client::{
    Amount, Config, Demand, LayerError, Refusal, Tollgate, TollgateLayer, TollgateService,
};
use tower::util::BoxCloneService;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

/// A status, a header and its value; a status of 0 is a connection that broke.
type Line = (u16, &'static str, &'static str);

type Log = Arc<Mutex<Vec<(Duration, String)>>>;

const OK: Line = (200, "x-request-id", "1");

/// A boxed service is not `Sync`, and need not be.
type Boxed = BoxCloneService<Request<String>, Response<usize>, std::io::Error>;

fn provider(script: &'static [Line]) -> (Boxed, Log) {
    let log = Log::default();
    let start = Instant::now();
    let seen = Arc::clone(&log);
    let service = service_fn(move |request: Request<String>| {
        let mut seen = seen.lock().unwrap();
        seen.push((start.elapsed(), format!("{} {}", request.uri(), request.body())));
        let (status, name, value) = script[script.len().min(seen.len()) - 1];
        let number = seen.len();
        async move {
            let broken = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            let head = Response::builder().header(name, value);
            let head = if status == 0 { return Err(broken()) } else { head.status(status) };
            head.body(number).map_err(|_| broken())
        }
    });
    (BoxCloneService::new(service), log)
}

fn layered<S>(inner: S) -> TollgateService<S> {
    TollgateLayer::new(Tollgate::seeded(Config::default(), 7).unwrap()).layer(inner)
}

fn request() -> Request<String> {
    Request::post("https://api.openai.com/v1/chat/completions").body("hi".to_owned()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_by_status_and_headers() {
    const TABLE: &[(&[Line], usize, u16)] = &[
        (&[OK], 1, 200),
        (&[(500, "a", "b"), OK], 2, 200),
        (&[(0, "a", "b"), (502, "a", "b"), (503, "a", "b"), (529, "a", "b"), OK], 5, 200),
        (&[(429, "retry-after", "1"), OK], 2, 200),
        (&[(429, "a", "b")], 5, 429),
        (&[(429, "x-ratelimit-limit-requests", "0"), OK], 1, 429),
        (&[(429, "retry-after", "3600"), OK], 1, 429),
        (&[(408, "a", "b"), OK], 2, 200),
        (&[(400, "a", "b"), OK], 1, 400),
        (&[(401, "a", "b"), OK], 1, 401),
        (&[(404, "a", "b"), OK], 1, 404),
        (&[(413, "a", "b"), OK], 1, 413),
    ];
    for &(script, sent, status) in TABLE {
        let (service, log) = provider(script);
        let answer = layered(service).oneshot(request()).await.unwrap();
        assert_eq!(answer.status(), status, "{script:?}");
        assert_eq!(*answer.body(), sent, "the last answer is handed on: {script:?}");
        let log = log.lock().unwrap();
        assert_eq!(log.len(), sent, "{script:?}");
        for (_, line) in log.iter() {
            assert_eq!(line, "https://api.openai.com/v1/chat/completions hi");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_2_is_waited_for_2_seconds() {
    let (service, log) = provider(&[(429, "retry-after", "2"), OK]);
    layered(service).oneshot(request()).await.unwrap();
    let times: Vec<_> = log.lock().unwrap().iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [Duration::ZERO, Duration::from_secs(2)]);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_last_attempt_is_the_inner_services_own() {
    let (service, log) = provider(&[(0, "a", "b")]);
    let err = layered(service).oneshot(request()).await.unwrap_err();
    let LayerError::Inner(err) = err else { panic!("{err:?}") };
    assert_eq!(err.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(log.lock().unwrap().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_request_costs_what_its_extension_says() {
    let (service, log) = provider(&[OK]);
    let gate = Tollgate::new(Config::default()).unwrap();
    let service = TollgateLayer::new(gate.clone()).layer(service);
    service.clone().oneshot(request()).await.unwrap();
    assert_eq!(gate.standing().left, Amount::new(119), "one, where nothing is said");
    let mut dear = request();
    dear.extensions_mut().insert(Demand(Amount::new(70)));
    service.clone().oneshot(dear.clone()).await.unwrap();
    assert_eq!(gate.standing().left, Amount::new(49));
    dear.extensions_mut().insert(Demand(Amount::new(121)));
    let err = service.oneshot(dear).await.unwrap_err();
    assert!(matches!(err, LayerError::Refused(Refusal::TooLarge { .. })), "{err:?}");
    assert_eq!(log.lock().unwrap().len(), 2, "what is refused is not sent");
}

/// A service that panics when it is called without having said that it is ready, as tower allows.
#[derive(Clone)]
struct Strict {
    polls: u32,
}

impl Service<Request<String>> for Strict {
    type Response = Response<()>;
    type Error = std::io::Error;
    type Future = std::future::Ready<Result<Response<()>, std::io::Error>>;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        self.polls += 1;
        if self.polls < 3 {
            context.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<String>) -> Self::Future {
        assert_eq!(self.polls, 3, "called before it was ready");
        self.polls = 0;
        std::future::ready(Ok(Response::new(())))
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_service_is_called_only_when_it_is_ready() {
    let mut service = layered(Strict { polls: 0 });
    for _ in 0..3 {
        service.ready().await.unwrap().call(request()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_future_sends_nothing_more() {
    let (service, log) = provider(&[(500, "retry-after", "30")]);
    let call = layered(service).oneshot(request());
    assert!(tokio::time::timeout(Duration::from_secs(10), call).await.is_err());
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_date_is_waited_for_by_the_wall() {
    let date = jiff::Timestamp::now().as_second() + 20;
    let date = jiff::Timestamp::from_second(date).unwrap();
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date);
    let date: &'static str = date.unwrap().leak();
    let script: &[Line] = vec![(429, "retry-after", date), OK].leak();
    let (service, log) = provider(script);
    layered(service).oneshot(request()).await.unwrap();
    let waited = log.lock().unwrap()[1].0;
    // The date has whole seconds, and this test may be slow to get here.
    let expected = Duration::from_secs(10)..=Duration::from_secs(20);
    assert!(expected.contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_is_heard_in_its_own_dialect() {
    // A plan that has none of it: of Anthropic's headers only Anthropic's dialect knows that.
    for (uri, sent) in [("https://api.anthropic.com/v1/messages", 1), ("https://example.com/", 2)] {
        let (service, log) = provider(&[(429, "anthropic-ratelimit-requests-limit", "0"), OK]);
        let request = Request::post(uri).body(String::new()).unwrap();
        layered(service).oneshot(request).await.unwrap();
        assert_eq!(log.lock().unwrap().len(), sent, "{uri}");
    }
}
