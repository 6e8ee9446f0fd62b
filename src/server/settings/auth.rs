//! The accounts and sessions that the settings ask for.

use super::{Config, SignUps};
use crate::{
    auth::{Accounts, Auth, BuildError, Letters},
    clock::Clock,
    db::Db,
    mail::{LogMailer, SmtpMailer},
};

impl Config {
    /// The accounts and sessions that these settings ask for.
    ///
    /// # Errors
    /// When there is no key to sign with, or TLS cannot be set up for mail.
    pub fn auth(&self, db: Db, clock: Clock) -> Result<Auth, BuildError> {
        let builder = Auth::builder(db)
            .clock(clock)
            .secret_key_fallbacks(self.secret_key_fallbacks.clone())
            .secure_cookies(self.is_production())
            .idle_timeout(self.session_idle_timeout)
            .absolute_timeout(self.session_absolute_timeout)
            .sessions_per_user(self.sessions_per_user)
            .reauthentication_window(self.reauthentication_window)
            .session_cache_entries(self.session_cache_entries)
            .device_bound_sessions(self.device_bound_sessions)
            .device_proof_lifetime(self.device_proof_lifetime)
            .passwordless_login(self.passwordless_login)
            .sign_up(self.sign_ups == SignUps::Open)
            .password_min_length(self.password_min_length)
            .login_failures_per_account(self.login_failures_per_account)
            .login_failures_per_address(self.login_failures_per_address)
            .signups_per_address(self.signups_per_address)
            .mails_per_account(self.mail.per_account)
            .mails_per_address(self.mail.per_address)
            .email_verification(self.mail.verification)
            .public_url(&self.mail.public_url)
            .totp(&self.passkeys.issuer)
            .password_hashes_at_once(self.password_hashes_at_once)
            .trusted_proxies(self.trusted_proxies.iter().copied())
            .allowed_origins(self.allowed_origins.iter().cloned());
        let builder = match &self.mail.templates {
            Some(folder) => builder.mail_templates(folder),
            None => builder,
        };
        let builder = match &self.mail.smtp_url {
            Some(url) => {
                let mailer = SmtpMailer::new(url.clone(), &self.mail.from);
                builder.mailer(mailer.map_err(BuildError::Parameter)?)
            }
            None if self.is_production() => builder,
            None => builder.mailer(LogMailer::default()),
        };
        let builder = match &self.passkeys.relying_party {
            Some(relying_party) => builder.passkeys(relying_party.clone()),
            None => builder,
        };
        match &self.secret_key {
            Some(key) => builder.secret_key(key.clone()).build(),
            None => builder.build(),
        }
    }

    /// The accounts, for commands that serve nobody.
    ///
    /// # Errors
    /// When the parameters of password hashing are out of range.
    pub fn accounts(&self, db: Db, clock: Clock) -> Result<Accounts, crate::Error> {
        let accounts = Accounts::new(db.clone(), clock.clone(), self.password_hashes_at_once)?;
        let accounts = accounts.with_password_min_length(self.password_min_length);
        // The server sends what a command writes.
        let key = self.secret_key.as_ref().filter(|_| self.sends_mail());
        Ok(match key {
            Some(key) => {
                let letters = Letters::new(db, clock, key, &self.secret_key_fallbacks);
                accounts.with_letters(letters)
            }
            None => accounts,
        })
    }
}
