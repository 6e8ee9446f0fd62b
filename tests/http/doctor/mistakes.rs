//! Mistakes in the configurations of `deploy/`, and the checks that name them.

use crate::helpers::ProxyKind;

/// Texts of a configuration, each with what stands there instead.
pub type Changes = &'static [(&'static str, &'static str)];

pub struct Mistake {
    pub case: &'static str,
    nginx: Changes,
    caddy: Changes,
    nginx_fails: &'static str,
    caddy_fails: &'static str,
}

impl Mistake {
    pub fn changes(&self, kind: ProxyKind) -> Changes {
        match kind {
            ProxyKind::Nginx => self.nginx,
            ProxyKind::Caddy => self.caddy,
        }
    }

    /// The check that fails.
    pub fn fails(&self, kind: ProxyKind) -> &'static str {
        match kind {
            ProxyKind::Nginx => self.nginx_fails,
            ProxyKind::Caddy => self.caddy_fails,
        }
    }
}

pub const MISTAKES: [Mistake; 9] = [
    Mistake {
        case: "plain http",
        nginx: &[(
            "return 301",
            "proxy_set_header Host $http_host;
             proxy_set_header X-Forwarded-For $remote_addr;
             proxy_set_header X-Forwarded-Proto $scheme;
             location / { proxy_pass http://handstamp; }
             #",
        )],
        caddy: &[(
            "\nhttps://localhost",
            "\nhttp://localhost {\nbind 127.0.0.1\nreverse_proxy NODES\n}\nhttps://localhost",
        )],
        nginx_fails: "https",
        caddy_fails: "https",
    },
    Mistake {
        case: "a cache that stores",
        nginx: &[
            (
                "upstream handstamp",
                "proxy_cache_path cache keys_zone=stored:1m;\nupstream handstamp",
            ),
            (
                "proxy_http_version 1.1;",
                "proxy_http_version 1.1; proxy_cache stored; proxy_cache_valid any 1m;
                 proxy_ignore_headers Cache-Control Set-Cookie;",
            ),
        ],
        // It has no cache; this lets those after it store.
        caddy: &[(
            "transport http {",
            "header_down Cache-Control \"public, max-age=60\"\ntransport http {",
        )],
        nginx_fails: "cache",
        caddy_fails: "no_store",
    },
    Mistake {
        case: "cookie flags stripped",
        nginx: &[(
            "proxy_http_version 1.1;",
            "proxy_http_version 1.1; proxy_cookie_flags ~ nosecure nohttponly nosamesite;",
        )],
        // With nothing in their place, Caddy removes the header.
        caddy: &[(
            "transport http {",
            "header_down Set-Cookie \"; (HttpOnly|SameSite=Lax|Secure)\" \"; Priority=Low\"
             transport http {",
        )],
        nginx_fails: "cookie_flags",
        caddy_fails: "cookie_flags",
    },
    Mistake {
        case: "Host rewritten",
        nginx: &[("Host $http_host;", "Host $proxy_host;")],
        caddy: &[(
            "transport http {",
            "header_up Host {upstream_hostport}\ntransport http {",
        )],
        nginx_fails: "host",
        caddy_fails: "host",
    },
    Mistake {
        case: "Origin dropped",
        nginx: &[(
            "proxy_http_version 1.1;",
            "proxy_http_version 1.1; proxy_set_header Origin \"\";",
        )],
        caddy: &[("transport http {", "header_up -Origin\ntransport http {")],
        nginx_fails: "cross_site",
        caddy_fails: "cross_site",
    },
    Mistake {
        case: "the offer to bind a session dropped",
        nginx: &[(
            "proxy_http_version 1.1;",
            "proxy_http_version 1.1; proxy_hide_header Secure-Session-Registration;",
        )],
        caddy: &[(
            "transport http {",
            "header_down -Secure-Session-Registration\ntransport http {",
        )],
        nginx_fails: "device_bound_sessions",
        caddy_fails: "device_bound_sessions",
    },
    Mistake {
        case: "the answer of a device dropped",
        nginx: &[(
            "proxy_http_version 1.1;",
            "proxy_http_version 1.1; proxy_set_header Secure-Session-Response \"\";",
        )],
        caddy: &[(
            "transport http {",
            "header_up -Secure-Session-Response\ntransport http {",
        )],
        nginx_fails: "device_bound_sessions",
        caddy_fails: "device_bound_sessions",
    },
    Mistake {
        case: "Sec-Fetch-Site dropped",
        nginx: &[(
            "proxy_http_version 1.1;",
            "proxy_http_version 1.1; proxy_set_header Sec-Fetch-Site \"\";",
        )],
        caddy: &[(
            "transport http {",
            "header_up -Sec-Fetch-Site\ntransport http {",
        )],
        nginx_fails: "cross_site",
        caddy_fails: "cross_site",
    },
    Mistake {
        case: "compression of API responses",
        nginx: &[
            (
                "gzip_types text/css",
                "gzip_types application/json text/css",
            ),
            ("gzip_min_length 1000;", "gzip_min_length 1;"),
        ],
        caddy: &[(
            "header Content-Type text/html*",
            "header Content-Type text/html*\nheader Content-Type application/json*",
        )],
        nginx_fails: "api_compression",
        caddy_fails: "api_compression",
    },
];
