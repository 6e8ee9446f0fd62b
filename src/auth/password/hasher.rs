//! Password hashes, computed in reused memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        self, generate_salt,
        phc::{Output, ParamsString, PasswordHash, Salt},
    },
};

/// One block of memory for each hash that was computed at the same time. An allocator would keep
/// one for each thread that ever computed one, and fault it in page by page: a login storm takes two
/// thirds of the memory that it would.
#[derive(Clone, Debug, Default)]
pub(crate) struct Argon2Memory(Arc<Mutex<Vec<Vec<Block>>>>);

/// Reserved for everything else: threads, connections, the database.
const HEADROOM: usize = 64 << 20;

impl Argon2Memory {
    /// Reserves memory for up to `hashes` at once, as far as there is room, and returns for how
    /// many, at least one: an allocation that fails later, of a few bytes anywhere, would abort
    /// the process. None of it is in use yet.
    pub fn set_aside(&self, hashes: usize, params: &Params) -> usize {
        let mut pieces = Vec::new();
        for _ in 0..hashes {
            let mut piece: Vec<Block> = Vec::new();
            let mut headroom: Vec<u8> = Vec::new();
            let is_there = piece.try_reserve_exact(params.block_count()).is_ok()
                && headroom.try_reserve_exact(HEADROOM).is_ok();
            if !is_there {
                break;
            }
            pieces.push(piece);
        }
        let hashes = pieces.len().max(1);
        self.lock().append(&mut pieces);
        hashes
    }

    /// A hash of `password` with a salt of its own, as a PHC string.
    pub fn hash(&self, password: &str, params: &Params) -> password_hash::Result<String> {
        let salt = Salt::new(&generate_salt())?;
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let output = self.output(algorithm, version, params.clone(), password, &salt)?;
        let hash = PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(params)?,
            salt: Some(salt),
            hash: Some(output),
        };
        Ok(hash.to_string())
    }

    /// Whether `password` matches `hash`, compared in constant time.
    pub fn verify(&self, password: &str, hash: &PasswordHash) -> password_hash::Result<bool> {
        let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
            return Ok(false);
        };
        let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
        let version = hash.version.map(Version::try_from).transpose()?;
        let params = Params::try_from(hash)?;
        let version = version.unwrap_or_default();
        Ok(self.output(algorithm, version, params, password, salt)? == *expected)
    }

    fn output(
        &self,
        algorithm: Algorithm,
        version: Version,
        params: Params,
        password: &str,
        salt: &Salt,
    ) -> password_hash::Result<Output> {
        let blocks = params.block_count();
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let mut output = vec![0; length];
        let argon2 = Argon2::new(algorithm, version, params);
        let mut memory = self.lock().pop().unwrap_or_default();
        let done = grow(&mut memory, blocks).and_then(|used| {
            argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut output, used)
        });
        self.lock().push(memory);
        done?;
        Ok(Output::new(&output)?)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resizes `memory`; an error where a growing `Vec` would abort the process.
fn grow(memory: &mut Vec<Block>, blocks: usize) -> argon2::Result<&mut [Block]> {
    if let Some(missing) = blocks.checked_sub(memory.len()) {
        let reserved = memory.try_reserve_exact(missing);
        reserved.map_err(|_| argon2::Error::OutOfMemory)?;
        memory.resize(blocks, Block::default());
    }
    Ok(&mut memory[..blocks])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use argon2::password_hash::PasswordVerifier;

    use super::*;

    #[test]
    fn memory_used_before_makes_the_same_hashes() {
        let memory = Argon2Memory::default();
        let params = Params::new(256, 2, 1, None).unwrap();
        for password in ["one", "another", "a third"] {
            let hash = memory.hash(password, &params).unwrap();
            let hash = PasswordHash::new(&hash).unwrap();
            assert!(
                Argon2::default()
                    .verify_password(password.as_bytes(), &hash)
                    .is_ok()
            );
            assert!(memory.verify(password, &hash).unwrap());
            assert!(!memory.verify("yet another", &hash).unwrap());
        }
        assert_eq!(memory.lock().len(), 1);
    }

    #[test]
    fn too_little_memory_is_an_error() {
        let mut memory = vec![Block::default(); 8];
        let grown = grow(&mut memory, usize::MAX / size_of::<Block>());
        assert!(matches!(grown, Err(argon2::Error::OutOfMemory)));
        assert_eq!(memory.len(), 8);
        assert_eq!(grow(&mut memory, 4).unwrap().len(), 4);
        assert_eq!(grow(&mut memory, 16).unwrap().len(), 16);
    }
}
