//! DeepLabv3: recipes, samples, model, loss, training, evaluation, prediction.
