//! From names to addresses, and which of them are called.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::{fmt, io, thread};

use tokio::sync::{Semaphore, oneshot};

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

/// The look-ups of the whole process: strangers choose the names, and with them how long each look-up holds its thread.
static LOOK_UPS: Semaphore = Semaphore::const_new(8);

/// The resolver of the operating system.
///
/// The system looks names up on a thread that cannot be interrupted: it ends when the system's resolver gives up, even
/// if nobody waits any more. So there are at most 8 such threads in a process, and who comes then waits for one of them
/// to end. How long anybody waits is up to the caller; the transports allow a call its
/// [`connect`](crate::Timeouts::connect) limit for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> BoxFuture<'static, Result<Vec<IpAddr>, BoxError>> {
        let name = name.to_owned();
        Box::pin(on_a_thread(&LOOK_UPS, move || look_up(&name)))
    }
}

fn look_up(name: &str) -> io::Result<Vec<IpAddr>> {
    let found = (name, 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

/// Waits for room and then for the look-up, which takes the room until it ends. The thread is none of the runtime's, so
/// that a program can end before the system gives up.
async fn on_a_thread(
    room: &'static Semaphore,
    look_up: impl FnOnce() -> io::Result<Vec<IpAddr>> + Send + 'static,
) -> Result<Vec<IpAddr>, BoxError> {
    let place = room.acquire().await?;
    let (answer, answered) = oneshot::channel();
    let thread = thread::Builder::new().name("name-lookup".to_owned());
    thread.spawn(move || {
        // Whoever asked may be gone.
        let _ = answer.send(look_up());
        drop(place);
    })?;
    Ok(answered.await??)
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
    use std::sync::mpsc;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn look_ups_that_stall_take_no_more_threads_than_there_is_room_for() {
        static ROOM: Semaphore = Semaphore::const_new(2);
        let mut stalled = Vec::new();
        for _ in 0..5 {
            let (end, ended) = mpsc::channel::<()>();
            stalled.push(end);
            let look_up = move || {
                let _ = ended.recv();
                Ok(Vec::new())
            };
            let impatient = on_a_thread(&ROOM, look_up).now_or_never();
            assert!(impatient.is_none());
        }
        assert_eq!(ROOM.available_permits(), 0);
        let at_once = stalled.iter().filter(|end| end.send(()).is_ok()).count();
        assert_eq!(at_once, 2);
        let address: IpAddr = "8.8.8.8".parse().unwrap();
        let patient = on_a_thread(&ROOM, move || Ok(vec![address])).await;
        assert_eq!(patient.unwrap(), [address]);
    }

    #[tokio::test]
    async fn the_system_knows_the_names_of_this_machine() {
        let found = SystemResolver.resolve("localhost").await.unwrap();
        let is_local = |address: &IpAddr| address.is_loopback();
        assert!(!found.is_empty() && found.iter().all(is_local), "{found:?}");
    }

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
