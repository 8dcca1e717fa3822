//! Libraries that decode files may panic on damaged ones; a user's file must not end the program.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::error::panic_text;

thread_local! {
    /// A panic of this thread is caught and told as a problem of the file.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// A decoder that panics on damaged data counts as a failure, and prints nothing.
pub(super) fn caught<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !IS_CAUGHT.get() {
                usual(panic);
            }
        }));
    });
    IS_CAUGHT.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(decode));
    IS_CAUGHT.set(false);
    result.unwrap_or_else(|panic| Err(format!("the decoder failed: {}", panic_text(&*panic))))
}
