//! `tollgate demo`: a scripted provider, a crowd, and the real gateway between them, in one
//! process.
//!
//! Nothing in it is a picture of a gateway: the crowd sends HTTP, the policy is a file like any
//! other, and what is shown is what the gateway's own books say.

mod view;

use std::io::{IsTerminal, stdout};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use tollgate_gateway::{Gateway, Totals};
use tollgate_sim::demo::{self, Frame, Gate};
use tollgate_sim::{Crowd, Provider, Score, crowd};
use tollgate_tokens::count_prompt;
use tollgate_units::{Span, Tokens};
use tollgate_wire::Endpoint;

use crate::wiring::{Running, start};
use crate::{Complaint, terminal};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Run on until it is ended with q or Ctrl-C.
    #[arg(long)]
    forever: bool,
    /// Print lines even where there is a terminal to draw in.
    #[arg(long)]
    plain: bool,
    /// The crowd's seed: the same seed, the same crowd.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long it lasts, in seconds.
    #[arg(long, default_value_t = 60, conflicts_with = "forever")]
    seconds: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Complaint> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let lasts = if arguments.forever { FOREVER } else { Span::from_secs(arguments.seconds) };
    runtime.block_on(show(arguments, lasts))
}

async fn show(arguments: &Arguments, lasts: Span) -> Result<(), Complaint> {
    let script = demo::script(arguments.seed, count);
    let provider = Provider::start(script).await;
    let provider = provider.map_err(|error| format!("no port for the provider: {error}"))?;
    let running = gate(&provider.base_url(), arguments.seed).await?;
    let crowd = Crowd::new(arguments.seed, lasts);
    let score = Arc::new(Mutex::new(Score::new(&crowd)));
    let stage = Stage {
        gateway: running.gateway.clone(),
        score: score.clone(),
        started: Instant::now(),
        provider,
        lasts,
    };
    let (base, seed) = (format!("http://{}", running.listen), arguments.seed);
    let calls = crowd::drive(
        crowd,
        &base,
        |name| Some(demo::secret_of(name, seed)),
        |outcome| {
            score.lock().unwrap_or_else(PoisonError::into_inner).note(outcome);
        },
    );
    let drawn = stdout().is_terminal() && !arguments.plain;
    let frame = if drawn { stage.draw(calls).await? } else { stage.tell(calls).await? };
    running.stop(Duration::from_secs(1)).await?;
    terminal::say(&demo::summary(&frame).join("\n"));
    Ok(())
}

/// The demo's gateway: the policy of the sim crate, on free ports.
async fn gate(provider: &str, seed: u64) -> Result<Running, Complaint> {
    let variable = |name: &str| demo::variable(name, provider, seed);
    let config = tollgate_config::parse("demo.yaml", demo::SETTINGS, &variable);
    let mut config = config.map_err(|mistakes| mistakes.to_string())?;
    config.listen.set_port(0);
    config.admin.set_port(0);
    // Nobody is meant to look at the demo's admin plane, and no file is left behind.
    config.admin_token = Some(demo::secret_of("admin", seed).into());
    start(config, None).await
}

/// The provider counts as the gateway does: by the model's own tokenizer.
fn count(asked: &tollgate_sim::provider::Asked) -> Tokens {
    let Ok(ask) = tollgate_wire::read(Endpoint::ChatCompletions, &asked.body) else {
        return Tokens::ZERO;
    };
    count_prompt(&asked.model, &asked.body, &ask.prompt, None).input
}

/// What is to be shown, and since when.
struct Stage {
    gateway: Arc<Gateway>,
    score: Arc<Mutex<Score>>,
    provider: Provider,
    started: Instant,
    lasts: Span,
}

impl Stage {
    fn frame(&self) -> Frame {
        let Totals { held, reserved, saved, spent, used } = self.gateway.totals();
        let elapsed = self.started.elapsed().as_millis();
        Frame {
            elapsed: Span::from_millis(u64::try_from(elapsed).unwrap_or(u64::MAX)),
            gate: Gate { held, reserved, saved, spent, used },
            lasts: self.lasts,
            provider: self.provider.counters(),
            rows: self.score.lock().unwrap_or_else(PoisonError::into_inner).rows().to_vec(),
        }
    }

    /// Prints a line a second, until the crowd has ended or somebody presses Ctrl-C.
    async fn tell(
        &self,
        calls: impl Future<Output = Result<(), http::Error>>,
    ) -> Result<Frame, Complaint> {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        every.tick().await;
        tokio::pin!(calls);
        loop {
            tokio::select! {
                ended = &mut calls => {
                    ended.map_err(|error| error.to_string())?;
                    return Ok(self.frame());
                }
                _ = every.tick() => terminal::say(&demo::line(&self.frame())),
                _ = tokio::signal::ctrl_c() => return Ok(self.frame()),
            }
        }
    }

    /// Draws tables, ten times a second, until the crowd has ended or somebody presses q.
    async fn draw(
        &self,
        calls: impl Future<Output = Result<(), http::Error>>,
    ) -> Result<Frame, Complaint> {
        let mut screen = ratatui::init();
        let mut every = tokio::time::interval(Duration::from_millis(100));
        tokio::pin!(calls);
        let result = loop {
            tokio::select! {
                ended = &mut calls => break ended.map_err(|error| error.to_string()),
                _ = every.tick() => {
                    let drawn = screen.draw(|frame| view::draw(frame, &self.frame()));
                    match drawn {
                        Ok(_) if is_ended() => break Ok(()),
                        Ok(_) => {}
                        Err(error) => break Err(format!("the terminal cannot be drawn: {error}")),
                    }
                }
            }
        };
        ratatui::restore();
        result.map(|()| self.frame())
    }
}

/// Whether somebody has pressed q, Escape or Ctrl-C since the last picture.
fn is_ended() -> bool {
    while event::poll(Duration::ZERO).unwrap_or(false) {
        if let Ok(Event::Key(key)) = event::read() {
            let interrupted = key.modifiers.contains(KeyModifiers::CONTROL);
            match key.code {
                KeyCode::Char('q') | KeyCode::Esc => return true,
                KeyCode::Char('c') if interrupted => return true,
                _ => {}
            }
        }
    }
    false
}

/// Longer than anybody watches.
const FOREVER: Span = Span::from_secs(365 * 24 * 60 * 60);
