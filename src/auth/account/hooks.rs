//! What an app adds: to a sign-up, and who must have a second factor.

use std::{fmt, pin::Pin, sync::Arc};

use crate::{auth::user::User, db::Tx, http::Error};

/// The work of a hook.
pub type HookFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

type SecondFactorPolicy = dyn Fn(&User) -> bool + Send + Sync;

type SignUpHook = dyn for<'a> Fn(&'a mut Tx, &'a User) -> HookFuture<'a> + Send + Sync;

/// Hooks of the app that mounts the library.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    on_sign_up: Option<Arc<SignUpHook>>,
    needs_second_factor: Option<Arc<SecondFactorPolicy>>,
}

impl Hooks {
    pub fn set_on_sign_up<F>(&mut self, hook: F)
    where
        F: for<'a> Fn(&'a mut Tx, &'a User) -> HookFuture<'a> + Send + Sync + 'static,
    {
        self.on_sign_up = Some(Arc::new(hook));
    }

    pub fn set_needs_second_factor(
        &mut self,
        policy: impl Fn(&User) -> bool + Send + Sync + 'static,
    ) {
        self.needs_second_factor = Some(Arc::new(policy));
    }

    /// Whether the app asks a second factor of this user.
    pub fn needs_second_factor(&self, user: &User) -> bool {
        let policy = self.needs_second_factor.as_ref();
        policy.is_some_and(|policy| policy(user))
    }

    /// Runs the hook for a new account, in the transaction that inserts it.
    pub async fn on_sign_up(&self, tx: &mut Tx, user: &User) -> Result<(), Error> {
        match &self.on_sign_up {
            Some(hook) => hook(tx, user).await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on_sign_up = self.on_sign_up.as_ref().map(|_| "…");
        let needs_second_factor = self.needs_second_factor.as_ref().map(|_| "…");
        f.debug_struct("Hooks")
            .field("on_sign_up", &on_sign_up)
            .field("needs_second_factor", &needs_second_factor)
            .finish()
    }
}
