//! Why something is held: Kombo is asked for the integration. A scope that was switched off, or data that expired,
//! explains rows that vanish at once.

use crate::api::{IntegrationInfo, KomboApi, ReadModel};
use crate::lake::{Hold, Lake, LakeError};
use crate::versions::guard::HoldCause;

/// Asks Kombo why something is held, and writes the answer down. Returns the hold as it then stands: as it was when Kombo
/// does not answer or knows no reason.
pub(super) async fn explained(
    api: &impl KomboApi,
    lake: &Lake,
    hold: &Hold,
) -> Result<Hold, LakeError> {
    let Ok(info) = api.integration(&hold.integration).await else {
        return Ok(hold.clone());
    };
    let Some((cause, why)) = reason(&info, &hold.endpoint.table_name()) else {
        return Ok(hold.clone());
    };
    if hold.cause == cause {
        return Ok(hold.clone());
    }
    let explained = Hold {
        cause,
        detail: format!("{}; {why}", hold.detail),
        ..hold.clone()
    };
    let put = lake.put_holds(std::slice::from_ref(&explained)).await?;
    Ok(put.into_iter().next().unwrap_or(explained))
}

/// A model has the name of its table.
fn reason(info: &IntegrationInfo, model: &str) -> Option<(HoldCause, &'static str)> {
    let is_off = |known: &ReadModel| known.id == model && !known.is_available;
    if info.read_models.iter().any(is_off) {
        let why = "Kombo says that the model is switched off or not available any more";
        return Some((HoldCause::ScopeOff, why));
    }
    let why = "Kombo says that scopes or filters were changed, and that it has yet to fetch anew";
    info.data_expired_at
        .as_ref()
        .map(|_| (HoldCause::DataExpired, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ObservedAt;

    fn info(model: &str, is_available: bool, expired: bool) -> IntegrationInfo {
        IntegrationInfo {
            tool: "lever".to_owned(),
            category: "ATS".to_owned(),
            status: "ACTIVE".to_owned(),
            setup_status: None,
            data_expired_at: expired.then(|| "2026-01-05T08:00:00.000Z".to_owned()),
            read_models: vec![ReadModel {
                id: model.to_owned(),
                is_available,
            }],
            observed_at: ObservedAt::from_micros(0),
        }
    }

    #[test]
    fn a_switched_off_model_explains_its_own_table_and_expired_data_any() {
        let cause = |info: &IntegrationInfo| reason(info, "ats_tags").map(|(cause, _)| cause);
        let off = info("ats_tags", false, true);
        assert_eq!(cause(&off), Some(HoldCause::ScopeOff));
        assert_eq!(cause(&info("ats_jobs", false, false)), None);
        assert_eq!(cause(&info("ats_tags", true, false)), None);
        let expired = info("ats_tags", true, true);
        assert_eq!(cause(&expired), Some(HoldCause::DataExpired));
    }
}
