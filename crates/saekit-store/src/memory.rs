//! What the allocator keeps for later.

/// Gives the system back the memory that was freed. For after work that took much memory for a short
/// time: glibc's allocator keeps what it took, and more of it the more a store holds.
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
