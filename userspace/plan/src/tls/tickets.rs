//! Session tickets: one set of keys for all workers and listeners, which change with time.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;
use rustls::ticketer::TicketRotator;

/// Keys that change at least this often; those before stay valid as long again.
///
/// # Errors
/// The machine gave no random bytes.
pub fn tickets(rotation: Duration) -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    let lifetime_s = u32::try_from(rotation.as_secs()).unwrap_or(u32::MAX).max(1);
    Ok(Arc::new(TicketRotator::new(lifetime_s, || {
        let ticketer = Ticketer::new().map_err(|_| rustls::crypto::GetRandomFailed)?;
        Ok(Box::new(Shared(ticketer)))
    })?))
}

/// The same keys for a listener that believes only its own tickets: who has shown another listener what that one demands
/// of clients has shown this one nothing, although the server name may be the same.
#[derive(Debug)]
pub(crate) struct Scoped {
    keys: Arc<dyn ProducesTickets>,
    scope: [u8; 8],
}

impl Scoped {
    /// Tickets that count wherever the same is demanded, which `scope` tells from all else.
    pub(crate) fn new(keys: &Arc<dyn ProducesTickets>, scope: u64) -> Self {
        Self { keys: Arc::clone(keys), scope: scope.to_be_bytes() }
    }
}

impl ProducesTickets for Scoped {
    fn enabled(&self) -> bool {
        self.keys.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.keys.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.keys.encrypt(&[&self.scope, plain].concat())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let mut plain = self.keys.decrypt(cipher)?;
        if !plain.starts_with(&self.scope) {
            return None;
        }
        plain.drain(..self.scope.len());
        Some(plain)
    }
}

/// What the provider makes is shared, what the rotator wants is owned.
#[derive(Debug)]
struct Shared(Arc<dyn ProducesTickets>);

impl ProducesTickets for Shared {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(cipher)
    }
}
