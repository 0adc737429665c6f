//! The shape shared by operations with one completion: started at the first poll, cancelled on drop.

use crate::hub::Hub;
use crate::request::Request;
use crate::slot::{Hold, Key, Kind, Slot};
use std::any::Any;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

/// An operation that is not started, or in flight.
pub(crate) struct Once {
    hub: Rc<Hub>,
    key: Option<Key>,
}

impl Once {
    pub(crate) fn new(hub: Rc<Hub>) -> Once {
        Once { hub, key: None }
    }

    /// Starts the operation if it is not in flight, and looks for its result.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        cx: &Context<'_>,
        request: impl FnOnce(&Hub) -> (Request, Hold),
    ) -> Poll<io::Result<u32>> {
        let key = match self.key {
            Some(key) => key,
            None => {
                let (request, hold) = request(&self.hub);
                let mut slot = Slot::new(Kind::Once, hold);
                slot.waker = Some(cx.waker().clone());
                match self.hub.start(request, slot) {
                    Ok(key) => self.key = Some(key),
                    Err(e) => return Poll::Ready(Err(e)),
                }
                return Poll::Pending;
            }
        };
        self.hub.poll(key, cx).map(|result| {
            self.key = None;
            u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
        })
    }

    /// Whether the kernel may still use the operation's buffer.
    pub(crate) fn in_flight(&self) -> bool {
        self.key.is_some()
    }

    /// Gives the operation up; its buffer stays with it until it is complete.
    pub(crate) fn abandon(&mut self, keep: Option<Box<dyn Any>>) {
        if let Some(key) = self.key.take() {
            self.hub.orphan(key, keep);
        }
    }
}

impl Drop for Once {
    fn drop(&mut self) {
        self.abandon(None);
    }
}
