//! How many passwords one core checks in a second with nothing around it, at handstamp's cost:
//! `peer-argon2 SECONDS` prints the number.

use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

const PASSWORD: &[u8] = b"plain tea at dawn";

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = env::args().nth(1).ok_or("SECONDS is missing")?.parse()?;
    let params = Params::new(19 * 1024, 2, 1, None)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let stored = argon2.hash_password(PASSWORD)?.to_string();
    let start = Instant::now();
    let mut checked = 0_u32;
    while start.elapsed() < Duration::from_secs(seconds) {
        argon2.verify_password(PASSWORD, &PasswordHash::new(&stored)?)?;
        checked += 1;
    }
    println!("{}", f64::from(checked) / start.elapsed().as_secs_f64());
    Ok(())
}
