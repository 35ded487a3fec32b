use super::*;

const RECIPE: &str = r#"
depth = 101
output-stride = 16
multi-grid = [1, 2, 4]
width = 1.0
head = "torchvision"
dropout = 0.5
align-corners = false
norm-eps = 1e-5
norm-momentum = 0.01
"#;

fn parse(text: &str) -> Result<ModelConfig, String> {
    let config: ModelConfig = toml::from_str(text).map_err(|e| e.to_string())?;
    config.check().map_err(|e| e.to_string())?;
    Ok(config)
}

#[test]
fn recipes_are_strict_and_round_trip() {
    for text in [
        RECIPE.to_owned(),
        format!("rates = [12, 24, 36]\n{RECIPE}auxiliary = {{ dropout = 0.1, loss-weight = 0.4 }}"),
        RECIPE.replace("torchvision", "paper").replace("101", "18").replace("16", "8"),
    ] {
        let config = parse(&text).unwrap();
        assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config);
    }
    for (from, to, told) in [
        ("depth = 101", "depth = 100", "18, 34, 50, 101 or 152, got 100"),
        ("output-stride = 16", "output-stride = 4", "8, 16 or 32, got 4"),
        ("dropout = 0.5\n", "", "dropout"),
        ("width", "breadth", "breadth"),
        ("torchvision", "fcn", "fcn"),
        ("dropout = 0.5", "dropout = 1.0", "`model.dropout`: expected a share of at least 0 and under 1, got 1"),
        ("[1, 2, 4]", "[1, 0, 4]", "`model.multi-grid`"),
        ("width = 1.0", "width = nan", "`model.width`"),
        ("eps = 1e-5", "eps = 0.0", "`model.norm-eps`"),
        ("momentum = 0.01", "momentum = 1.5", "`model.norm-momentum`"),
        ("width = 1.0", "width = 1.0\nauxiliary = { dropout = 0.1, loss-weight = 0.0 }", "auxiliary.loss-weight"),
    ] {
        let refusal = parse(&RECIPE.replace(from, to)).unwrap_err();
        assert!(refusal.contains(told), "{to}: {refusal}");
    }
}

#[test]
fn rates_cover_the_same_pixels_at_every_output_stride() {
    for (pixels, rates) in [("8", [12, 24, 36]), ("16", [6, 12, 18]), ("32", [3, 6, 9])] {
        let text = RECIPE.replace("output-stride = 16", &format!("output-stride = {pixels}"));
        assert_eq!(parse(&text).unwrap().rates(), rates);
    }
    assert_eq!(parse(&format!("rates = [1, 2, 3]\n{RECIPE}")).unwrap().rates(), [1, 2, 3]);
}

/// Row 22 of the edge cases: an output stride changed without its rates.
#[test]
fn rates_of_another_output_stride_are_told() {
    let told = |rates: &str, stride: &str| {
        let text = RECIPE.replace("output-stride = 16", &format!("output-stride = {stride}"));
        parse(&format!("{rates}{text}")).unwrap().strange_rates()
    };
    assert_eq!(
        [told("", "8"), told("rates = [6, 12, 18]\n", "16"), told("rates = [12, 24, 36]\n", "8")],
        [None, None, None]
    );
    let text = told("rates = [6, 12, 18]\n", "8").unwrap();
    assert_eq!(text, "model.rates: [6, 12, 18] are not output stride 8's [12, 24, 36], but those of output stride 16");
    assert_eq!(
        told("rates = [1, 2, 3]\n", "16").unwrap(),
        "model.rates: [1, 2, 3] are not output stride 16's [6, 12, 18]"
    );
}
