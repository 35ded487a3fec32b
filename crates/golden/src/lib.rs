//! Reading goldens, filling by name, the tolerance rule (examples and tests only).
