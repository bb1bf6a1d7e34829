//! How many connections the process's descriptors allow.

use super::Limits;

/// Raises the soft limit on descriptors to the hard one and returns the number of connections that
/// fits below it. Running out of descriptors would hit the database pool and the log as well, so
/// the connections take the rest of the limit and never the whole.
pub(super) fn connection_cap(limits: &Limits) -> usize {
    let wanted = limits.max_connections.clamp(1, tokio::sync::Semaphore::MAX_PERMITS);
    let Some(descriptors) = raise_descriptor_limit() else {
        tracing::info!(connections = wanted, "accepting connections");
        return wanted;
    };
    let cap = fit(wanted, descriptors, limits.descriptor_reserve);
    if cap < wanted {
        tracing::warn!(
            connections = cap,
            wanted,
            descriptors,
            "accepting fewer connections than configured; raise the limit on open files \
             (`ulimit -n`, systemd `LimitNOFILE=`) to allow more"
        );
    } else {
        tracing::info!(connections = cap, descriptors, "accepting connections");
    }
    cap
}

/// A limit smaller than the reserve still leaves a quarter of itself to connections: a slow
/// service is more use than one that accepts nobody.
fn fit(wanted: usize, descriptors: usize, reserve: usize) -> usize {
    let left = descriptors.saturating_sub(reserve).max(descriptors / 4);
    wanted.min(left).max(1)
}

#[cfg(unix)]
fn raise_descriptor_limit() -> Option<usize> {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => usize::try_from(limit).ok(),
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit on open files");
            let (soft, _hard) = rlimit::getrlimit(rlimit::Resource::NOFILE).ok()?;
            usize::try_from(soft).ok()
        }
    }
}

/// Sockets are not counted among a process's descriptors elsewhere.
#[cfg(not(unix))]
fn raise_descriptor_limit() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn connections_never_take_every_descriptor() {
        assert_eq!(fit(10_000, 256, 128), 128);
        assert_eq!(fit(10_000, 100, 128), 25);
        assert_eq!(fit(10_000, 1, 128), 1);
        assert_eq!(fit(10_000, 65_536, 128), 10_000);
    }
}
