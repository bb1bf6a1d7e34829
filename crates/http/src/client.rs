//! Who sent a request, as far as the network tells.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{Extensions, HeaderMap, header, request::Parts},
};
use doorward_app::Ctx;
use doorward_domain::{Device, Origin};
use ipnet::IpNet;
use secrecy::SecretString;

use crate::{HttpState, request_id::RequestId};

/// Longest `User-Agent` that is kept, in octets.
const USER_AGENT_MAX_OCTETS: usize = 512;

/// The client's address: the peer's, unless the peer is a trusted proxy. Then it is the right-most
/// address of `X-Forwarded-For` that is not one of the trusted proxies; what stands further left was
/// written by whoever wanted to.
pub(crate) fn address(
    extensions: &Extensions,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> Option<IpAddr> {
    let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    let mut client = peer.ip().to_canonical();
    let is_trusted = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip));
    let forwarded = headers.get_all("x-forwarded-for").iter().rev();
    let mut hops = forwarded.flat_map(|value| value.to_str().unwrap_or("?").rsplit(','));
    while is_trusted(client) {
        match hops.next().and_then(parse_hop) {
            Some(hop) => client = hop,
            None => break,
        }
    }
    Some(client)
}

fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let ip = hop
        .parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|address| address.ip()))
        .or_else(|_| hop.trim_matches(['[', ']']).parse::<Ipv6Addr>().map(IpAddr::from));
    ip.ok().map(|ip| ip.to_canonical())
}

/// Extracts the device that signs in.
pub(crate) struct FromDevice(pub Device);

impl FromRequestParts<HttpState> for FromDevice {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, http: &HttpState) -> Result<Self, Infallible> {
        let ip = address(&parts.extensions, &parts.headers, &http.settings.trusted_proxies);
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| {
            let text = value.to_str().ok()?;
            Some(text[..text.floor_char_boundary(USER_AGENT_MAX_OCTETS)].to_owned())
        });
        Ok(Self(Device { ip: ip.map(|ip| ip.to_string()), user_agent }))
    }
}

/// What a device sends back of its last sign-in, as a header of its own or as a cookie.
const DEVICE_TOKEN: &str = "device_token";

/// Extracts the device token, whatever it is; the header goes before the cookie.
pub(crate) struct FromKnownDevice(pub Option<SecretString>);

impl FromRequestParts<HttpState> for FromKnownDevice {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, Infallible> {
        Ok(Self(device_token(&parts.headers).map(SecretString::from)))
    }
}

fn device_token(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get("x-device-token") {
        return value.to_str().ok();
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|it| it.split_once('='));
    pairs.find(|(name, _)| name.trim() == DEVICE_TOKEN).map(|(_, value)| value.trim())
}

/// Extracts the context of use cases, which knows where this request came from: for those that write.
pub(crate) struct Asked(pub Arc<Ctx>);

impl FromRequestParts<HttpState> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, http: &HttpState) -> Result<Self, Infallible> {
        let FromDevice(device) = FromDevice::from_request_parts(parts, http).await?;
        let request_id = parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned());
        Ok(Self(Arc::new(http.ctx.asked_from(Origin { device, request_id }))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 1234)));
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        address(&extensions, &headers, &trusted).unwrap().to_string()
    }

    #[test]
    fn a_device_token_comes_as_a_header_or_as_a_cookie() {
        let token = |headers: &[(&'static str, &str)]| {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            device_token(&headers).map(str::to_owned)
        };
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[("cookie", "theme=dark; other_device_token=x")]), None);
        assert_eq!(token(&[("cookie", "theme=dark; device_token=t; a=b")]).as_deref(), Some("t"));
        assert_eq!(token(&[("x-device-token", "t")]).as_deref(), Some("t"));
        let both = [("cookie", "device_token=c"), ("x-device-token", "h")];
        assert_eq!(token(&both).as_deref(), Some("h"));
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"], &[]), "192.0.2.1");
        assert_eq!(client("192.0.2.1", &["198.51.100.7"], &["10.0.0.0/8"]), "192.0.2.1");
    }

    #[test]
    fn behind_trusted_proxies_the_right_most_untrusted_hop_is_the_client() {
        let trusted = ["10.0.0.0/8", "::1/128"];
        let cases: [(&str, &[&str], &str); 8] = [
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.9.9.9"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            // Without a readable hop the last proxy that is known stands for the client.
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["nonsense, 10.9.9.9"], "10.9.9.9"),
        ];
        for (peer, forwarded, expected) in cases {
            assert_eq!(client(peer, forwarded, &trusted), expected, "{peer} {forwarded:?}");
        }
    }
}
