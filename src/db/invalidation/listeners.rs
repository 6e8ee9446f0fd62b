//! Who waits for the revocation of an id.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use super::Revocable;

/// The listeners, by the ids that they wait for. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Listeners(Arc<Mutex<ById>>);

type ById = HashMap<u128, Vec<Arc<Notify>>>;

/// Is told when one of its ids is revoked, until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    listeners: Listeners,
    ids: [u128; 2],
    told: Arc<Notify>,
}

impl Listeners {
    pub fn listen(&self, ids: [Revocable; 2]) -> Listener {
        let told = Arc::<Notify>::default();
        let ids = ids.map(|id| id.0);
        let mut by_id = self.lock();
        for id in ids {
            by_id.entry(id).or_default().push(told.clone());
        }
        drop(by_id);
        Listener {
            listeners: self.clone(),
            ids,
            told,
        }
    }

    /// Tells those who wait for one of `ids`.
    pub fn tell(&self, ids: impl IntoIterator<Item = Revocable>) {
        let by_id = self.lock();
        if by_id.is_empty() {
            return;
        }
        for told in ids.into_iter().filter_map(|id| by_id.get(&id.0)).flatten() {
            told.notify_one();
        }
    }

    pub fn tell_all(&self) {
        for told in self.lock().values().flatten() {
            told.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, ById> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Waits until one of the ids is revoked, or was since the last call.
    pub async fn revoked(&self) {
        self.told.notified().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut by_id = self.listeners.lock();
        for id in self.ids {
            if let Some(waiting) = by_id.get_mut(&id) {
                waiting.retain(|told| !Arc::ptr_eq(told, &self.told));
                if waiting.is_empty() {
                    by_id.remove(&id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn those_who_wait_for_an_id_are_told_and_no_others() {
        let listeners = Listeners::default();
        let [ann, ben, desk, phone] = [1, 2, 3, 4].map(|id| Revocable::from(Uuid::from_u128(id)));
        let anns = [
            listeners.listen([ann, desk]),
            listeners.listen([ann, phone]),
        ];
        let bens = listeners.listen([ben, ben]);
        let told = |listener: &Listener| listener.revoked().now_or_never().is_some();

        listeners.tell([phone]);
        assert!(!told(&anns[0]));
        assert!(told(&anns[1]), "also who was not waiting yet");
        assert!(!told(&anns[1]), "once");
        listeners.tell([ann]);
        assert!(anns.iter().all(told));
        assert!(!told(&bens));
        listeners.tell_all();
        assert!(anns.iter().chain([&bens]).all(told));

        drop(anns);
        listeners.tell([ben]);
        assert!(told(&bens));
        drop(bens);
        assert!(listeners.lock().is_empty());
    }
}
