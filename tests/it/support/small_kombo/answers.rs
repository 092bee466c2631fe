//! The answers of the stand-in, in the form of the API client.

use bytes::Bytes;
use kombo_source::api::{
    ApiError, IntegrationInfo, KeyInfo, KomboApi, Page, PageRequest, PageReservation,
};
use kombo_source::ids::IntegrationId;
use kombo_source::time::{Base, Horizon, Moment, ObservedAt, ServerNow};
use tokio::time::Instant;

use super::SmallKombo;

impl KomboApi for SmallKombo {
    async fn page(&self, request: PageRequest<'_>) -> Result<Page, ApiError> {
        let sent = Instant::now();
        self.delay().await;
        let answer = self.state().answer(request, self.now_ms());
        let date_ms = self.now_ms().div_euclid(1000) * 1000;
        self.delay().await;
        let now_ms = self.now_ms();
        let date =
            Horizon::at(Moment::from_millis(now_ms)).admit(Moment::from_millis(date_ms), None);
        Ok(Page {
            body: Bytes::from(answer?),
            reserved: PageReservation::default(),
            base: date.map(|date| Base::from_first_page(date, sent.elapsed())),
            observed_at: ObservedAt::from_micros(now_ms * 1000),
        })
    }

    async fn integration(&self, _id: &IntegrationId) -> Result<IntegrationInfo, ApiError> {
        Err(ApiError::from_answer(404, b"", false))
    }

    async fn check_key(&self) -> Result<KeyInfo, ApiError> {
        Err(ApiError::from_answer(404, b"", false))
    }

    fn server_now(&self) -> Option<ServerNow> {
        let now_ms = self.now_ms();
        Some(Horizon::at(Moment::from_millis(now_ms)).server_now(now_ms * 1000))
    }
}
