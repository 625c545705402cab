//! What a name that is not known may have meant.

/// Says that a name is not known, which one may be meant, and which there are.
pub fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let known: Vec<_> = known.collect();
    let there_are = match known.as_slice() {
        [] => "there is none".to_owned(),
        [one] => format!("there is {one}"),
        many => format!("there are {}", many.join(", ")),
    };
    format!("unknown {what}{} ({there_are})", did_you_mean(name, &known))
}

/// The nearest of the known names, as a question; nothing when none is near.
pub fn did_you_mean(name: &str, known: &[&str]) -> String {
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, near)| format!(", did you mean {near}?"))
        .unwrap_or_default()
}
