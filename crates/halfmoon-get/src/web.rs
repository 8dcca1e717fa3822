//! One request for one file.

use std::io;
use std::time::Duration;

use halfmoon_pool::Result;
use ureq::http::{Response, header};
use ureq::{Agent, Body, Proxy};

use crate::Progress;
use crate::part::{Came, Part};
use crate::sets::File;

/// How long a server may take to be found, and how long it may be silent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// What asks. It follows redirects, and takes a proxy from the environment as other programs do.
pub(crate) struct Web {
    agent: Agent,
    patience: Duration,
}

impl Web {
    pub(crate) fn new(patience: Duration, proxy: Option<Proxy>) -> Web {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("halfmoon/", env!("CARGO_PKG_VERSION")))
            // A server must not unpack or pack on the way: the bytes are to be those of its file.
            .accept_encoding("identity")
            .proxy(proxy)
            .timeout_resolve(Some(patience))
            .timeout_connect(Some(patience))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .build();
        Web { agent: config.new_agent(), patience }
    }

    /// Asks for what `part` lacks and appends it. A server that can't do that sends everything.
    pub(crate) fn download(
        &self,
        url: &str,
        file: &File,
        part: &mut Part,
        progress: &mut dyn Progress,
    ) -> Result<Came> {
        let mut request = self.agent.get(url);
        if part.length() > 0 {
            request = request.header(header::RANGE, format!("bytes={}-", part.length()));
        }
        let response = match request.call() {
            Ok(response) => response,
            // Somebody is there, whom the certificates don't vouch for.
            Err(ureq::Error::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                return Ok(Came::Refused(error.to_string()));
            }
            Err(error) => return Ok(Came::Nothing(self.words(&error))),
        };
        match response.status().as_u16() {
            206 if first_byte(&response) == Some(part.length()) => {}
            200 => part.restart()?,
            // Another piece than was asked for. Without a beginning there are no pieces.
            206 if part.length() > 0 => {
                part.restart()?;
                return self.download(url, file, part, progress);
            }
            // Nothing is missing, or what is there is not its beginning: the checksum knows.
            416 if part.length() > 0 => return Ok(Came::All),
            _ => return Ok(Came::Refused(format!("the server answers {}", response.status()))),
        }
        let came = part.fill(response.into_body().into_reader(), file, progress)?;
        let Came::Cut(error) = came else { return Ok(came) };
        Ok(match ureq::Error::from(error) {
            error @ ureq::Error::Timeout(_) => Came::Silent(self.words(&error)),
            error => Came::Cut(error.into_io()),
        })
    }

    fn words(&self, error: &ureq::Error) -> String {
        match error {
            ureq::Error::Timeout(_) => format!("no answer for {} s", self.patience.as_secs_f64()),
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        }
    }
}

/// The 700 of `Content-Range: bytes 700-999/1000`.
fn first_byte(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.trim().strip_prefix("bytes")?.split_once('-')?.0.trim().parse().ok()
}
