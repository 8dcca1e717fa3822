//! How the process keeps its memory.

/// Keeps freed memory for the next step, where the allocator would give it back to the system: a step
/// asks for the same tens of megabytes again and again, and every page that comes fresh from the system
/// is zeroed first. For a program's start; does nothing where the allocator is not GNU's.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // Above this size a block is the system's from the start, and goes back to it when freed.
        const LARGEST: libc::c_int = 1 << 30;
        // SAFETY: settings of the allocator, which it reads under its own lock.
        unsafe {
            // One heap for all threads: only the first one keeps what is freed, and few blocks are asked for.
            libc::mallopt(libc::M_ARENA_MAX, 1);
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        }
    }
}
