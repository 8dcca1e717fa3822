//! What the process has cost so far.

/// Seconds that processors have worked for this process, over all its threads. `None` where the system is not Linux.
pub fn cpu_seconds() -> Option<f64> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: it writes into `time`, which is there, and nowhere else.
        let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
        (failed == 0).then_some(time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64)
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    None
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn work_costs_time_and_the_clock_never_runs_backwards() {
        let before = cpu_seconds().expect("this system tells");
        let mut last = before;
        while last - before < 0.01 {
            let now = cpu_seconds().expect("this system tells");
            assert!(now >= last);
            last = now;
        }
    }
}
