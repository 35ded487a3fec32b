//! The binary `wrs`.
fn main() {}
