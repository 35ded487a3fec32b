mod flattened;

use std::num::NonZeroU64;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Recipe {
    task: String,
    seed: u64,
    #[serde(flatten)]
    length: RunLength,
    checkpoint_every: NonZeroU64,
    evaluate_every: NonZeroU64,
    optim: Optim,
    rescale: Rescale,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Optim {
    lr: f64,
    momentum: f32,
    weight_decay: f64,
    schedule: Schedule,
    sizes: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clip: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Schedule {
    Constant,
    MultiStep { at: Vec<u64>, factor: f64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
enum Rescale {
    None,
    Wrs { tau: u64, literal: bool },
}

const TEXT: &str = "\
# A recipe.
task = \"detection\"
seed = 1
epochs = 50
checkpoint-every = 100
evaluate-every = 200

[optim]
lr = 0.01
momentum = 0.9
weight-decay = 1
sizes = [320, 352]
schedule = { multi-step = { at = [10, 20], factor = 0.1 } }

[rescale]
kind = \"wrs\"
tau = 8
literal = false
";

fn set(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn parse<T: DeserializeOwned + Serialize>(
    name: &str,
    text: &str,
    overrides: &[(String, String)],
) -> Result<Loaded<T>, RecipeError> {
    Given::read(name, text, overrides)?.resolve()
}

fn with(pairs: &[(&str, &str)]) -> Result<Loaded<Recipe>, RecipeError> {
    parse("my.toml", TEXT, &set(pairs))
}

fn refusal(old: &str, new: &str) -> String {
    assert!(TEXT.contains(old));
    parse::<Recipe>("my.toml", &TEXT.replace(old, new), &[]).unwrap_err().to_string()
}

#[test]
fn a_recipe_is_read_and_its_resolved_text_reads_back_as_the_same() {
    let loaded = with(&[]).unwrap();
    let optim = &loaded.recipe.optim;
    assert_eq!((optim.lr, optim.weight_decay), (0.01, 1.0), "a whole number is a number");
    assert_eq!(loaded.recipe.length, RunLength::Epochs(NonZeroU64::new(50).unwrap()));
    assert_eq!(loaded.recipe.rescale, Rescale::Wrs { tau: 8, literal: false });
    let again = parse::<Recipe>("recipe.toml", &loaded.resolved, &[]).unwrap();
    assert_eq!((&again.recipe, &again.resolved), (&loaded.recipe, &loaded.resolved));
    assert_eq!(again.digest(), loaded.digest());
}

#[test]
fn overrides_edit_the_table_before_it_is_typed() {
    let loaded = with(&[("optim.lr", "2e-3"), ("task", "counting"), ("optim.clip", "5"), ("optim.lr", "0.5")]).unwrap();
    assert_eq!((loaded.recipe.optim.lr, loaded.recipe.optim.clip), (0.5, Some(5.0)));
    assert_eq!(loaded.recipe.task, "counting");
    let first = Override { key: "optim.lr".into(), was: Some("0.01".into()), value: "0.002".into() };
    assert_eq!(loaded.overrides[0], first);
    assert_eq!(loaded.overrides[2], Override { key: "optim.clip".into(), was: None, value: "5".into() });
    assert_ne!(loaded.digest(), with(&[]).unwrap().digest());
    let whole = with(&[("rescale", "{ kind = \"none\" }"), ("optim.schedule", "constant")]).unwrap();
    assert_eq!((whole.recipe.rescale, whole.recipe.optim.schedule), (Rescale::None, Schedule::Constant));
}

#[test]
fn steps_override_epochs_and_the_reverse() {
    let steps = with(&[("steps", "200")]).unwrap();
    assert_eq!(steps.recipe.length, RunLength::Steps(NonZeroU64::new(200).unwrap()));
    assert!(!steps.resolved.contains("epochs"));
    let back = with(&[("steps", "200"), ("epochs", "3")]).unwrap();
    assert_eq!(back.recipe.length, RunLength::Epochs(NonZeroU64::new(3).unwrap()));
    let text = refusal("epochs = 50", "epochs = 50\nsteps = 10");
    assert!(text.starts_with("expected one of `steps` and `epochs`, got both\n  --> my.toml:4:1"), "{text}");
    assert!(refusal("epochs = 50", "").contains("expected one of `steps` and `epochs`, got neither"));
    let text = with(&[("steps", "0")]).unwrap_err().to_string();
    assert!(text.contains("`steps`: expected a whole number above 0"), "{text}");
}

#[test]
fn an_unknown_key_names_its_place_and_the_nearest() {
    assert_eq!(
        refusal("weight-decay = 1", "wieght-decay = 1"),
        "unknown key `optim.wieght-decay`\n  --> my.toml:11:1\nhelp: did you mean `optim.weight-decay`?"
    );
    assert!(refusal("[optim]", "[optim]\nweight_decay = 1").contains("help: did you mean `optim.weight-decay`?"));
    assert_eq!(
        refusal("[optim]", "[optim]\nzzz = 1"),
        "unknown key `optim.zzz`\n  --> my.toml:9:1\nhelp: valid keys here: clip, lr, momentum, schedule, sizes, weight-decay"
    );
    let top = refusal("seed = 1", "seed = 1\ncheckpoint_evry = 3");
    assert!(
        top.starts_with("unknown key `checkpoint_evry`\n  --> my.toml:4:1\nhelp: did you mean `checkpoint-every`?")
    );
    let tagged = refusal("tau = 8", "tau = 8\ntaw = 1");
    assert!(
        tagged.starts_with("unknown key `rescale.taw`\n  --> my.toml:18:1\nhelp: did you mean `rescale.tau`?"),
        "{tagged}"
    );
    let inner = refusal("factor = 0.1", "facter = 0.1, factor = 0.1");
    assert!(inner.contains("`optim.schedule.multi-step.facter`") && inner.contains("my.toml:13:"), "{inner}");
}

#[test]
fn an_unknown_key_in_set_is_refused() {
    let error = |key| with(&[(key, "1")]).unwrap_err().to_string();
    assert_eq!(error("optim.lrr"), "unknown key `optim.lrr`\n  --> --set optim.lrr=1\nhelp: did you mean `optim.lr`?");
    assert!(error("optm.lr").starts_with("unknown key `optm`\n  --> --set optm.lr=1\nhelp: did you mean `optim`?"));
    assert!(error("sed").contains("help: did you mean `seed`?"));
}

#[test]
fn a_missing_key_is_named_with_the_one_that_may_be_meant() {
    assert_eq!(
        refusal("tau = 8\n", ""),
        "missing key `rescale.tau`\n  --> my.toml:15:2\nhelp: a recipe is complete: every key must be given"
    );
    let text = refusal("checkpoint-every = 100", "checkpoint-evry = 100");
    assert_eq!(text, "missing key `checkpoint-every`\n  --> my.toml:1:1\nhelp: is it `checkpoint-evry` (my.toml:5:1)?");
}

#[test]
fn a_value_of_another_kind_names_key_place_expected_and_got() {
    let text = refusal("lr = 0.01", "lr = \"fast\"");
    assert_eq!(text, "`optim.lr`: invalid type: string \"fast\", expected f64\n  --> my.toml:9:1");
    let text = with(&[("optim.lr", "fast")]).unwrap_err().to_string();
    assert!(text.ends_with("--> --set optim.lr=\"fast\""), "{text}");
    assert!(
        refusal("sizes = [320, 352]", "sizes = [320, -1]").starts_with("`optim.sizes.1`: invalid value: integer `-1`")
    );
    assert!(refusal("evaluate-every = 200", "evaluate-every = 0").contains("`evaluate-every`: invalid value"));
    let text = refusal("kind = \"wrs\"", "kind = \"wsr\"");
    assert!(text.contains("unknown value \"wsr\"") && text.contains("help: did you mean \"wrs\"?"), "{text}");
}

#[test]
fn text_that_is_not_toml_names_line_and_column() {
    let text = refusal("seed = 1", "seed = ");
    assert!(text.starts_with("not TOML: ") && text.contains("--> my.toml:3:"), "{text}");
    let text = refusal("seed = 1", "seed = 1\nseed = 2");
    assert!(text.contains("duplicate key") && text.contains("--> my.toml:4:1"), "{text}");
}

#[test]
fn windows_text_is_read_alike() {
    let windows = format!("\u{feff}{}", TEXT.replace('\n', "\r\n"));
    assert_eq!(parse::<Recipe>("my.toml", &windows, &[]).unwrap().recipe, with(&[]).unwrap().recipe);
}

#[test]
fn unlike_names_are_not_proposed() {
    assert_eq!(nearest("wieght_decay", ["lr", "weight-decay", "momentum"]), Some("weight-decay"));
    assert_eq!(nearest("zzz", ["lr", "weight-decay"]), None);
}

proptest! {
    #[test]
    fn numbers_come_back_bit_for_bit(lr in any::<f64>(), momentum in any::<f32>(), seed in 0..=i64::MAX as u64) {
        prop_assume!(lr.is_finite() && momentum.is_finite());
        let mut recipe = with(&[]).unwrap().recipe;
        (recipe.optim.lr, recipe.optim.momentum, recipe.seed) = (lr, momentum, seed);
        let text = toml::to_string(&recipe).unwrap();
        let read = parse::<Recipe>("recipe.toml", &text, &[]).unwrap();
        prop_assert_eq!(read.recipe.optim.lr.to_bits(), lr.to_bits());
        prop_assert_eq!(read.recipe.optim.momentum.to_bits(), momentum.to_bits());
        prop_assert_eq!((read.recipe, read.resolved), (recipe, text));
    }

    #[test]
    fn foreign_text_never_panics(text in "[a-z=\\[\\]\\{\\}\"'. \n0-9é#-]{0,60}", key in "[a-z.]{0,8}", value in ".{0,8}") {
        let _ = parse::<Recipe>("fuzz", &text, &set(&[(&key, &value)]));
        let _ = with(&[(&key, &value)]);
    }

    #[test]
    fn mutated_recipes_never_panic(at in 0..TEXT.len(), byte in any::<char>()) {
        let mut text: Vec<char> = TEXT.chars().collect();
        text[at] = byte;
        let _ = parse::<Recipe>("fuzz", &text.into_iter().collect::<String>(), &[]);
    }
}

#[test]
fn the_task_is_told_before_the_recipe_is_typed() {
    assert_eq!(
        task_of("r.toml", "seed = 1\ntask = \"segmentation\"\n[model]\nanything = 1\n").unwrap(),
        "segmentation"
    );
    for (text, message, place) in [
        ("seed = 1\n", "missing key `task`", "r.toml:1:1"),
        ("seed = 1\ntask = 3\n", "`task`: expected a text, got integer", "r.toml:2:1"),
        ("task = \n", "not TOML", "r.toml:1"),
    ] {
        let error = task_of("r.toml", text).unwrap_err().to_string();
        assert!(error.contains(message) && error.contains(place), "{error}");
    }
}
