//! `halfmoon serve`: a run's answers over HTTP.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use halfmoon::run;
use halfmoon_pool::{Error, Result};
use halfmoon_web::guard::{self, Bind, Refusals, interrupted};
use halfmoon_web::serve::{self, Served, Settings, Source};
use serde_json::json;

use crate::Failure;
use crate::args::{Listening, Reading, Serve};

/// How often it is looked whether a newer run has taken the place of this one.
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &Serve) -> std::result::Result<(), Failure> {
    let source = Run { folder: args.run.clone(), model: args.model.clone(), opened: None };
    let refusals = Refusals::default();
    let settings = Settings {
        refusals: refusals.clone(),
        coverage: args.coverage,
        flag: args.flag_outliers,
        batch: args.batch.get(),
        reload_every: Some(LOOK_EVERY),
        tell: Box::new(|line| eprintln!("note: {line}")),
        ..Settings::default()
    };
    let (router, stopper) = serve::router(source, settings)?;
    let door = door(&args.listening, args.port, args.max_body.get() << 20);
    let bound = guard::bind(&Bind { refusals, ..door })?;
    println!("{} is served at {}  (its routes are at /docs; Ctrl-C ends it)", args.run.display(), bound.url());
    let told_to_stop = async {
        interrupted().await;
        stopper.stop();
    };
    Ok(bound.serve(router, told_to_stop)?)
}

/// Where a server listens, and whom it lets in.
pub(super) fn door(listening: &Listening, port: u16, max_body: usize) -> Bind {
    let from_environment = || std::env::var("HALFMOON_TOKEN").ok().filter(|token| !token.is_empty());
    Bind {
        host: listening.host,
        token: listening.token.clone().or_else(from_environment),
        allowed_hosts: listening.allow_host.clone(),
        max_body,
        ..Bind::loopback(port)
    }
}

/// A run folder, which a later training may replace.
struct Run {
    folder: PathBuf,
    model: Option<String>,
    /// When the parameters that were opened last had been written, and which they are.
    opened: Option<(SystemTime, String)>,
}

impl Run {
    fn written(&self) -> Result<SystemTime> {
        let asked = run::parameters(&self.folder, self.model.as_deref())?;
        asked.metadata().and_then(|there| there.modified()).map_err(|source| Error::io(&asked, source))
    }
}

impl Source for Run {
    fn open(&mut self) -> Result<Served> {
        let written = self.written()?;
        let version = run::fingerprint(&self.folder, self.model.as_deref())?[..16].to_owned();
        let asked = run::open(&self.folder, self.model.as_deref(), &run::device("cpu")?)?;
        self.opened = Some((written, version.clone()));
        Ok(Served {
            name: asked.entry.name.to_owned(),
            version,
            about: json!({ "model": asked.entry.about, "finished": asked.finished, "versions": asked.data.versions }),
            schema: asked.data.schema.clone(),
            encoding: asked.data.encoding.clone(),
            options: super::options(&asked, &Reading::default())?,
            learned: (asked.data.items, asked.data.labels),
            predictor: asked.predictor,
            trust: asked.trust,
        })
    }

    fn newer(&mut self, than: &str) -> bool {
        let Ok(written) = self.written() else { return false };
        if self.opened.as_ref().is_some_and(|(at, version)| *at == written && version == than) {
            return false;
        }
        let other = run::fingerprint(&self.folder, self.model.as_deref());
        let is_other = other.is_ok_and(|other| !other.starts_with(than));
        if !is_other {
            self.opened = Some((written, than.to_owned()));
        }
        is_other
    }
}
