//! Readers, decoding, augmentation, the loader, made-up scenes.
