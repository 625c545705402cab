//! The environment over the file: `SOCKLET_SECTION_KEY` for every key of a section that is written once.

use super::{
    mistake::{Mistake, Place, Problems},
    sections::SECTIONS,
    value::Form,
};
use socklet_core::suggest::did_you_mean;
use std::collections::BTreeMap;
use toml_edit::{Array, Value as Toml};

/// The variables that begin with `SOCKLET_`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of the process.
    pub(crate) fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        Self::from_iter(std::env::vars_os().filter_map(text))
    }

    /// Every variable and its value.
    pub(crate) fn into_iter(self) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter()
    }

    /// A variable and its value.
    pub(crate) fn get(&self, name: &str) -> Option<(&str, &str)> {
        self.0.get_key_value(name).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Notes the variables that belong to no key.
    pub(crate) fn check_names(&self, problems: &Problems) {
        let known: Vec<_> =
            SECTIONS.iter().flat_map(|section| section.keys().filter_map(|key| section.variable(key))).collect();
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        for name in self.0.keys().filter(|name| !known.contains(&name.as_str())) {
            let near = did_you_mean(name, &known);
            let message = format!("unknown variable{near} (`socklet config schema` lists them)");
            problems.add(Mistake::new(Place::in_environment(name), None, message));
        }
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().filter(|(name, _)| name.starts_with("SOCKLET_")).collect())
    }
}

/// The value of a variable as TOML of a form. Lists are separated by commas.
pub(crate) fn toml(text: &str, form: Form) -> Toml {
    match form {
        Form::Integer | Form::Number | Form::Boolean => text.parse().unwrap_or_else(|_| text.into()),
        Form::List => {
            Array::from_iter(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Toml::from)).into()
        }
        Form::Text | Form::Choice(_) | Form::Table | Form::TextOrTable => text.into(),
    }
}
