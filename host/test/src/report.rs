//! What came of all tests of a run, for people and for machines. Nothing in it differs from run to run.

use crate::script::{Failure, Outcome};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};
use serde::Serialize;
use std::io;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many tests came out how.
    pub summary: Summary,
    /// The tests, in the order in which they were run.
    pub tests: Vec<Outcome>,
}

/// How many tests came out how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Those that were as expected.
    pub passed: usize,
    /// Those that were not.
    pub failed: usize,
}

// === impl Report ===

impl Report {
    /// Of these tests.
    pub fn new(tests: Vec<Outcome>) -> Self {
        let passed = tests.iter().filter(|test| test.is_ok()).count();
        Self { summary: Summary { passed, failed: tests.len() - passed }, tests }
    }

    /// As JUnit XML: a suite for each file.
    ///
    /// # Errors
    ///
    /// Of the writer.
    pub fn write_junit(&self, to: &mut impl io::Write) -> io::Result<()> {
        let mut writer = Writer::new_with_indent(to, b' ', 2);
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let Summary { passed, failed } = self.summary;
        let counts = |tests: usize, failures: usize| [("tests", tests.to_string()), ("failures", failures.to_string())];
        let all = counts(passed + failed, failed);
        writer
            .create_element("testsuites")
            .with_attribute(("name", "socklet test"))
            .with_attributes(all.iter().map(|(key, value)| (*key, value.as_str())))
            .write_inner_content(|writer| {
                for suite in self.tests.chunk_by(|one, other| one.file == other.file) {
                    let failed = suite.iter().filter(|test| !test.is_ok()).count();
                    let counts = counts(suite.len(), failed);
                    writer
                        .create_element("testsuite")
                        .with_attribute(("name", suite[0].file.as_str()))
                        .with_attributes(counts.iter().map(|(key, value)| (*key, value.as_str())))
                        .write_inner_content(|writer| suite.iter().try_for_each(|test| case(writer, test)))?;
                }
                Ok(())
            })?;
        writer.get_mut().write_all(b"\n")
    }
}

fn case<W: io::Write>(writer: &mut Writer<W>, test: &Outcome) -> io::Result<()> {
    let line = test.line.to_string();
    let attributes = [("classname", &test.file), ("name", &test.name), ("file", &test.file), ("line", &line)];
    let attributes = attributes.map(|(key, value)| (key, printable(value)));
    let element =
        writer.create_element("testcase").with_attributes(attributes.iter().map(|(key, value)| (*key, value.as_str())));
    let Some(failure) = &test.failure else {
        element.write_empty()?;
        return Ok(());
    };
    let (name, message) = match failure {
        Failure::Step { mismatch, .. } | Failure::End { mismatch } => {
            ("failure", format!("expected {}, found {}", mismatch.expected, mismatch.found))
        }
        Failure::Start { error } => ("error", error.clone()),
    };
    let (message, explanation) = (printable(&message), printable(&test.explanation()));
    element.write_inner_content(|writer| {
        writer
            .create_element(name)
            .with_attribute(("message", message.as_str()))
            .write_text_content(BytesText::new(&explanation))?;
        Ok(())
    })?;
    Ok(())
}

/// Without what XML 1.0 cannot say at all (section 2.2): most control characters.
fn printable(text: &str) -> String {
    let can = |char: char| matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|char| if can(char) { char } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::Mismatch;

    fn outcome(file: &str, name: &str, failure: Option<Failure>) -> Outcome {
        Outcome { file: file.into(), line: 3, name: name.into(), failure, conversation: vec![] }
    }

    #[test]
    fn junit_has_a_suite_for_each_file() {
        let mismatch = Mismatch { expected: "a < b".into(), found: "\"\u{1}\"".into(), differences: vec![] };
        let report = Report::new(vec![
            outcome("a.toml", "one & two", None),
            outcome("b.toml", "three", Some(Failure::Step { line: 5, step: "{ send = \"x\" }".into(), mismatch })),
            outcome("b.toml", "four", Some(Failure::Start { error: "no file".into() })),
        ]);
        let mut xml = Vec::new();
        report.write_junit(&mut xml).unwrap();
        let xml = String::from_utf8(xml).unwrap();
        assert_eq!(
            xml,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="socklet test" tests="3" failures="2">
  <testsuite name="a.toml" tests="1" failures="0">
    <testcase classname="a.toml" name="one &amp; two" file="a.toml" line="3"/>
  </testsuite>
  <testsuite name="b.toml" tests="2" failures="2">
    <testcase classname="b.toml" name="three" file="b.toml" line="3">
      <failure message="expected a &lt; b, found &quot;�&quot;">b.toml:5: { send = &quot;x&quot; }
expected  a &lt; b
found     &quot;�&quot;</failure>
    </testcase>
    <testcase classname="b.toml" name="four" file="b.toml" line="3">
      <error message="no file">b.toml:3: no file</error>
    </testcase>
  </testsuite>
</testsuites>
"#
        );
    }
}
