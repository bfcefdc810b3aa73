//! How much memory the process needed at most.

use std::fs;

/// Logs the peak of the process's own memory, where the system tells it. `cargo xtask bench plugin` reads this.
pub(super) fn log_peak() {
    let Some(status) = fs::read_to_string("/proc/self/status").ok() else {
        return;
    };
    if let Some(vm_hwm_kib) = peak_kib(&status) {
        tracing::debug!(vm_hwm_kib, "peak memory");
    }
}

fn peak_kib(status: &str) -> Option<u64> {
    let rest = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    rest.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_found_among_the_other_numbers() {
        let status = "VmPeak:\t  9000 kB\nVmHWM:\t    5120 kB\nVmRSS:\t    4000 kB\n";
        assert_eq!(peak_kib(status), Some(5120));
        assert_eq!(peak_kib("VmRSS:\t    4000 kB\n"), None);
    }
}
