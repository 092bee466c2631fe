//! Holds the lease of the lake, or waits for it. The rules are in [`Tenure`] and [`LeaseWatch`].
//!
//! The keeper has a task of its own, so that a loop with much to do does not delay a renewal. All requests of this process look
//! at its [`SendingRight`]. The keeper extends the right after a renewal that was read back, and withdraws it when another service
//! has the lease; in between the right ends by itself.

use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::host_lock::HostLock;
use crate::api::SendingRight;
use crate::lake::{LakeError, LeaseHolder, LeaseObjects, StoredLease};
use crate::plan::{LeasePut, LeaseSign, LeaseTerms, LeaseWatch, Renewal, Tenure, WatchStep};
use crate::time::Uptime;
use crate::words::with_causes;

/// The longest takeover time of another service that is believed.
const LONGEST: Duration = Duration::from_hours(1);

/// What the rest of the process sees of the lease.
#[derive(Clone, Debug)]
pub struct LeaseView {
    right: SendingRight,
    standby: watch::Receiver<bool>,
}

impl LeaseView {
    /// Returns the view of a service that takes no lease.
    pub(super) fn without() -> Self {
        Self {
            right: SendingRight::unlimited(),
            standby: watch::channel(false).1,
        }
    }

    /// Returns whether this service may send requests and take webhooks now. Always, for a service that takes no lease.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.right.holds()
    }

    /// Returns whether another service has the lease, or may have it.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        *self.standby.borrow()
    }

    pub(super) fn right(&self) -> SendingRight {
        self.right.clone()
    }
}

/// Why the keeper does not know what became of a request to the store.
enum Unclear {
    Lake(LakeError),
    Slow,
}

/// What a look at the lease led to.
enum LeaseLook {
    Claimed(Tenure),
    Waits(Duration, Option<StoredLease>),
}

/// Takes, renews and gives back the lease for this process.
pub(super) struct LeaseKeeper {
    objects: LeaseObjects,
    terms: LeaseTerms,
    uptime: Uptime,
    right: SendingRight,
    lock: HostLock,
    me: LeaseHolder,
    standby: watch::Sender<bool>,
    /// Renewals of this tenure that are not deleted yet.
    put: Vec<Renewal>,
    is_failing: bool,
}

impl LeaseKeeper {
    pub(super) fn new(
        objects: LeaseObjects,
        terms: LeaseTerms,
        lock: HostLock,
        uptime: Uptime,
    ) -> Self {
        Self {
            objects,
            terms,
            right: SendingRight::limited(uptime.clone()),
            uptime,
            lock,
            me: LeaseHolder::new(host_name(), None, terms),
            standby: watch::Sender::new(true),
            put: Vec::new(),
            is_failing: false,
        }
    }

    pub(super) fn view(&self) -> LeaseView {
        LeaseView {
            right: self.right.clone(),
            standby: self.standby.subscribe(),
        }
    }

    /// Takes the lease if nobody else has it. Otherwise [`acquire`](Self::acquire) says why not.
    pub(super) async fn acquire_at_once(&mut self) -> Option<Tenure> {
        let mut watch = LeaseWatch::begin(self.uptime.now(), self.terms);
        let Ok(LeaseLook::Claimed(tenure)) = self.look(&mut watch).await else {
            return None;
        };
        self.tell_claim(&watch, None, &tenure);
        self.begin(&tenure).await;
        Some(tenure)
    }

    /// Waits until this process has the lease.
    pub(super) async fn acquire(&mut self) -> Tenure {
        let mut watch = LeaseWatch::begin(self.uptime.now(), self.terms);
        let mut holder = None;
        loop {
            let wait = match self.look(&mut watch).await {
                Ok(LeaseLook::Claimed(tenure)) => {
                    self.tell_claim(&watch, holder.as_ref(), &tenure);
                    self.begin(&tenure).await;
                    return tenure;
                }
                Ok(LeaseLook::Waits(wait, stored)) => {
                    self.works_again();
                    if holder.is_none() {
                        tell_standby(stored.as_ref(), self.terms);
                    }
                    holder = stored.or(holder);
                    wait.min(self.terms.step())
                }
                Err(unclear) => {
                    self.fails(&unclear);
                    self.terms.step()
                }
            };
            sleep(wait).await;
        }
    }

