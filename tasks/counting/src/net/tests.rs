use super::*;

const RECIPE: &str = r#"
backend = "b"
batch-norm = true
conv-bias = true
head = "abs"
width = 1.0
norm-eps = 1e-5
norm-momentum = 0.1
"#;

fn parse(text: &str) -> Result<ModelConfig, String> {
    let config: ModelConfig = toml::from_str(text).map_err(|e| e.to_string())?;
    config.check().map_err(|e| e.to_string())?;
    Ok(config)
}

#[test]
fn recipes_are_strict_and_round_trip() {
    for (text, name) in [
        (RECIPE.to_owned(), "csrnet-b-bn"),
        (RECIPE.replace("conv-bias = true", "conv-bias = false").replace("\"b\"", "\"c\""), "csrnet-c-bn"),
        (RECIPE.replace("norm = true", "norm = false").replace("abs", "none").replace("\"b\"", "\"d\""), "csrnet-d"),
        (RECIPE.replace("abs", "relu").replace("\"b\"", "\"a\""), "csrnet-a-bn"),
    ] {
        let config = parse(&text).unwrap();
        assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config);
        assert_eq!(config.to_string(), name);
    }
    for (from, to, told) in [
        ("\"b\"", "\"e\"", "`e`"),
        ("\"b\"", "\"B\"", "`B`"),
        ("\"abs\"", "\"softplus\"", "softplus"),
        ("batch-norm = true\n", "", "batch-norm"),
        ("width", "breadth", "breadth"),
        (
            "batch-norm = true\nconv-bias = true",
            "batch-norm = false\nconv-bias = false",
            "`model.conv-bias`: expected true where batch-norm is false, got false",
        ),
        ("width = 1.0", "width = 0.0", "`model.width`: expected a factor above 0, at most 4, got 0"),
        ("width = 1.0", "width = nan", "`model.width`"),
        ("eps = 1e-5", "eps = 0.0", "`model.norm-eps`"),
        ("momentum = 0.1", "momentum = 1.5", "`model.norm-momentum`"),
    ] {
        let refusal = parse(&RECIPE.replace(from, to)).unwrap_err();
        assert!(refusal.contains(told), "{to}: {refusal}");
    }
}

#[test]
fn receptive_fields_are_those_of_the_published_dilations() {
    for (letter, field, halo) in [("a", 188, 96), ("b", 284, 144), ("c", 380, 192), ("d", 476, 240)] {
        let config = parse(&RECIPE.replace("\"b\"", &format!("\"{letter}\""))).unwrap();
        assert_eq!((config.receptive_field(), config.halo_px()), (field, halo), "{letter}");
    }
}

#[test]
#[allow(clippy::float_cmp)]
fn densities_and_their_slopes_by_hand() {
    use HeadActivation::{Abs, None, Relu};
    for (head, values, slopes) in [
        (None, [-2.0, 0.0, 3.0], [1.0, 1.0, 1.0]),
        (Abs, [2.0, 0.0, 3.0], [-1.0, 0.0, 1.0]),
        (Relu, [0.0, 0.0, 3.0], [0.0, 0.0, 1.0]),
    ] {
        assert_eq!([-2.0, 0.0, 3.0].map(|raw| head.apply(raw)), values);
        assert_eq!([-2.0, 0.0, 3.0].map(|raw| head.slope(raw)), slopes);
        assert!(head.apply(f32::NAN).is_nan(), "{head:?} hides what is not a number");
        assert_eq!(head.slope(-0.0), head.slope(0.0));
    }
}
