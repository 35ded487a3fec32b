//! A recipe whose training is flattened into it tells of its faults as if it were not.

use super::super::{Loaded, RecipeOrSetting, RunLength, load};
use crate::tiny_recipe::{TEXT, TinyRecipe};

fn with(pairs: &[(&str, &str)]) -> Result<Loaded<TinyRecipe>, RecipeOrSetting> {
    load("my.toml", TEXT, &super::set(pairs))
}

fn refusal(old: &str, new: &str) -> String {
    assert!(TEXT.contains(old));
    load::<TinyRecipe>("my.toml", &TEXT.replace(old, new), &[]).unwrap_err().to_string()
}

#[test]
fn it_reads_back_as_the_same() {
    let loaded = with(&[("steps", "7"), ("freeze", "[\"backbone\"]"), ("init", "none"), ("trace-every", "3")]).unwrap();
    let training = &loaded.recipe.training;
    assert_eq!((training.name.as_str(), training.length), ("tiny", RunLength::Steps(7.try_into().unwrap())));
    assert_eq!((training.freeze.as_slice(), training.trace_every), (&["backbone".to_owned()][..], 3.try_into().ok()));
    let again = load::<TinyRecipe>("recipe.toml", &loaded.resolved, &[]).unwrap();
    assert_eq!((&again.recipe, &again.resolved), (&loaded.recipe, &loaded.resolved));
    assert!(
        loaded.resolved.starts_with("task = \"tiny\"\nname = \"tiny\"\nseed = 1\nsteps = 7\n"),
        "{}",
        loaded.resolved
    );
}

#[test]
fn a_value_of_another_kind_keeps_its_path_and_place() {
    let text = refusal("momentum = 0.9", "momentum = \"much\"");
    assert_eq!(text, "`optimizer.sgd.momentum`: invalid type: string \"much\", expected f64\n  --> my.toml:16:1");
    let text = refusal("power = 0.9", "power = true");
    assert_eq!(
        text,
        "`schedule.curve.polynomial.power`: invalid type: boolean `true`, expected f64\n  --> my.toml:20:26"
    );
    let text = refusal("tau = 1", "tau = 0");
    assert!(text.starts_with("`regularizer.wrs.rescale.tau`: invalid value: integer `0`"), "{text}");
    assert!(text.ends_with("  --> my.toml:25:13"), "{text}");
    assert_eq!(
        refusal("select = \"filters\"", "select = \"filter\""),
        "`regularizer.wrs.rescale.select`: unknown value \"filter\"\n  --> my.toml:25:22\nhelp: did you mean \"filters\"?"
    );
    let text = refusal("evaluate-every = 200", "evaluate-every = 0");
    assert!(text.starts_with("`evaluate-every`: invalid value") && text.ends_with("--> my.toml:7:1"), "{text}");
    let text = refusal("nominal-batch = 8", "nominal-batch = -8");
    assert!(text.starts_with("`nominal-batch`: invalid value") && text.ends_with("--> my.toml:9:1"), "{text}");
    let text = with(&[("optimizer.sgd.momentum", "much")]).unwrap_err().to_string();
    assert!(text.starts_with("`optimizer.sgd.momentum`: "), "{text}");
    assert!(text.ends_with("--> --set optimizer.sgd.momentum=\"much\""), "{text}");
    let text = with(&[("epochs", "0")]).unwrap_err().to_string();
    assert!(text.contains("`epochs`: expected a whole number above 0"), "{text}");
}

#[test]
fn an_unknown_key_names_its_place_and_the_nearest() {
    assert_eq!(
        refusal("seed = 1", "seed = 1\ncheckpoint_evry = 3"),
        "unknown key `checkpoint_evry`\n  --> my.toml:5:1\nhelp: did you mean `checkpoint-every`?"
    );
    assert_eq!(
        refusal("momentum = 0.9", "momentum = 0.9\nnestrov = true"),
        "unknown key `optimizer.sgd.nestrov`\n  --> my.toml:17:1\nhelp: did you mean `optimizer.sgd.nesterov`?"
    );
    assert_eq!(
        refusal("width = 1", "width = 1\nwdth = 2"),
        "unknown key `model.wdth`\n  --> my.toml:14:1\nhelp: did you mean `model.width`?"
    );
    let error = |key| with(&[(key, "1")]).unwrap_err().to_string();
    assert_eq!(error("sed"), "unknown key `sed`\n  --> --set sed=1\nhelp: did you mean `seed`?");
    assert!(error("regularizer.wrs.rescale.taw").contains("help: did you mean `regularizer.wrs.rescale.tau`?"));
    let text = refusal("[optimizer.sgd]", "[optimizer.sdg]");
    assert_eq!(text, "`optimizer`: unknown value \"sdg\"\n  --> my.toml:15:2\nhelp: did you mean \"sgd\"?");
}

#[test]
fn a_missing_key_is_named_with_the_one_that_may_be_meant() {
    assert_eq!(
        refusal("checkpoint-every = 100", "checkpoint-evry = 100"),
        "missing key `checkpoint-every`\n  --> my.toml:1:1\nhelp: is it `checkpoint-evry` (my.toml:6:1)?"
    );
    let complete = "help: a recipe is complete: every key must be given";
    assert_eq!(refusal("lr = 0.01\n", ""), format!("missing key `lr`\n  --> my.toml:1:1\n{complete}"));
    assert_eq!(
        refusal("nesterov = true\n", ""),
        format!("missing key `optimizer.sgd.nesterov`\n  --> my.toml:15:12\n{complete}")
    );
    assert!(refusal("nominal-batch = 8\n", "").starts_with("missing key `nominal-batch`\n  --> my.toml:1:1\n"));
    assert!(refusal("epochs = 5", "").contains("expected one of `steps` and `epochs`, got neither"));
    let text = refusal("epochs = 5", "epochs = 5\nsteps = 10");
    assert!(text.starts_with("expected one of `steps` and `epochs`, got both\n  --> my.toml:5:1"), "{text}");
}

#[test]
fn values_out_of_range_are_named_the_trainings_and_the_tasks() {
    for (key, value, told) in [
        ("lr", "0.0", "recipe: `lr`: expected a number above 0, got 0"),
        ("lr", "nan", "recipe: `lr`: expected a number above 0, got NaN"),
        ("schedule.curve.polynomial.power", "-1.0", "recipe: `schedule`: expected a usable value, got "),
        ("nominal-batch", "2", "recipe: `nominal-batch`: expected at least `batch`, got 2"),
    ] {
        let error = with(&[(key, value)]).unwrap_err();
        assert!(matches!(&error, RecipeOrSetting::Setting(_)) && error.to_string().starts_with(told), "{error}");
    }
}
