//! What this process uses of its machine, read at each scrape from the files that Linux shows a process of itself.

use std::fs;

use crate::metrics::{ProcessFiles, ProcessUse};

/// Reads the values. Where there are no such files, as on other systems, there are no values.
pub(super) fn own_use() -> ProcessUse {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    // The folder itself is open while it is read.
    let open = fs::read_dir("/proc/self/fd").map(|entries| entries.count().saturating_sub(1));
    ProcessUse::parse(&ProcessFiles {
        stat: text("/proc/self/stat"),
        status: text("/proc/self/status"),
        limits: text("/proc/self/limits"),
        machine: text("/proc/stat"),
        open_files: open.ok(),
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::build_info::BUILD_INFO;
    use crate::metrics::Metrics;

    #[test]
    fn a_scrape_says_what_this_process_uses() {
        let metrics = Metrics::new("kombo", "lake", &BUILD_INFO);
        metrics.process(own_use());
        let text = metrics.encode();
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_open_fds",
            "process_start_time_seconds",
        ] {
            let line = text
                .lines()
                .find(|line| line.starts_with(&format!("{name} ")));
            let value = line.and_then(|line| line.rsplit(' ').next());
            let value: f64 = value.and_then(|text| text.parse().ok()).expect(name);
            assert!(value >= 0.0 && value.is_finite(), "{name} {value}");
        }
    }
}
