//! `tollgate serve` as a child process: started, found by what it says, ended.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;

/// A gateway that serves; it is killed when this is dropped.
pub(crate) struct Process {
    /// Where it listens: `http://127.0.0.1:…`.
    pub(crate) listen: String,
    /// Its admin plane.
    pub(crate) admin: String,
    child: Child,
    said: JoinHandle<String>,
}

impl Process {
    /// Starts `binary` with the configuration at `config`, and returns once it listens. What it
    /// said instead is the error.
    pub(crate) async fn start(
        binary: &Path,
        config: &Path,
        arguments: &[&str],
    ) -> Result<Self, String> {
        let mut child = serve(binary, config)
            .args(arguments)
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let stderr = child.stderr.take().ok_or("no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        let listen = told(&mut lines, "listening on ", &mut said).await?;
        let admin = told(&mut lines, "admin on ", &mut said).await?;
        let said = tokio::spawn(rest(lines, said));
        Ok(Self { listen, admin, child, said })
    }

    /// Sends it `signal`.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), String> {
        let id = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        kill_process(id.ok_or("it has ended")?, signal).map_err(|error| error.to_string())
    }

    /// Waits until it has ended: how, and everything that it said.
    pub(crate) async fn ended(mut self) -> Result<(ExitStatus, String), String> {
        let status = self.child.wait().await.map_err(|error| error.to_string())?;
        let said = (&mut self.said).await.map_err(|error| error.to_string())?;
        Ok((status, said))
    }
}

/// The command `tollgate serve`, with a quiet log.
pub(crate) fn serve(binary: &Path, config: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .arg("--config")
        .arg(config)
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The rest of the line that says `what`.
async fn told(
    lines: &mut Lines<BufReader<ChildStderr>>,
    what: &str,
    said: &mut String,
) -> Result<String, String> {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, address)) = line.split_once(what) {
            return Ok(address.to_owned());
        }
        said.push_str(&line);
        said.push('\n');
    }
    Err(std::mem::take(said))
}

/// Reads on to the end, so that the child never waits for somebody to read.
async fn rest(mut lines: Lines<BufReader<ChildStderr>>, mut said: String) -> String {
    while let Ok(Some(line)) = lines.next_line().await {
        said.push_str(&line);
        said.push('\n');
    }
    said
}
