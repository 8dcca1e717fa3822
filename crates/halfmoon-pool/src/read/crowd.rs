//! So much memory for all threads together.

use std::sync::{Condvar, Mutex, PoisonError};

/// Lets in who needs memory while there is some left. Whoever is within must not enter again.
pub(super) struct Crowd {
    most: u64,
    within: Mutex<u64>,
    left: Condvar,
}

/// What was taken; given back when dropped.
pub(super) struct Place<'a> {
    crowd: &'a Crowd,
    bytes: u64,
}

impl Crowd {
    pub(super) const fn of(most: u64) -> Crowd {
        Crowd { most, within: Mutex::new(0), left: Condvar::new() }
    }

    /// Waits until there is room. More than there ever is counts as all of it.
    pub(super) fn enter(&self, bytes: u64) -> Place<'_> {
        let bytes = bytes.min(self.most);
        let within = self.within.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |within: &mut u64| *within + bytes > self.most;
        *self.left.wait_while(within, is_full).unwrap_or_else(PoisonError::into_inner) += bytes;
        Place { crowd: self, bytes }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.crowd.within.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.crowd.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_more_are_within_than_there_is_room_for_and_all_get_in() {
        let (crowd, within, most, entered) = (Crowd::of(100), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..16_u64 {
                let (crowd, within, most, entered) = (&crowd, &within, &most, &entered);
                scope.spawn(move || {
                    for bytes in [10, 60, 100, 1_000, 1 + thread] {
                        let _place = crowd.enter(bytes);
                        let now = within.fetch_add(bytes.min(100), Ordering::SeqCst) + bytes.min(100);
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_micros(100));
                        within.fetch_sub(bytes.min(100), Ordering::SeqCst);
                        entered.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!((most.into_inner(), entered.into_inner()), (100, 80));
    }
}
