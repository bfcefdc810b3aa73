//! Calls to addresses that strangers chose.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE, HeaderName, PROXY_AUTHORIZATION};
use reqwest::Url;

use crate::reqwest_transport::{Client, base_client, built};
use crate::resolve::{Checked, Forbidden, Rule};
use crate::{
    BoxFuture, Clock, Deadline, Request, Resolve, Response, SystemClock, SystemResolver, Target,
    Transport, TransportError, tls,
};

/// Sends requests to addresses that strangers chose, such as the one that a peer reports.
///
/// * A name is looked up once per connection, and the connection goes to an address that passed the rule: by default
///   only [public](crate::AddressKind::Public) ones, in whatever spelling.
/// * No proxy is asked, no redirect is followed (it is the answer), and no connection is kept.
/// * A request that carries credentials, or has them in its address, is refused before it is sent, unless
///   [`with_owners_credentials`](ForeignBuilder::with_owners_credentials) allows those that the address's owner gave out.
/// * The limits, waits and the deadline are those of the call's [`CallOptions`](crate::CallOptions).
///
/// It adds nothing to a request but its `User-Agent`, and shares nothing with the transport to the platform. It needs
/// a tokio runtime.
#[derive(Clone)]
pub struct ForeignTransport(Arc<Deadline<Sender>>);

/// Settings of a [`ForeignTransport`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ForeignBuilder {
    allow_local: bool,
    owners_credentials: bool,
    ca_file: Option<PathBuf>,
    system_roots: bool,
    names: Arc<dyn Resolve>,
    clock: Option<Arc<dyn Clock>>,
}

impl ForeignBuilder {
    /// Says whether this machine and the networks around it may be called too. Default: false. Metadata services,
    /// multicast, unspecified and reserved addresses may not in any case.
    pub fn with_local_addresses(mut self, allow: bool) -> Self {
        self.allow_local = allow;
        self
    }

    /// Says whether requests may carry `Authorization`. Default: false. It is for credentials that whoever chose the address gave
    /// along with it, such as those of a webhook; the platform's never belong here.
    pub fn with_owners_credentials(mut self, allow: bool) -> Self {
        self.owners_credentials = allow;
        self
    }

    /// Trusts the CA certificates of a PEM file as well.
    pub fn with_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Says whether the roots of the system are trusted. Default: true.
    pub fn with_system_roots(mut self, trust: bool) -> Self {
        self.system_roots = trust;
        self
    }

    /// Sets what looks names up. Default: a [`SystemResolver`].
    pub fn with_resolver(mut self, names: Arc<dyn Resolve>) -> Self {
        self.names = names;
        self
    }

    /// Sets the clock that the waits are measured by. Default: a [`SystemClock`].
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Reads the certificates and sets up the client.
    ///
    /// # Errors
    ///
    /// [`TransportError::CaFile`] if the CA file is not usable. A machine without certificates is no error until https
    /// is called.
    pub fn build(self) -> Result<ForeignTransport, TransportError> {
        let rule = Rule {
            allow_local: self.allow_local,
        };
        let tls = tls::configure(self.system_roots, self.ca_file.as_deref())?;
        let names = Checked {
            names: self.names,
            rule,
        };
        let client = base_client(&tls)
            .no_proxy()
            .dns_resolver(names)
            .pool_max_idle_per_host(0);
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let sender = Sender {
            rule,
            owners_credentials: self.owners_credentials,
            client: Client::new(built(client)?, tls.no_roots, clock.clone()),
        };
        Ok(ForeignTransport(Arc::new(Deadline::new(sender, clock))))
    }
}

impl ForeignTransport {
    /// A transport with the default settings.
    ///
    /// # Errors
    ///
    /// As [`ForeignBuilder::build`].
    pub fn new() -> Result<Self, TransportError> {
        Self::builder().build()
    }

    /// A transport with settings of your own.
    pub fn builder() -> ForeignBuilder {
        ForeignBuilder {
            allow_local: false,
            owners_credentials: false,
            ca_file: None,
            system_roots: true,
            names: Arc::new(SystemResolver),
            clock: None,
        }
    }
}

impl Transport for ForeignTransport {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        self.0.send(request)
    }
}

impl fmt::Debug for ForeignTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignTransport").finish_non_exhaustive()
    }
}

/// The transport below the deadline.
struct Sender {
    rule: Rule,
    owners_credentials: bool,
    client: Client,
}

impl Sender {
    async fn checked(&self, request: Request) -> Result<Response, TransportError> {
        self.check_credentials(&request)?;
        self.check_literal(&request)?;
        self.client.send(request).await
    }

    fn check_credentials(&self, request: &Request) -> Result<(), TransportError> {
        let target = || Target::of(request);
        let carries = |name: &HeaderName| request.headers().contains_key(name);
        let others = [PROXY_AUTHORIZATION, COOKIE].iter().any(carries);
        if others || (carries(&AUTHORIZATION) && !self.owners_credentials) {
            return Err(TransportError::ForeignBearer { target: target() });
        }
        let authority = request.uri().authority();
        if authority.is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(TransportError::Url {
                target: target(),
                source: "the address contains a user name or password".into(),
            });
        }
        Ok(())
    }

    /// An address in the URL needs no lookup, so the resolver does not see it. The client reads `0x7f.1` as an address
    /// too; it is looked at here as the client reads it.
    fn check_literal(&self, request: &Request) -> Result<(), TransportError> {
        let url = Url::parse(&request.uri().to_string()).map_err(|error| TransportError::Url {
            target: Target::of(request),
            source: error.into(),
        })?;
        match literal(&url).map(|address| self.rule.check(address)) {
            Some(Err(forbidden)) => Err(forbidden_address(Target::of(request), &forbidden)),
            _ => Ok(()),
        }
    }
}

impl Transport for Sender {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(self.checked(request))
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok()
}

/// The error of an address that may not be called.
pub(crate) fn forbidden_address(target: Target, forbidden: &Forbidden) -> TransportError {
    TransportError::ForbiddenAddress {
        target,
        address: forbidden.address,
        kind: forbidden.kind,
    }
}