    /// Renews until another service has the lease, or until `give_back` is answered. Then the lease is given back.
    pub(super) async fn keep(
        mut self,
        mut tenure: Tenure,
        give_back: oneshot::Receiver<()>,
    ) -> Self {
        tokio::select! {
            () = self.renew_always(&mut tenure) => {}
            _ = give_back => {
                self.right.withdraw();
                let released = self.objects.release(tenure.epoch(), &self.me);
                // Without the marker the next service waits for the takeover time.
                drop(timeout(self.terms.step(), released).await);
            }
        }
        self.right.withdraw();
        self.standby.send_replace(true);
        self
    }

    /// Renews until another service has the lease.
    async fn renew_always(&mut self, tenure: &mut Tenure) {
        let mut wait = self.terms.step();
        loop {
            sleep(wait).await;
            wait = self.terms.step();
            let Some(put) = tenure.next(self.uptime.now()) else {
                match self.take_again().await {
                    Some(again) => *tenure = again,
                    None => return,
                }
                continue;
            };
            match self.renew(put).await {
                Ok(true) => {
                    tenure.renewed(put);
                    self.right.extend_to(tenure.sends_until());
                    self.works_again();
                    self.delete_old(put).await;
                }
                Ok(false) => return self.tell_loss().await,
                Err(unclear) => {
                    self.fails(&unclear);
                    wait /= 4;
                }
            }
        }
    }

    /// Takes the next epoch after a lease that has grown too old, unless another service has it.
    async fn take_again(&mut self) -> Option<Tenure> {
        loop {
            let mut watch = LeaseWatch::begin(self.uptime.now(), self.terms);
            match self.look(&mut watch).await {
                Ok(LeaseLook::Claimed(tenure)) => {
                    self.begin(&tenure).await;
                    info!(
                        epoch = tenure.epoch(),
                        "the lease is taken again; no other service had it"
                    );
                    return Some(tenure);
                }
                Ok(LeaseLook::Waits(_, stored))
                    if stored.as_ref().is_some_and(|it| !self.is_mine(it)) =>
                {
                    self.tell_loss().await;
                    return None;
                }
                Ok(LeaseLook::Waits(..)) => {}
                Err(unclear) => self.fails(&unclear),
            }
            sleep(self.terms.step() / 4).await;
        }
    }

    async fn look(&mut self, watch: &mut LeaseWatch) -> Result<LeaseLook, Unclear> {
        self.me.lock = self.lock.take().map(str::to_owned);
        let asked = self.uptime.now();
        let stored = self.bounded(self.objects.latest()).await?;
        let sign = stored.as_ref().map(|stored| self.sign(stored));
        match watch.saw(sign, asked, self.uptime.now()) {
            WatchStep::Wait(wait) => Ok(LeaseLook::Waits(wait, stored)),
            WatchStep::Claim(epoch) => match self.claim(epoch).await? {
                Some(tenure) => Ok(LeaseLook::Claimed(tenure)),
                // Another service was faster. The next look shows it.
                None => Ok(LeaseLook::Waits(Duration::ZERO, None)),
            },
        }
    }

    /// Claims an epoch. `None` when another service has it.
    async fn claim(&self, epoch: u64) -> Result<Option<Tenure>, Unclear> {
        let (renewal, began) = (Renewal::claim(epoch), self.uptime.now());
        let put = LeasePut { renewal, began };
        if !self.bounded(self.objects.put(renewal, &self.me)).await? {
            return Ok(None);
        }
        // A claim that comes late may find its epoch free because a later holder has deleted it. The listing then shows that
        // later holder.
        let latest = self.bounded(self.objects.latest()).await?;
        if latest.is_none_or(|latest| latest.renewal != renewal) {
            return Ok(None);
        }
        let tenure = Tenure::begin(put, self.terms);
        if !tenure.may_send(self.uptime.now()) {
            return Err(Unclear::Slow);
        }
        Ok(Some(tenure))
    }

    /// Puts a renewal. Returns `false` when the next epoch is claimed.
    async fn renew(&mut self, put: LeasePut) -> Result<bool, Unclear> {
        self.put.push(put.renewal);
        let is_ours = self
            .bounded(self.objects.put(put.renewal, &self.me))
            .await?;
        let epoch = put.renewal.epoch;
        Ok(is_ours && !self.bounded(self.objects.is_overtaken(epoch)).await?)
    }

