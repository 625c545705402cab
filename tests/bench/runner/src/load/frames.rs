//! Frames that are made once: what a client writes, masked, and what it must read.

/// The variants of a block: an answer that belongs to another connection or another turn is noticed.
const VARIANTS: usize = 4;

/// A block of messages, as it is written and as it comes back.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Vec<u8>,
}

/// Every variant of a block of `depth` texts of `bytes` bytes.
pub(crate) fn blocks(bytes: usize, depth: usize) -> Vec<Block> {
    (0..VARIANTS).map(|variant| block(bytes, depth, variant)).collect()
}

/// One masked text.
pub(crate) fn request(text: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    mask(&mut frame, text.as_bytes(), [0x12, 0x34, 0x56, 0x78]);
    frame
}

/// The variant of a connection's block in one of its turns.
pub(crate) fn variant(connection: usize, turn: u64) -> usize {
    (connection.wrapping_add(turn as usize)) % VARIANTS
}

fn block(bytes: usize, depth: usize, variant: usize) -> Block {
    let mut block = Block { request: Vec::new(), answer: Vec::new() };
    for place in 0..depth {
        let text = text(bytes, place, variant);
        let key = [0x12 ^ place as u8, 0x34, 0x56 ^ variant as u8, 0x78];
        mask(&mut block.request, &text, key);
        head(&mut block.answer, text.len(), 0);
        block.answer.extend(text);
    }
    block
}

fn mask(frame: &mut Vec<u8>, text: &[u8], key: [u8; 4]) {
    head(frame, text.len(), 0x80);
    frame.extend(key);
    frame.extend(text.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Letters, of which no two messages of a block and no two variants have the same.
fn text(bytes: usize, place: usize, variant: usize) -> Vec<u8> {
    let mut text = format!("{variant}.{place}:").into_bytes();
    let start = place * 7 + variant * 3;
    text.extend((0..bytes).map(|index| b'a' + ((start + index + index / 26) % 26) as u8));
    text.truncate(bytes);
    text
}

/// The head of a final text frame (RFC 6455, section 5.2).
fn head(frame: &mut Vec<u8>, length: usize, mask: u8) {
    frame.push(0x81);
    match length {
        0..126 => frame.push(mask | length as u8),
        126..65_536 => {
            frame.push(mask | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        _ => {
            frame.push(mask | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_its_messages() {
        for (bytes, head) in [(0, 2), (1, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let block = block(bytes, 3, 1);
            assert_eq!(block.answer.len(), 3 * (head + bytes));
            assert_eq!(block.request.len(), 3 * (head + 4 + bytes));
            assert_eq!(block.answer[0], 0x81);
            assert!(std::str::from_utf8(&block.answer[head..head + bytes]).is_ok());
        }
    }

    #[test]
    fn unmasked_it_is_what_comes_back() {
        let Block { request, answer } = block(300, 1, 2);
        let key = &request[4..8];
        let text: Vec<u8> = request[8..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        assert_eq!(text, answer[4..]);
        assert_eq!(request[..4], [0x81, 0xfe, 1, 44]);
    }

    #[test]
    fn variants_and_places_differ() {
        let blocks = blocks(64, 16);
        let mut messages: Vec<_> = blocks.iter().flat_map(|block| block.answer.chunks(66)).collect();
        messages.sort_unstable();
        messages.dedup();
        assert_eq!(messages.len(), 16 * VARIANTS);
    }
}
