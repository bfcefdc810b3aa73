//! From names to addresses, and which of them are called.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::{AddressKind, BoxError, BoxFuture};

/// Looks names up.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// The addresses of `name`, which is no address itself.
    ///
    /// # Errors
    ///
    /// Any error that keeps the name from being looked up.
    fn resolve(&self, name: &str) -> BoxFuture<'static, Result<Vec<IpAddr>, BoxError>>;
}

/// The resolver of the operating system. It needs a tokio runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> BoxFuture<'static, Result<Vec<IpAddr>, BoxError>> {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Which addresses may be called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) allow_local: bool,
}

/// No address that a name has may be called.
#[derive(Debug, thiserror::Error)]
#[error("{address} is {kind}")]
pub(crate) struct Forbidden {
    pub(crate) address: IpAddr,
    pub(crate) kind: AddressKind,
}

impl Rule {
    pub(crate) fn check(self, address: IpAddr) -> Result<(), Forbidden> {
        let kind = AddressKind::of(address);
        if kind.is_public() || (self.allow_local && kind.is_local()) {
            return Ok(());
        }
        Err(Forbidden { address, kind })
    }

    /// Those that may be called; the first refusal where there are none.
    fn choose(self, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, BoxError> {
        let mut refusal = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.check(address) {
                Ok(()) => allowed.push(address),
                Err(forbidden) => refusal = refusal.or(Some(forbidden)),
            }
        }
        match refusal {
            _ if !allowed.is_empty() => Ok(allowed),
            Some(forbidden) => Err(forbidden.into()),
            None => Err("the name has no address".into()),
        }
    }
}

/// Gives the HTTP client the addresses that may be called and no other, so that it connects to what was checked.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) names: Arc<dyn Resolve>,
    pub(crate) rule: Rule,
}

impl reqwest::dns::Resolve for Checked {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let (found, rule) = (self.names.resolve(name.as_str()), self.rule);
        Box::pin(async move {
            let allowed = rule.choose(found.await?)?;
            // The port 0 stands for the one in the URL.
            let addresses = allowed.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(allow_local: bool, found: &[&str]) -> Result<Vec<String>, String> {
        let found = found.iter().map(|text| text.parse().unwrap()).collect();
        let chosen = Rule { allow_local }.choose(found);
        chosen
            .map(|all| all.iter().map(ToString::to_string).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_may_be_called_is_handed_on() {
        let check = |allow, found: &[&str], expect: Result<&[&str], &str>| {
            let expect = expect
                .map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())
                .map_err(ToOwned::to_owned);
            assert_eq!(choose(allow, found), expect, "{found:?}");
        };
        check(
            false,
            &["8.8.8.8", "2606:4700::1"],
            Ok(&["8.8.8.8", "2606:4700::1"]),
        );
        check(false, &["10.0.0.1", "8.8.8.8", "::1"], Ok(&["8.8.8.8"]));
        check(false, &["10.0.0.1", "::1"], Err("10.0.0.1 is private"));
        check(false, &[], Err("the name has no address"));
        check(
            true,
            &["10.0.0.1", "::1", "fe80::1"],
            Ok(&["10.0.0.1", "::1", "fe80::1"]),
        );
        check(
            true,
            &["169.254.169.254"],
            Err("169.254.169.254 is a cloud's metadata service"),
        );
        check(true, &["0.0.0.0"], Err("0.0.0.0 is unspecified"));
    }
}
