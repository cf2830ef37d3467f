//! The sparse dictionary, its algebra and the formats it is read from and written to.
