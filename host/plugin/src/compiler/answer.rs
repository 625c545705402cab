//! What goes through the pipes between the host and the process that compiles: a component one way, an answer the other way.

use std::io::{self, Read, Write};

/// What every answer begins with.
const MAGIC: &[u8; 8] = b"sockletc";
/// The header of an answer: the magic, the engine that it is for, what it is, its length.
pub(super) const HEADER: usize = MAGIC.len() + 8 + 1 + 8;

/// What the compiler says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The code.
    Compiled(Vec<u8>),
    /// Why there is none.
    Refused(String),
}

/// Why something is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// It is cut off, or something else.
    Garbage,
    /// It is for other engines than this host's.
    Foreign,
}

/// Reads a component of at most `max` bytes. What follows it is left in the pipe.
pub(super) fn read_component(input: &mut impl Read, max: u64) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    input.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the component is too large"));
    }
    let mut component = vec![0; length as usize];
    input.read_exact(&mut component)?;
    Ok(component)
}

/// What is to be written before a component.
pub(super) fn component_header(component: &[u8]) -> [u8; 8] {
    (component.len() as u64).to_le_bytes()
}

/// Writes an answer. `engine`: whom the code is for.
pub(super) fn write(output: &mut impl Write, engine: u64, answer: Result<&[u8], &str>) -> io::Result<()> {
    let (kind, body) = match answer {
        Ok(code) => (0, code),
        Err(reason) => (1, reason.as_bytes()),
    };
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&engine.to_le_bytes());
    header.push(kind);
    header.extend_from_slice(&(body.len() as u64).to_le_bytes());
    output.write_all(&header)?;
    output.write_all(body)?;
    output.flush()
}

/// Reads a whole answer for this engine.
pub(super) fn read(mut said: Vec<u8>, engine: u64) -> Result<Answer, NoAnswer> {
    let (header, body) = said.split_at_checked(HEADER).ok_or(NoAnswer::Garbage)?;
    let (magic, rest) = header.split_at(MAGIC.len());
    let (for_engine, rest) = rest.split_at(8);
    let (kind, length) = (rest[0], &rest[1..]);
    if magic != MAGIC {
        return Err(NoAnswer::Garbage);
    }
    if for_engine != engine.to_le_bytes() {
        return Err(NoAnswer::Foreign);
    }
    if length != (body.len() as u64).to_le_bytes() {
        return Err(NoAnswer::Garbage);
    }
    match kind {
        0 => {
            said.drain(..HEADER);
            Ok(Answer::Compiled(said))
        }
        1 => Ok(Answer::Refused(String::from_utf8_lossy(body).into_owned())),
        _ => Err(NoAnswer::Garbage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(engine: u64, answer: Result<&[u8], &str>) -> Vec<u8> {
        let mut said = Vec::new();
        write(&mut said, engine, answer).unwrap();
        said
    }

    #[test]
    fn answers_are_read_back_by_the_same_engine_only() {
        assert_eq!(read(answer(7, Ok(b"code")), 7), Ok(Answer::Compiled(b"code".into())));
        assert_eq!(read(answer(7, Err("no")), 7), Ok(Answer::Refused("no".into())));
        assert_eq!(read(answer(7, Ok(b"code")), 8), Err(NoAnswer::Foreign));
    }

    #[test]
    fn what_is_cut_or_longer_is_no_answer() {
        let whole = answer(7, Ok(b"code"));
        for length in 0..whole.len() {
            assert_eq!(read(whole[..length].into(), 7), Err(NoAnswer::Garbage), "{length}");
        }
        assert_eq!(read([&whole[..], b"!"].concat(), 7), Err(NoAnswer::Garbage));
        assert_eq!(read(b"usage: socklet [OPTIONS] <COMMAND>".into(), 7), Err(NoAnswer::Garbage));
    }

    #[test]
    fn components_are_read_to_their_end_and_no_further() {
        let sent = [&component_header(b"wasm")[..], b"wasm", b"more"].concat();
        let mut input = &sent[..];
        assert_eq!(read_component(&mut input, 4).unwrap(), b"wasm");
        assert_eq!(input, b"more");
        assert!(read_component(&mut &sent[..], 3).is_err());
        assert!(read_component(&mut &sent[..10], 4).is_err());
    }
}
