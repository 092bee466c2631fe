//! What the process uses of its machine, under the names that Prometheus's own client libraries give these metrics.
//!
//! The rules for Linux's files are here; [`ProcessUse::parse`] reads no file itself. A value that a file does not tell is
//! left out of the scrape: zero would be wrong.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::wide;

/// Clock ticks per second in Linux's `stat` files. The kernel shows 100 on every machine that Rust builds for
/// (`USER_HZ`), whatever its own timer does.
const TICKS_PER_SECOND: f64 = 100.0;

/// Texts of Linux's files about a process. A text that cannot be read is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFiles {
    /// `/proc/self/stat`.
    pub stat: String,
    /// `/proc/self/status`.
    pub status: String,
    /// `/proc/self/limits`.
    pub limits: String,
    /// `/proc/stat`: when the machine was started.
    pub machine: String,
    /// Number of entries of `/proc/self/fd`.
    pub open_files: Option<usize>,
}

/// What a process uses. Each value is absent where the system does not tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUse {
    cpu_seconds: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    open_files: Option<f64>,
    max_files: Option<f64>,
    start_seconds: Option<f64>,
}

impl ProcessUse {
    /// Reads the values from the texts of Linux's files.
    #[must_use]
    pub fn parse(files: &ProcessFiles) -> Self {
        // The name of the program is in brackets and may hold blanks and brackets. Fields are counted after it: the third
        // field of the manual is the first one here.
        let fields = files.stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = |number: usize| {
            let field = fields.split_ascii_whitespace().nth(number - 3)?;
            field.parse().ok().map(wide)
        };
        let (user, system, started) = (ticks(14), ticks(15), ticks(22));
        let boot = line_of(&files.machine, "btime").and_then(first_number);
        let cpu = user.zip(system);
        Self {
            cpu_seconds: cpu.map(|(user, system)| (user + system) / TICKS_PER_SECOND),
            resident_bytes: kibibytes(&files.status, "VmRSS:"),
            virtual_bytes: kibibytes(&files.status, "VmSize:"),
            open_files: files.open_files.map(|count| wide(count as u64)),
            // `unlimited` is no number, and then there is no value.
            max_files: line_of(&files.limits, "Max open files").and_then(first_number),
            start_seconds: boot
                .zip(started)
                .map(|(boot, ticks)| boot + ticks / TICKS_PER_SECOND),
        }
    }
}

/// Returns the rest of the line that begins with a word.
fn line_of<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(start))
}

fn first_number(rest: &str) -> Option<f64> {
    let word = rest.split_ascii_whitespace().next()?;
    word.parse().ok().map(wide)
}

fn kibibytes(status: &str, start: &str) -> Option<f64> {
    line_of(status, start)
        .and_then(first_number)
        .map(|number| number * 1024.0)
}

/// Writes the values that were set last.
#[derive(Clone, Debug, Default)]
pub(super) struct ProcessCollector(Arc<Mutex<ProcessUse>>);

impl ProcessCollector {
    pub(super) fn set(&self, values: ProcessUse) {
        // The value is replaced in one step, so a poisoned lock still guards a valid one.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Linux computes the start of the machine from its clocks, so it may move by a second. A process starts once.
        let start_seconds = kept.start_seconds.or(values.start_seconds);
        *kept = ProcessUse {
            start_seconds,
            ..values
        };
    }
}

impl Collector for ProcessCollector {
    #[rustfmt::skip]
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let values = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seconds) = values.cpu_seconds {
            let counter = ConstCounter::new(seconds);
            let help = "CPU time of the process, user and system, in seconds.";
            counter.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, counter.metric_type())?)?;
        }
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Memory of the process that is in RAM.", values.resident_bytes),
            ("process_virtual_memory_bytes", "Address space of the process.", values.virtual_bytes),
            ("process_open_fds", "Open file descriptors, sockets included.", values.open_files),
            ("process_max_fds", "The most file descriptors that the process may open.", values.max_files),
            ("process_start_time_seconds", "Start of the process, in seconds since 1970.", values.start_seconds),
        ] {
            if let Some(value) = value {
                let gauge = ConstGauge::new(value);
                gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
            }
        }
        Ok(())
    }
}

/// Returns a value for each metric.
#[cfg(test)]
pub(super) fn every_value() -> ProcessUse {
    let one = Some(1.0);
    ProcessUse {
        cpu_seconds: one,
        resident_bytes: one,
        virtual_bytes: one,
        open_files: one,
        max_files: one,
        start_seconds: one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> ProcessFiles {
        ProcessFiles {
            stat: "42 (a ) b (c) S 1 42 42 0 -1 4194304 0 0 0 0 250 50 0 0 20 0 9 0 1234 0 0 0 0 0".to_owned(),
            status: "Name:\tx\nVmSize:\t    2048 kB\nVmRSS:\t     512 kB\n".to_owned(),
            limits: "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 524288               files     \n".to_owned(),
            machine: "cpu  1 2 3\nbtime 1700000000\nprocesses 5\n".to_owned(),
            open_files: Some(7),
        }
    }

    #[test]
    fn linux_files_become_seconds_and_bytes() {
        let expected = ProcessUse {
            cpu_seconds: Some(3.0),
            resident_bytes: Some(524_288.0),
            virtual_bytes: Some(2_097_152.0),
            open_files: Some(7.0),
            max_files: Some(1024.0),
            start_seconds: Some(1_700_000_012.34),
        };
        assert_eq!(ProcessUse::parse(&files()), expected);
    }

    #[test]
    fn the_start_of_a_process_never_moves() {
        let collector = ProcessCollector::default();
        for (start, open) in [(5.0, 1.0), (6.0, 2.0)] {
            collector.set(ProcessUse {
                open_files: Some(open),
                start_seconds: Some(start),
                ..ProcessUse::default()
            });
        }
        let kept = *collector.0.lock().expect("whole");
        assert_eq!(
            (kept.start_seconds, kept.open_files),
            (Some(5.0), Some(2.0))
        );
    }

    #[test]
    fn what_a_system_does_not_tell_has_no_value() {
        assert_eq!(
            ProcessUse::parse(&ProcessFiles::default()),
            ProcessUse::default()
        );
        let odd = ProcessFiles {
            stat: "1 (x".to_owned(),
            limits: "Max open files            unlimited            unlimited            files\n"
                .to_owned(),
            status: "VmRSS:\n".to_owned(),
            machine: "btime\n".to_owned(),
            open_files: None,
        };
        assert_eq!(ProcessUse::parse(&odd), ProcessUse::default());
    }
}
