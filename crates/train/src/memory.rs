//! Peak memory of this process.

use std::fs;

/// Largest resident set so far, in bytes; `None` where the system does not say (anything but Linux).
pub fn peak_resident() -> Option<u64> {
    parse_peak(&fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_in_bytes() {
        assert_eq!(parse_peak("Name:\tx\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n"), Some(12_641_280));
        assert_eq!(parse_peak("VmRSS:\t 1 kB\n"), None);
        assert_eq!(parse_peak("VmHWM:\t many kB\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_large_allocation_raises_the_peak() {
        let block = std::hint::black_box(vec![1u8; 64 << 20]);
        drop(block);
        assert!(peak_resident().unwrap() >= 64 << 20);
    }
}
