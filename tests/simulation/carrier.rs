//! The transport of the simulated world: carries requests to Kombo and answers back, if they arrive.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kombo_source::api::{ApiError, Incoming, LostAnswer, Outgoing, Transport};
use kombo_source::ids::IntegrationId;
use tokio::time::sleep;

use crate::kombo::{Answer, Asked, Lies, refusal};
use crate::life::Alive;
use crate::network::{Fate, Journey, Network};

/// The transport of one process.
pub(crate) struct Carrier {
    /// All that requests share.
    pub(crate) network: Arc<Network>,
    /// Whether the process still lives.
    pub(crate) alive: Alive,
}

impl Transport for Carrier {
    type Incoming = Arriving;

    async fn send(&self, request: Outgoing<'_>) -> Result<Arriving, ApiError> {
        self.alive.or_never().await;
        let network = &self.network;
        let asked = Asked::read(request.url, request.integration.map(IntegrationId::as_str));
        let journey = network.journey(&asked);
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
        let back = journey.back;
        let arriving = journey.arriving(&asked, network);
        let shown = asked.shown();
        let status = arriving.status;
        (network.story).tell("request", format_args!("{shown} -> {status}"));
        sleep(back).await;
        self.alive.or_never().await;
        Ok(arriving)
    }
}

impl Journey {
    /// Returns the answer, from the truth as it is now.
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
        // The instant at which Kombo read its data is the one that `Date` tells.
        let date = self.date.at(clocks.true_now());
        headers.extend(date.map(|date| ("date", date)));
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
