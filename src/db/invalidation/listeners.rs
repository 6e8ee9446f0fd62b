//! Who waits for the revocation of an id.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, watch};

use super::Revocable;

/// The listeners, by the ids that they wait for. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Listeners(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    by_id: Mutex<ById>,
    everything: watch::Sender<()>,
}

type ById = HashMap<u128, Vec<Arc<Notify>>>;

/// Is notified when one of its ids is revoked, until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    listeners: Listeners,
    ids: [u128; 2],
    notify: Arc<Notify>,
}

impl Listeners {
    pub fn listen(&self, ids: [Revocable; 2]) -> Listener {
        let notify = Arc::<Notify>::default();
        let ids = ids.map(|id| id.0);
        let mut by_id = self.lock();
        for id in ids {
            by_id.entry(id).or_default().push(notify.clone());
        }
        drop(by_id);
        Listener {
            listeners: self.clone(),
            ids,
            notify,
        }
    }

    /// Changes whenever everything is revoked, of which no [`Listener`] is notified.
    pub fn listen_to_everything(&self) -> watch::Receiver<()> {
        self.0.everything.subscribe()
    }

    /// Notifies those who wait for one of `ids`.
    pub fn notify(&self, ids: impl IntoIterator<Item = Revocable>) {
        let by_id = self.lock();
        if by_id.is_empty() {
            return;
        }
        let waiting = ids.into_iter().filter_map(|id| by_id.get(&id.0)).flatten();
        waiting.for_each(|waiting| waiting.notify_one());
    }

    /// Notifies those who wait for the revocation of everything.
    pub fn notify_of_everything(&self) {
        self.0.everything.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, ById> {
        self.0.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Waits until one of the ids is revoked, or was since the last call.
    pub async fn revoked(&self) {
        self.notify.notified().await;
    }

    /// Ends the wait as a revocation does.
    pub fn handle(&self) -> Arc<Notify> {
        self.notify.clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut by_id = self.listeners.lock();
        for id in self.ids {
            if let Some(waiting) = by_id.get_mut(&id) {
                waiting.retain(|waiting| !Arc::ptr_eq(waiting, &self.notify));
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
    fn those_who_wait_for_an_id_are_notified_and_no_others() {
        let listeners = Listeners::default();
        let [ann, ben, desk, phone] = [1, 2, 3, 4].map(|id| Revocable::from(Uuid::from_u128(id)));
        let anns = [
            listeners.listen([ann, desk]),
            listeners.listen([ann, phone]),
        ];
        let bens = listeners.listen([ben, ben]);
        let is_notified = |listener: &Listener| listener.revoked().now_or_never().is_some();

        listeners.notify([phone]);
        assert!(!is_notified(&anns[0]));
        assert!(is_notified(&anns[1]), "also who was not waiting yet");
        assert!(!is_notified(&anns[1]), "once");
        listeners.notify([ann]);
        assert!(anns.iter().all(is_notified));
        assert!(!is_notified(&bens));

        drop(anns);
        listeners.notify([ben]);
        assert!(is_notified(&bens));
        bens.handle().notify_one();
        assert!(is_notified(&bens));
        drop(bens);
        assert!(listeners.lock().is_empty());
    }

    #[test]
    fn one_waits_for_the_revocation_of_everything() {
        let listeners = Listeners::default();
        let ann = listeners.listen([Revocable(1), Revocable(2)]);
        let mut everything = listeners.listen_to_everything();
        assert!(everything.changed().now_or_never().is_none());
        listeners.notify_of_everything();
        listeners.notify_of_everything();
        assert!(everything.changed().now_or_never().is_some());
        assert!(everything.changed().now_or_never().is_none(), "once");
        assert!(ann.revoked().now_or_never().is_none());
        drop(listeners);
        drop(ann);
        let end = everything.changed().now_or_never();
        assert!(end.is_some_and(|end| end.is_err()));
    }
}
