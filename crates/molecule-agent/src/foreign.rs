//! The way to peers' own addresses. It has nothing of the platform: no token, no tenant, no proxy.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use molecule_transport::{Clock, ForeignTransport, Logged, Transport, TransportError};

/// The transport to strangers. It is set up when it is first needed, because reading certificates takes its time.
pub(crate) struct Foreign {
    pub(crate) allow_private: bool,
    ca_file: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    transport: OnceLock<Arc<dyn Transport>>,
}

impl Foreign {
    pub(crate) fn new(
        allow_private: bool,
        ca_file: Option<PathBuf>,
        clock: Arc<dyn Clock>,
        given: Option<Arc<dyn Transport>>,
    ) -> Self {
        let transport = OnceLock::new();
        if let Some(given) = given {
            let _ = transport.set(given);
        }
        Self {
            allow_private,
            ca_file,
            clock,
            transport,
        }
    }

    pub(crate) fn transport(&self) -> Result<&Arc<dyn Transport>, TransportError> {
        if let Some(transport) = self.transport.get() {
            return Ok(transport);
        }
        let mut builder = ForeignTransport::builder()
            .with_local_addresses(self.allow_private)
            .with_clock(Arc::clone(&self.clock));
        if let Some(path) = &self.ca_file {
            builder = builder.with_ca_file(path);
        }
        let built = Logged::new(builder.build()?, Arc::clone(&self.clock));
        Ok(self.transport.get_or_init(|| Arc::new(built)))
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign")
            .field("allow_private", &self.allow_private)
            .finish_non_exhaustive()
    }
}
