//! Takes the mask off a payload, RFC 6455 section 5.3.

/// Unmasks in place and turns `mask` so that it fits the byte after `data`.
pub(super) fn unmask(data: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    // Whole words without a bounds check: the compiler makes vector instructions of this loop.
    let (words, tail) = data.as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= mask;
    }
    mask.rotate_left(tail.len() % 4);
}

#[cfg(test)]
mod tests {
    use super::unmask;

    #[test]
    fn every_length_cut_anywhere_equals_the_definition() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        for len in 0..40 {
            let masked: Vec<u8> = (0..len).map(|i: u8| i.wrapping_mul(31)).collect();
            let expected: Vec<u8> = masked.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]).collect();
            for cut in 0..=masked.len() {
                let mut data = masked.clone();
                let mut turning = mask;
                let (head, tail) = data.split_at_mut(cut);
                unmask(head, &mut turning);
                unmask(tail, &mut turning);
                assert_eq!(data, expected, "{len} bytes cut at {cut}");
            }
        }
    }

    #[test]
    fn the_example_of_section_5_7() {
        let mut data = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        unmask(&mut data, &mut [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(&data, b"Hello");
    }
}
