use std::sync::Mutex;

use super::*;
use crate::build_info::BUILD_INFO;
use crate::chore::Stands;
use crate::customer::{Access, EndUser, ModelAccess};
use crate::ids::{Category, EndpointName};
use crate::lake::LakeSettings;
use crate::metrics::Metrics;
use crate::sink::Registration;
use crate::time::SystemClock;
use crate::trouble::Troubles;
use crate::versions::guard::HoldCause;

/// Answers every question with the same name, and counts the questions. Without a name it does not answer.
#[derive(Default)]
struct Kombo {
    name: Mutex<Option<&'static str>>,
    asked: Mutex<Vec<IntegrationId>>,
    overheard: Mutex<Vec<CustomerInfo>>,
}

impl Kombo {
    fn named(name: &'static str) -> Self {
        let kombo = Self::default();
        *kombo.name.lock().expect("no panic") = Some(name);
        kombo
    }

    fn asked(&self) -> usize {
        std::mem::take(&mut *self.asked.lock().expect("no panic")).len()
    }
}

impl Questions for Kombo {
    fn stands<'a>(&'a self, _: &'a IntegrationId) -> BoxFuture<'a, Stands> {
        unreachable!("the chore does not ask for it")
    }

    fn customer<'a>(&'a self, id: &'a IntegrationId) -> BoxFuture<'a, Option<CustomerInfo>> {
        self.asked.lock().expect("no panic").push(id.clone());
        let name = *self.name.lock().expect("no panic");
        async move { name.map(|name| said(id, name)) }.boxed()
    }

    fn overheard(&self) -> Vec<CustomerInfo> {
        std::mem::take(&mut *self.overheard.lock().expect("no panic"))
    }

    fn why_gone<'a>(
        &'a self,
        _: &'a IntegrationId,
        _: &'a EndpointName,
    ) -> BoxFuture<'a, Option<(HoldCause, &'static str)>> {
        unreachable!("the chore does not ask for it")
    }
}

fn said(id: &IntegrationId, name: &str) -> CustomerInfo {
    CustomerInfo {
        integration: id.clone(),
        end_user: EndUser::new(Some(name), Some("tenant-1")),
        models: vec![ModelAccess {
            id: "ats_jobs".to_owned(),
            access: Access::default(),
            fields: Vec::new(),
        }],
    }
}

fn id(name: &str) -> IntegrationId {
    IntegrationId::new(name).expect("an id")
}

async fn lake(registered: &[(&str, &str)]) -> Lake {
    let settings = LakeSettings {
        url: "memory:".to_owned(),
        ..LakeSettings::default()
    };
    let lake = Lake::open(&settings, Arc::new(SystemClock)).await;
    let lake = lake.expect("a lake");
    register(&lake, registered).await;
    lake
}

async fn register(lake: &Lake, registered: &[(&str, &str)]) {
    let rows = registered.iter().map(|(name, state)| Registration {
        integration: id(name),
        category: Category::Ats,
        origin: "webhook".to_owned(),
        state: (*state).to_owned(),
        since_ms: 1,
        state_since_ms: Some(1),
        not_found_since_ms: None,
        environment: None,
        end_user: EndUser::default(),
    });
    let rows: Vec<_> = rows.collect();
    drop(lake.register(&rows).await.expect("registered"));
}

async fn run(chore: &mut CustomerChore, kombo: &Kombo) {
    let metrics = Metrics::new("source", "sink", &BUILD_INFO);
    let beside = Beside {
        kombo,
        metrics: &metrics,
        troubles: &Troubles::default(),
    };
    assert_eq!(chore.run(beside).await, EVERY);
}

/// Returns the name of each integration, and its number of rows in `kombo_coverage`.
async fn known(lake: &Lake) -> Vec<(String, Option<String>, usize)> {
    let covered = lake.coverage_of_models().await.expect("read");
    let registered = lake.registered().await.expect("read").into_iter();
    let known = registered.map(|row| {
        let own = covered
            .iter()
            .filter(|one| one.integration == row.integration);
        let name = row.end_user.organization_name;
        (row.integration.to_string(), name, own.count())
    });
    known.collect()
}

#[tokio::test]
async fn each_integration_is_asked_about_once_and_a_restart_asks_nothing_again() {
    let lake = lake(&[("tool:a", "active"), ("tool:b", "inactive")]).await;
    let mut chore = CustomerChore::new(lake.clone(), Vec::new());
    let kombo = Kombo::named("Acme");
    run(&mut chore, &kombo).await;
    assert_eq!(kombo.asked(), 1);
    run(&mut chore, &kombo).await;
    let mut chore = CustomerChore::new(lake.clone(), Vec::new());
    run(&mut chore, &kombo).await;
    assert_eq!(kombo.asked(), 0);
    let acme = Some("Acme".to_owned());
    assert_eq!(
        known(&lake).await,
        [
            ("tool:a".to_owned(), acme, 1),
            ("tool:b".to_owned(), None, 0)
        ]
    );
}

#[tokio::test]
async fn after_a_question_without_an_answer_kombo_is_left_alone() {
    let lake = lake(&[("tool:a", "active"), ("tool:b", "active")]).await;
    let mut chore = CustomerChore::new(lake.clone(), Vec::new());
    let kombo = Kombo::default();
    for asked in [1, 1, 0] {
        run(&mut chore, &kombo).await;
        assert_eq!(kombo.asked(), asked);
    }
    assert!(
        known(&lake)
            .await
            .iter()
            .all(|(_, name, rows)| name.is_none() && *rows == 0)
    );
}

#[tokio::test]
async fn an_answer_to_another_question_is_taken_in_once_its_integration_is_registered() {
    let lake = lake(&[("tool:a", "active"), ("tool:gone", "purged")]).await;
    let mut chore = CustomerChore::new(lake.clone(), Vec::new());
    let kombo = Kombo::default();
    let overheard = ["tool:a", "tool:gone", "tool:new"].map(|name| said(&id(name), "Acme"));
    *kombo.overheard.lock().expect("no panic") = overheard.to_vec();
    run(&mut chore, &kombo).await;
    let acme = || Some("Acme".to_owned());
    let a = ("tool:a".to_owned(), acme(), 1);
    let gone = ("tool:gone".to_owned(), None, 0);
    assert_eq!(known(&lake).await, [a.clone(), gone.clone()]);
    register(&lake, &[("tool:new", "active")]).await;
    run(&mut chore, &kombo).await;
    let new = ("tool:new".to_owned(), acme(), 1);
    assert_eq!(known(&lake).await, [a, gone, new]);
}
