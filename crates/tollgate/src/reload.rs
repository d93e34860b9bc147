//! Live reload: the file is read again when it changes, and what it says is in force whole or not
//! at all.
//!
//! Reading, checking and making a policy happen on a thread of their own; a request sees nothing of
//! it but another pointer. What the old one held is let go there too, because freeing a hundred
//! thousand keys takes as long as making them. A file with a mistake changes nothing and says why.
//! When this is wrong: a file that is replaced twice within a second may be read once.

use std::fs::Metadata;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;
use tollgate_admin::{Configuration, Configured};
use tollgate_config::{Config, Data, Source, TlsFiles};
use tollgate_gateway::Gateway;
use tollgate_gateway::server::Draining;
use tollgate_policy::Policy;
use tollgate_units::Span;

use crate::Complaint;
use crate::wiring::{configured_token, environment, live};

/// The configuration of a running gateway, and the file it came from.
#[derive(Debug)]
pub(crate) struct Reload {
    gateway: Arc<Gateway>,
    file: Option<PathBuf>,
    /// The file of the policy that is only watched.
    watched: Option<PathBuf>,
    fixed: Fixed,
    last: Mutex<Last>,
    /// What was in force before, until no request is served by it any more: none has to free it.
    retired: Mutex<Vec<Arc<Policy>>>,
}

/// What a running gateway cannot change.
#[derive(Debug, Eq, PartialEq)]
struct Fixed {
    listen: SocketAddr,
    admin: SocketAddr,
    admin_token: Option<String>,
    data: Data,
    tls: Option<TlsFiles>,
    /// Whether answers are kept, how much and how long.
    cache: Option<(u64, Span)>,
}

/// What the watching has seen of the files.
#[derive(Debug)]
struct Looks {
    /// The versions that were read last.
    read: Versions,
    /// What was there at the look before.
    before: Versions,
}

/// How the last reading of the file ended.
#[derive(Debug)]
struct Last {
    /// What is in force.
    config: Config,
    reloads: u64,
    mistake: Option<Complaint>,
    shadow_mistake: Option<Complaint>,
    after_restart: Vec<&'static str>,
}

/// Which version of a file one has seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    inode: u64,
    length: u64,
    modified: Option<SystemTime>,
}

/// Which versions of the configuration's file and of the watched one there are.
pub(crate) type Versions = [Option<Stamp>; 2];

/// The versions that are there now.
pub(crate) fn versions(file: Option<&Path>, watched: Option<&Path>) -> Versions {
    [file, watched].map(|file| file.and_then(Stamp::of))
}

impl Fixed {
    fn of(config: &Config) -> Self {
        Self {
            listen: config.listen,
            admin: config.admin,
            admin_token: configured_token(config),
            data: config.data.clone(),
            tls: config.tls.clone(),
            cache: config.cache.map(|cache| (cache.bytes, cache.ttl)),
        }
    }

    /// What differs, by its key in the file.
    fn differs(&self, other: &Self) -> Vec<&'static str> {
        let changes = [
            ("listen", self.listen != other.listen),
            ("admin", self.admin != other.admin),
            ("admin_token", self.admin_token != other.admin_token),
            ("data", self.data != other.data),
            ("tls", self.tls != other.tls),
            ("cache", self.cache != other.cache),
        ];
        changes.into_iter().filter_map(|(key, changed)| changed.then_some(key)).collect()
    }
}

