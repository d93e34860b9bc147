//! The admin API from the shell: finds the address and the token, asks, and says what went wrong.

use std::path::Path;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::wiring::{environment, token_file};
use crate::{Complaint, Reach};

/// Asks the admin plane of the gateway that `reach` leads to.
pub(crate) fn ask(
    reach: &Reach,
    method: &Method,
    path: &str,
    body: Option<String>,
) -> Result<Value, Complaint> {
    let (base, token) = find(reach)?;
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", base.trim_end_matches('/')))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json");
    // Who sits at this terminal, for the audit log.
    let actor = environment("TOLLGATE_ACTOR").or_else(|| environment("USER"));
    if let Some(actor) = actor.filter(|actor| actor.bytes().all(|byte| byte.is_ascii_graphic())) {
        request = request.header("x-tollgate-actor", actor);
    }
    let request = request
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .map_err(|error| format!("{base} is not an address: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(exchange(&base, request))
}

async fn exchange(base: &str, request: Request<Full<Bytes>>) -> Result<Value, Complaint> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.map_err(|error| {
        format!("no gateway answers at {base}: {error}. Is `tollgate serve` running?")
    })?;
    let status = response.status();
    let body = response.into_body().collect().await;
    let body = body.map_err(|error| format!("the answer broke off: {error}"))?.to_bytes();
    let value: Value = serde_json::from_slice(&body)
        .map_err(|error| format!("the answer is not JSON ({status}): {error}"))?;
    if status.is_success() {
        return Ok(value);
    }
    let message = value.pointer("/error/message").and_then(Value::as_str);
    let field = value.pointer("/error/field").and_then(Value::as_str);
    let message = message.unwrap_or("no reason given");
    // What is shown under its words keeps its own line.
    let apart = if message.contains('\n') { "\n" } else { " " };
    let field = field.map(|field| format!("{field}:{apart}")).unwrap_or_default();
    let hint = if status == StatusCode::UNAUTHORIZED { OTHER_TOKEN } else { "" };
    Err(format!("{status}: {field}{message}{hint}"))
}

/// The admin plane's address and token: from the arguments and the environment, else from the
/// configuration and the file that the gateway keeps beside its data.
fn find(reach: &Reach) -> Result<(String, String), Complaint> {
    let given = environment("TOLLGATE_ADMIN_TOKEN");
    if let (Some(base), Some(token)) = (&reach.admin, &given) {
        return Ok((base.clone(), token.clone()));
    }
    let config = crate::serve::configuration_for_reach(&reach.config);
    let config = config.map_err(|mistakes| format!("{mistakes}\n\n{WITHOUT_A_FILE}"))?;
    let base = reach.admin.clone().unwrap_or_else(|| format!("http://{}", config.admin));
    let token = given.or_else(|| crate::wiring::configured_token(&config));
    let token = token.or_else(|| kept(&token_file(&config.data)));
    let token = token.ok_or_else(|| {
        format!(
            "the admin token is not in TOLLGATE_ADMIN_TOKEN, and not in {}",
            token_file(&config.data).display()
        )
    })?;
    Ok((base, token))
}

const WITHOUT_A_FILE: &str = "A gateway that runs is asked without its configuration by both \
     --admin http://HOST:PORT and the environment variable TOLLGATE_ADMIN_TOKEN.";
/// Where the token that was found is not the one that is wanted.
const OTHER_TOKEN: &str = ". The gateway takes the token that it was started with: a new one in \
     the configuration waits for a restart";

fn kept(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok().map(|token| token.trim().to_owned())
}
