//! The parts of a registry: names, help texts and labels.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

/// Names and values of labels, in the order of the family.
pub(super) type Labels = Vec<(&'static str, String)>;
/// Counters with the same name and different labels.
pub(super) type Counters = Family<Labels, Counter>;
/// Gauges with the same name and different labels.
pub(super) type Gauges = Family<Labels, Float>;
/// A gauge that holds fractions.
pub(super) type Float = Gauge<f64, AtomicU64>;
/// A counter of fractions.
pub(super) type FloatCounter = Counter<f64, AtomicU64>;

/// The component that measures. Vector writes these labels beside every metric of a component.
#[derive(Clone, Debug)]
pub(super) struct Component {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) sort: &'static str,
}

impl Component {
    /// Returns the labels of this component, followed by further ones.
    pub(super) fn labels(&self, more: &[(&'static str, &str)]) -> Labels {
        let own = [
            ("component_id", self.id.as_str()),
            ("component_kind", self.kind),
            ("component_type", self.sort),
        ];
        labels(own.iter().chain(more))
    }
}

/// Copies labels into owned ones.
pub(super) fn labels<'a>(pairs: impl IntoIterator<Item = &'a (&'static str, &'a str)>) -> Labels {
    let own = |&(name, value): &(&'static str, &str)| (name, value.to_owned());
    pairs.into_iter().map(own).collect()
}

/// Creates metrics and registers them.
pub(super) struct Families<'a>(pub(super) &'a mut Registry);

impl Families<'_> {
    /// Returns a part of the registry in which every metric has the labels of a component.
    pub(super) fn of(&mut self, component: &Component) -> Families<'_> {
        let owned = component.labels(&[]).into_iter();
        let labels = owned.map(|(name, value)| (Cow::Borrowed(name), Cow::Owned(value)));
        Families(self.0.sub_registry_with_labels(labels))
    }

    /// Registers a metric. The encoder adds `_total` to the name of a counter and a full stop to the help text.
    pub(super) fn put<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    /// Registers a metric at its default, zero.
    pub(super) fn plain<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.put(name, help, M::default())
    }

    /// Registers a histogram of seconds.
    pub(super) fn seconds(&mut self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.put(name, help, Histogram::new(buckets.iter().copied()))
    }
}

/// Replaces all values of a family. Values are set before old series are removed, so that no scrape sees an empty family.
pub(super) fn replace(family: &Gauges, last: &mut Vec<Labels>, values: Vec<(Labels, f64)>) {
    for (labels, value) in &values {
        family.get_or_create(labels).set(*value);
    }
    let now: Vec<Labels> = values.into_iter().map(|(labels, _)| labels).collect();
    for gone in last.iter().filter(|labels| !now.contains(labels)) {
        family.remove(gone);
    }
    *last = now;
}