    async fn begin(&mut self, tenure: &Tenure) {
        self.right.extend_to(tenure.sends_until());
        self.standby.send_replace(false);
        self.works_again();
        self.put.clear();
        let old = self.objects.delete_before(tenure.epoch());
        drop(timeout(self.terms.step(), old).await);
    }

    /// Deletes the renewals before the last two. What is not deleted now is deleted later.
    async fn delete_old(&mut self, latest: LeasePut) {
        let keeps = |one: &Renewal| one.number + 1 >= latest.renewal.number;
        let (kept, old) = self.put.iter().copied().partition::<Vec<_>, _>(keeps);
        let objects = self.objects.clone();
        let deletes = async {
            let mut left = kept;
            for one in old {
                if !objects.delete(one).await {
                    left.push(one);
                }
            }
            left
        };
        if let Ok(left) = timeout(self.terms.step(), deletes).await {
            self.put = left;
        }
    }

    fn sign(&self, stored: &StoredLease) -> LeaseSign {
        let takeover = (stored.holder.as_ref()).map_or(self.terms.takeover(), |holder| {
            holder.terms().takeover().min(LONGEST)
        });
        LeaseSign {
            renewal: stored.renewal,
            terms: LeaseTerms::new(takeover),
            is_free: stored.is_released || self.is_mine(stored),
        }
    }

    /// Returns whether the object is by this process, or by one that has ended: this process has the lock that it had.
    fn is_mine(&self, stored: &StoredLease) -> bool {
        let is_mine = |holder: &LeaseHolder| {
            holder.instance == self.me.instance
                || (holder.lock.is_some() && holder.lock == self.me.lock)
        };
        stored.holder.as_ref().is_some_and(is_mine)
    }

    /// Waits for the store no longer than a renewal may take.
    async fn bounded<T>(
        &self,
        asked: impl Future<Output = Result<T, LakeError>>,
    ) -> Result<T, Unclear> {
        match timeout(self.terms.renewable_for(), asked).await {
            Ok(answer) => answer.map_err(Unclear::Lake),
            Err(_) => Err(Unclear::Slow),
        }
    }

    fn tell_claim(&self, watch: &LeaseWatch, holder: Option<&StoredLease>, tenure: &Tenure) {
        let epoch = tenure.epoch();
        let Some(holder) = holder.and_then(|stored| stored.holder.as_ref()) else {
            info!(epoch, "this service holds the lease");
            return;
        };
        let silent = self.uptime.now().saturating_sub(watch.since());
        let silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
        info!(epoch, %holder, silent_ms, "this service takes over: it holds the lease from now on");
    }

    async fn tell_loss(&mut self) {
        self.right.withdraw();
        let stored = self.bounded(self.objects.latest()).await.ok().flatten();
        let holder = stored.and_then(|stored| stored.holder);
        let holder = holder.map_or_else(|| "another service".to_owned(), |it| it.to_string());
        warn!(%holder, "another service has taken the lease over: this service sends no request and is a standby from now on");
    }

    fn fails(&mut self, unclear: &Unclear) {
        if !std::mem::replace(&mut self.is_failing, true) {
            let (error, advice) = match unclear {
                Unclear::Lake(error) => (with_causes(error), error.advice()),
                Unclear::Slow => (
                    "the lake answers too slowly".to_owned(),
                    "raise lease.takeover_secs if the lake is always that slow",
                ),
            };
            warn!(
                error,
                advice,
                "the lease cannot be read or renewed: without it this service sends no request and takes no webhook"
            );
        }
    }

    fn works_again(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            info!("the lease can be read and renewed again");
        }
    }
}

fn tell_standby(stored: Option<&StoredLease>, terms: LeaseTerms) {
    let holder = stored.and_then(|stored| stored.holder.as_ref());
    let holder = holder.map_or_else(|| "another service".to_owned(), ToString::to_string);
    let takeover_secs = terms.takeover().as_secs();
    info!(%holder, takeover_secs, "this service is a standby: another service holds the lease of the lake; it takes over when that service ends or gives no sign");
}

/// Returns the name of this machine, if the system tells it.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok())?;
    let name = name.trim();
    let is_name = |text: &str| !text.is_empty() && text.len() <= 255;
    is_name(name).then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
