//! The transport of the simulated world: carries requests to Kombo and answers back, if they arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kombo_source::api::{ApiError, Incoming, LostAnswer, Outgoing, Transport};
use kombo_source::ids::IntegrationId;
use tokio::time::sleep;

use crate::kombo::{Answer, Asked, Lies, refusal};
use crate::life::Alive;
use crate::network::{Fate, Journey, Network, Sender};

/// The transport of one process.
pub(crate) struct Carrier {
    /// All that requests share.
    pub(crate) network: Arc<Network>,
    /// Whether the process still lives.
    pub(crate) alive: Alive,
    /// The run of a machine. `None` for an operator.
    pub(crate) sender: Option<Sender>,
    /// Until when an answer 429 has told the process to wait.
    quiet_until_ms: AtomicI64,
}

impl Carrier {
    /// Makes the transport of a process.
    pub(crate) fn new(network: &Arc<Network>, alive: &Alive, sender: Option<Sender>) -> Self {
        Self {
            network: Arc::clone(network),
            alive: alive.clone(),
            sender,
            quiet_until_ms: AtomicI64::new(0),
        }
    }

    /// Checks that the wait of a 429 is over.
    fn may_leave(&self) {
        let left_ms = self.quiet_until_ms.load(Ordering::Relaxed) - self.network.clocks.true_now();
        if left_ms > 1_000 {
            let text =
                format_args!("a request leaves {left_ms} ms before the wait of a 429 is over");
            self.network.story.violated("wait", text);
        }
    }

    /// Notes how long an answer 429 tells the process to wait.
    fn learn(&self, arriving: &Arriving) {
        let number = |name: &str| arriving.header(name)?.parse::<i64>().ok();
        let told = number("retry-after").or_else(|| number("ratelimit-reset"));
        let plausible = told.filter(|secs| arriving.status == 429 && (1..=3_600).contains(secs));
        if let Some(secs) = plausible {
            let until_ms = self.network.clocks.true_now() + secs * 1_000;
            self.quiet_until_ms.fetch_max(until_ms, Ordering::Relaxed);
        }
    }
}

impl Transport for Carrier {
    type Incoming = Arriving;

    async fn send(&self, request: Outgoing<'_>) -> Result<Arriving, ApiError> {
        self.alive.or_never().await;
        let network = &self.network;
        let asked = Asked::read(request.url, request.integration.map(IntegrationId::as_str));
        self.may_leave();
        let journey = network.journey(&asked, self.sender);
        sleep(journey.way).await;
        match journey.fate {
            Fate::NeverConnects => return Err(lost(LostAnswer::Connect)),
            Fate::NoAnswer => {
                sleep(Duration::from_hours(1)).await;
                return Err(lost(LostAnswer::TimedOut));
            }
            Fate::BreaksBefore => {
                sleep(journey.back).await;
                return Err(lost(LostAnswer::BeforeHeaders));
            }
            _ => {}
        }
        let (work, back) = (journey.work, journey.back);
        let date = journey.date;
        let mut arriving = journey.arriving(&asked, network);
        sleep(work).await;
        let date = date.at(network.clocks.true_now());
        (arriving.headers).extend(date.map(|date| ("date", date)));
        let shown = asked.shown();
        let status = arriving.status;
        (network.story).tell("request", format_args!("{shown} -> {status}"));
        sleep(back).await;
        self.alive.or_never().await;
        self.learn(&arriving);
        Ok(arriving)
    }
}

impl Journey {
    /// Returns the answer without its `Date`, from the truth as it is now.
    fn arriving(self, asked: &Asked, network: &Network) -> Arriving {
        let (truth, clocks) = (&network.truth, &network.clocks);
        let mut headers = Vec::new();
        let breaks_within = matches!(self.fate, Fate::BreaksWithin);
        let answer = match self.fate {
            Fate::Refused(status, code, more) => {
                headers = more;
                refusal(status, code)
            }
            Fate::Bare(status, body) => Answer {
                status,
                body: body.to_owned(),
            },
            Fate::Answered(lies) => asked.answer(truth, self.paging, lies, clocks),
            _ => asked.answer(truth, self.paging, Lies::default(), clocks),
        };
        let mut body = Bytes::from(answer.body);
        if breaks_within {
            body.truncate(body.len() / 2);
        }
        Arriving {
            status: answer.status,
            headers,
            body: Some(body),
            breaks_within,
        }
    }
}

/// An answer on its way.
pub(crate) struct Arriving {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Option<Bytes>,
    breaks_within: bool,
}

impl Incoming for Arriving {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(given, _)| *given == name)
            .map(|(_, value)| value.as_str())
    }

    fn content_length(&self) -> Option<u64> {
        None
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        match self.body.take() {
            Some(body) => Ok(Some(body)),
            None if self.breaks_within => Err(lost(LostAnswer::WithinBody)),
            None => Ok(None),
        }
    }
}

fn lost(reason: LostAnswer) -> ApiError {
    ApiError::Unreachable {
        reason,
        source: Arc::new(std::io::Error::other("simulated")),
    }
}
