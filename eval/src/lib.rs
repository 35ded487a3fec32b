//! Evaluators: plain records in, official numbers out.
