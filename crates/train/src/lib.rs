//! Recipes, run directories, checkpoints, metrics, progress.