impl Reload {
    /// Of the gateway that was started with `config`.
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        config: Config,
        watched: Option<PathBuf>,
    ) -> Arc<Self> {
        let file = match &config.source {
            Source::File(file) => Some(file.clone()),
            Source::BuiltIn => None,
        };
        let fixed = Fixed::of(&config);
        let (mistake, shadow_mistake, after_restart) = (None, None, Vec::new());
        let last = Last { config, reloads: 0, mistake, shadow_mistake, after_restart };
        let (last, retired) = (Mutex::new(last), Mutex::default());
        Arc::new(Self { gateway, file, watched, fixed, last, retired })
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file and puts it in force, or says why not. Blocks for as long as that takes.
    fn now(&self) -> Result<(), Complaint> {
        // One at a time: what is read last is in force.
        let mut last = self.last();
        let shadow_mistake = self.replace_watched();
        last.shadow_mistake.clone_from(&shadow_mistake);
        match self.replace() {
            Ok((config, after_restart)) => {
                if !after_restart.is_empty() {
                    tracing::warn!(keys = ?after_restart, "changed in the file: restart for it");
                }
                tracing::info!("the configuration was reloaded");
                let reloads = last.reloads + 1;
                *last = Last { config, reloads, mistake: None, shadow_mistake, after_restart };
                Ok(())
            }
            Err(mistake) => {
                tracing::error!("the configuration stays as it was: {mistake}");
                last.mistake = Some(mistake.clone());
                Err(mistake)
            }
        }
    }

    fn replace(&self) -> Result<(Config, Vec<&'static str>), Complaint> {
        let file = self.file.as_ref().ok_or("there is no file to read: none was named")?;
        let config =
            tollgate_config::load(file, &environment).map_err(|mistakes| mistakes.to_string())?;
        let after_restart = self.fixed.differs(&Fixed::of(&config));
        let before = self.gateway.live();
        let next = live(&config, self.gateway.metrics(), Some(&before))?;
        let old = self.gateway.replace(next);
        self.retired().push(old.policy.clone());
        warn_of_stranded_keys(&self.gateway);
        Ok((config, after_restart))
    }

    /// Reads the policy that is only watched; what is wrong with it stops nothing else.
    fn replace_watched(&self) -> Option<Complaint> {
        let (file, shadow) = (self.watched.as_ref()?, self.gateway.shadow()?);
        match tollgate_config::load(file, &environment) {
            Ok(config) => {
                self.retired().push(shadow.replace(Policy::new(config.settings)));
                None
            }
            Err(mistakes) => {
                tracing::error!("the shadow policy stays as it was: {mistakes}");
                Some(mistakes.to_string())
            }
        }
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Arc<Policy>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which versions of the two files are there.
    fn stamp(&self) -> Versions {
        versions(self.file.as_deref(), self.watched.as_deref())
    }

    /// Takes out what nobody is served by any more.
    fn unused(&self) -> Vec<Arc<Policy>> {
        self.retired().extract_if(.., |policy| Arc::strong_count(policy) == 1).collect()
    }

    /// Reads the file again whenever it has changed and then stayed so for a moment, and when
    /// asked by `hangup`; until the gateway is on its way down. `read` is what was there before the
    /// files were first read.
    pub(crate) async fn watch(
        self: Arc<Self>,
        read: Versions,
        mut hangup: Signal,
        draining: Draining,
    ) {
        let mut looks = Looks::since(read);
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => false,
                asked = hangup.recv() => asked.is_some(),
                () = draining.begun() => return,
            };
            let unused = self.unused();
            if !unused.is_empty() {
                let _freed = tokio::task::spawn_blocking(move || drop(unused)).await;
            }
            if looks.changed(self.stamp(), asked) {
                let reload = self.clone();
                // What it came to was told by then.
                let _told = tokio::task::spawn_blocking(move || reload.now()).await;
            }
        }
    }
}

/// Says which issued keys the configuration has no place for: they are refused from now on.
pub(crate) fn warn_of_stranded_keys(gateway: &Gateway) {
    let keys = gateway.stranded(STRANDED_SHOWN);
    if !keys.is_empty() {
        tracing::warn!(
            ?keys,
            "issued keys are refused: their tier is not in the configuration, or \
             their name is another key's there"
        );
    }
}

const STRANDED_SHOWN: usize = 20;

impl Configuration for Reload {
    fn stands(&self) -> Configured {
        let last = self.last();
        Configured {
            file: self.file.as_ref().map(|file| file.display().to_string()),
            reloads: last.reloads,
            mistake: last.mistake.clone(),
            shadow_mistake: last.shadow_mistake.clone(),
            after_restart: last.after_restart.clone(),
            in_force: tollgate_config::in_words(&last.config),
        }
    }

    fn reload(&self) -> Result<Configured, String> {
        self.now()?;
        Ok(self.stands())
    }
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        std::fs::metadata(file).ok().map(|metadata: Metadata| Self {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }
}

impl Looks {
    /// `read` is what was there before the files were read, so that one which is replaced while
    /// that goes on is read again.
    const fn since(read: Versions) -> Self {
        Self { read, before: read }
    }

    /// Whether the files are to be read again, now that `there` is there. A file that is gone at
    /// one look and there at the next was being replaced: it is read once it has stayed so.
    fn changed(&mut self, there: Versions, asked: bool) -> bool {
        let changed = there != self.read && there == self.before;
        self.before = there;
        if asked || changed {
            self.read = there;
        }
        asked || changed
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn version(inode: u64) -> Versions {
        [Some(Stamp { inode, length: 1, modified: None }), None]
    }

    #[test]
    fn a_file_is_read_again_once_it_has_changed_and_stayed_so() {
        let mut looks = Looks::since(version(1));
        for (there, asked, reads) in [
            (version(1), false, false),
            ([None; 2], false, false),
            (version(2), false, false),
            (version(2), false, true),
            (version(2), false, false),
            (version(2), true, true),
        ] {
            assert_eq!(looks.changed(there, asked), reads, "{there:?}");
        }
    }

    /// A slow machine took a second from reading the file to the first look at it; what replaced it
    /// in between was never read.
    #[test]
    fn a_file_that_is_replaced_while_it_is_read_is_read_again() {
        let mut looks = Looks::since(version(1));
        assert!(!looks.changed(version(2), false));
        assert!(looks.changed(version(2), false));
    }
}
