//! Memory that the allocator keeps after it was freed.

/// Returns freed memory to the system. Called after work that needed much memory for a short time, since
/// glibc's allocator would keep it, and the peak would grow with the size of a store.
pub(crate) fn trim_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "no safe function does this")]
        // SAFETY: it may be called at any time by any thread; what is in use stays where it is.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}
