//! Optimizers, schedules, EMA and weight rescaling (WRS).
