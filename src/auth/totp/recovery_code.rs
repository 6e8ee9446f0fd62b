//! Recovery codes: 120 random bits, of which the database has the hash alone.

use sha2::{Digest, Sha256};

/// Crockford's base 32: no letter that looks like a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CHARS: usize = 24;
const GROUP: usize = 4;
const COUNT: usize = 10;

/// Fresh codes, as they are shown.
pub(super) fn new_codes() -> Vec<String> {
    (0..COUNT).map(|_| new_code()).collect()
}

fn new_code() -> String {
    let random: [u8; CHARS] = rand::random();
    let letters = random.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    let groups: Vec<String> = letters
        .chunks(GROUP)
        .map(|group| group.iter().collect())
        .collect();
    groups.join("-")
}

/// What is stored of a code, however it is typed. A plain hash is enough from 112 bits on (ASVS
/// 6.5.2).
pub(super) fn hash(code: &str) -> Vec<u8> {
    let letters = code
        .chars()
        .filter(|char| !char.is_whitespace() && *char != '-')
        .map(|char| match char.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            char => char,
        });
    Sha256::digest(letters.collect::<String>()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_that_differ_and_are_found_however_they_are_typed() {
        let codes = new_codes();
        let hashes: std::collections::HashSet<_> = codes.iter().map(|code| hash(code)).collect();
        assert_eq!((codes.len(), hashes.len()), (10, 10));
        for code in codes {
            assert_eq!(code.len(), 29);
            assert_eq!(hash(&code), hash(&code.to_uppercase().replace('-', " ")));
            let misread = code.replace('0', "O").replace('1', "l");
            assert_eq!(hash(&code), hash(&misread));
            assert_ne!(hash(&code), hash(&code[1..]));
        }
    }
}
