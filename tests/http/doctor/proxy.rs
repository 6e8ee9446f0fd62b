//! A real nginx or Caddy with TLS, in front of servers of a test.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Nginx,
    Caddy,
}

/// What is written into the configuration of a proxy that is else as it should be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mistake {
    /// For the place where headers and connections to the servers are set.
    pub nginx: &'static str,
    pub caddy: &'static str,
    /// For the place around it, of the whole site.
    pub nginx_site: &'static str,
    pub caddy_site: &'static str,
    /// Whether plain http serves the site, instead of leading to https.
    pub plain_http: bool,
}

/// A running proxy.
pub struct Proxy {
    child: Child,
    folder: TempDir,
    http: u16,
}

impl Proxy {
    /// Starts one in front of the servers at these addresses (`http://…`).
    pub fn start(program: Program, servers: &[&str], mistake: Mistake) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (http, https) = (free_port(), free_port());
        make_certificate(&folder);
        let servers: Vec<_> = servers
            .iter()
            .map(|base| base.strip_prefix("http://").unwrap())
            .collect();
        let path = folder.path().to_str().unwrap();
        let (program, config, arguments) = match program {
            Program::Nginx => {
                let config = nginx(path, (http, https), &servers, mistake);
                ("nginx", config, ["-p", path, "-e", "stderr", "-c"].to_vec())
            }
            Program::Caddy => {
                let config = caddy(path, (http, https), &servers, mistake);
                (
                    "caddy",
                    config,
                    ["run", "--adapter", "caddyfile", "--config"].to_vec(),
                )
            }
        };
        let file = folder.path().join("config");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .arg(file)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", path)
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; scripts/test installs it"));
        let proxy = Self {
            child,
            folder,
            http,
        };
        proxy.wait_for(https);
        proxy.wait_for(http);
        proxy
    }

    /// Where it speaks plain http.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.http)
    }

    /// Whom to trust, to trust its certificate.
    pub fn certificate(&self) -> String {
        let file = self.folder.path().join("certificate");
        file.to_str().unwrap().to_owned()
    }

    fn wait_for(&self, port: u16) {
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = std::fs::read_to_string(self.folder.path().join("log"));
        panic!("the proxy never listened: {log:?}");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The workers of nginx end with a master that was asked to.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &id]).status();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A certificate for `localhost` that vouches for itself.
fn make_certificate(folder: &TempDir) {
    let made = Command::new("openssl")
        .current_dir(folder.path())
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args([
            "-nodes",
            "-keyout",
            "key",
            "-out",
            "certificate",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

fn nginx(folder: &str, (http, https): (u16, u16), servers: &[&str], mistake: Mistake) -> String {
    let Mistake {
        nginx, nginx_site, ..
    } = mistake;
    let servers: String = servers
        .iter()
        .map(|server| format!("server {server};"))
        .collect();
    let set = |name: &str, value: &str| {
        if nginx.contains(name) {
            String::new()
        } else {
            format!("proxy_set_header {name} {value};")
        }
    };
    let (host, forwarded) = (
        set("Host", "$http_host"),
        set("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
    );
    let site = format!(
        "{nginx_site}
         location / {{
             proxy_pass http://handstamp;
             proxy_http_version 1.1;
             proxy_set_header Connection \"\";
             {host}
             {forwarded}
             proxy_set_header X-Forwarded-Proto $scheme;
             {nginx}
         }}"
    );
    let plain = if mistake.plain_http {
        site.clone()
    } else {
        format!("return 308 https://localhost:{https}$request_uri;")
    };
    // As root, workers that are not could not reach the folder.
    format!(
        "daemon off; user root; worker_processes 1; pid {folder}/pid;
         events {{ worker_connections 256; }}
         http {{
             access_log off;
             client_body_temp_path {folder}/body;
             proxy_temp_path {folder}/proxy;
             fastcgi_temp_path {folder}/fastcgi;
             uwsgi_temp_path {folder}/uwsgi;
             scgi_temp_path {folder}/scgi;
             proxy_cache_path {folder}/cache keys_zone=stored:1m;
             upstream handstamp {{ {servers} keepalive 4; keepalive_timeout 5s; }}
             server {{ listen 127.0.0.1:{http}; {plain} }}
             server {{
                 listen 127.0.0.1:{https} ssl;
                 ssl_certificate {folder}/certificate;
                 ssl_certificate_key {folder}/key;
                 {site}
             }}
         }}"
    )
}

fn caddy(folder: &str, (http, https): (u16, u16), servers: &[&str], mistake: Mistake) -> String {
    let Mistake {
        caddy, caddy_site, ..
    } = mistake;
    let servers = servers.join(" ");
    let site = format!(
        "{caddy_site}
         reverse_proxy {servers} {{
             lb_policy round_robin
             {caddy}
         }}"
    );
    let plain = if mistake.plain_http {
        site.clone()
    } else {
        format!("redir https://localhost:{https}{{uri}} 308")
    };
    format!(
        "{{
             admin off
             auto_https off
             storage file_system {folder}/storage
         }}
         http://localhost:{http} {{
             bind 127.0.0.1
             {plain}
         }}
         https://localhost:{https} {{
             bind 127.0.0.1
             tls {folder}/certificate {folder}/key
             {site}
         }}"
    )
}
