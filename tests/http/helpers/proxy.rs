use std::{
    fs,
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::Browser;

const NGINX: &str = include_str!("../../../deploy/nginx.conf");
const CADDY: &str = include_str!("../../../deploy/Caddyfile");
/// Another process may take a port that was free a moment ago.
const TRIES: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    Nginx,
    Caddy,
}

/// A proxy that speaks https, with the configuration in `deploy/` and a certificate of its own.
pub struct Proxy {
    /// With https.
    pub base: String,
    /// With http.
    pub plain: String,
    child: Child,
    folder: TempDir,
}

impl Proxy {
    /// In front of these nodes, named as `http://127.0.0.1:5000`.
    pub fn start(kind: ProxyKind, nodes: &[&str]) -> Self {
        Self::start_changed(kind, nodes, &[])
    }

    /// With these texts of the configuration replaced. In new texts for Caddy, `NODES` stands for the
    /// addresses of the nodes.
    pub fn start_changed(kind: ProxyKind, nodes: &[&str], changes: &[(&str, &str)]) -> Self {
        let nodes: Vec<&str> = nodes
            .iter()
            .map(|node| node.strip_prefix("http://").unwrap())
            .collect();
        for _ in 0..TRIES {
            let folder = tempfile::tempdir().unwrap();
            make_certificate(folder.path());
            let (plain, https) = (free_port(), free_port());
            let place = Place {
                folder: folder.path(),
                plain,
                https,
            };
            let mut child = match kind {
                ProxyKind::Nginx => nginx(&place, &nodes, changes),
                ProxyKind::Caddy => caddy(&place, &nodes, changes),
            };
            if is_listening(&mut child, https) {
                return Self {
                    base: format!("https://localhost:{https}"),
                    plain: format!("http://localhost:{plain}"),
                    child,
                    folder,
                };
            }
        }
        panic!("{kind:?} does not start");
    }

    /// The certificate, for clients that trust no other.
    pub fn certificate(&self) -> String {
        path(self.folder.path(), "cert.pem")
    }

    pub fn browser(&self) -> Browser {
        self.browser_at(Ipv4Addr::LOCALHOST.into())
    }

    /// A browser with this address.
    pub fn browser_at(&self, address: IpAddr) -> Browser {
        Browser::over_https(&self.base, address)
    }
}

/// Where a proxy has its files and listens.
struct Place<'a> {
    folder: &'a Path,
    plain: u16,
    https: u16,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // nginx leaves its workers behind when it is killed.
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-s", "TERM", &id]).status();
        let _ = self.child.wait();
    }
}

fn nginx(place: &Place, nodes: &[&str], changes: &[(&str, &str)]) -> Child {
    let Place {
        folder,
        plain,
        https,
    } = *place;
    let servers: String = nodes
        .iter()
        .map(|node| format!("server {node} fail_timeout=1s;"))
        .collect();
    let site = replaced(
        NGINX,
        &[
            ("server 127.0.0.1:5000 fail_timeout=1s;", &servers),
            ("listen 80;", &format!("listen 127.0.0.1:{plain};")),
            ("listen [::]:80;", ""),
            ("listen 443 ", &format!("listen 127.0.0.1:{https} ")),
            ("listen [::]:443 ssl http2;", ""),
            (
                "/etc/ssl/app.example.pem",
                path(folder, "cert.pem").as_str(),
            ),
            ("/etc/ssl/app.example.key", path(folder, "key.pem").as_str()),
            ("https://app.example", &format!("https://localhost:{https}")),
            ("app.example", "localhost"),
        ],
    );
    fs::write(folder.join("site.conf"), replaced(&site, changes)).unwrap();
    // Its workers would be another user, who cannot enter the folder.
    let user = match fs::metadata(folder).unwrap().uid() {
        0 => "user root;",
        _ => "",
    };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|what| format!("{what}_temp_path {};", path(folder, what)))
        .concat();
    let main = format!(
        "{user} daemon off; pid {}; worker_processes 1; events {{ worker_connections 1024; }}
         http {{ access_log off; {temporary} include site.conf; }}",
        path(folder, "pid"),
    );
    let file = folder.join("nginx.conf");
    fs::write(&file, main).unwrap();
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-p"]).arg(folder);
    spawn(command.arg("-c").arg(file))
}

fn caddy(place: &Place, nodes: &[&str], changes: &[(&str, &str)]) -> Child {
    let Place {
        folder,
        plain,
        https,
    } = *place;
    let site = format!(
        "\nhttps://localhost:{https} {{\n\tbind 127.0.0.1\n\ttls {} {}",
        path(folder, "cert.pem"),
        path(folder, "key.pem")
    );
    let proxied = format!("reverse_proxy {} {{", nodes.join(" "));
    // Which the file says is for several.
    let left_out = match nodes.len() {
        1 => "#fail_duration",
        _ => "fail_duration",
    };
    let sites = replaced(
        CADDY,
        &[
            ("\napp.example {", &*site),
            ("reverse_proxy 127.0.0.1:5000 {", &proxied),
            ("#fail_duration", left_out),
        ],
    );
    let options = format!(
        "{{\n admin off\n skip_install_trust\n http_port {plain}\n \
         storage file_system {}\n}}\n",
        path(folder, "caddy")
    );
    let file = folder.join("Caddyfile");
    let sites = replaced(&sites, changes).replace("NODES", &nodes.join(" "));
    fs::write(&file, options + &sites).unwrap();
    let mut command = Command::new("caddy");
    command.env("HOME", folder).args(["run", "--adapter"]);
    spawn(command.arg("caddyfile").arg("--config").arg(file))
}

fn path(folder: &Path, file: &str) -> String {
    let path: PathBuf = folder.join(file);
    path.to_str().unwrap().to_owned()
}

/// The text with each of these in place of what is there.
fn replaced(text: &str, replacements: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in replacements {
        assert!(text.contains(from), "no {from:?} to replace");
        text = text.replace(from, to);
    }
    text
}

fn make_certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        // rustls takes no authority's certificate for a server's.
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(folder.join("key.pem"))
        .arg("-out")
        .arg(folder.join("cert.pem"))
        .output()
        .expect("openssl is installed by scripts/test");
    assert!(made.status.success(), "{made:?}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Debian keeps servers out of a user's PATH.
fn spawn(command: &mut Command) -> Child {
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
    command
        .env("PATH", path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nginx and Caddy are installed by scripts/test")
}

fn is_listening(child: &mut Child, port: u16) -> bool {
    for _ in 0..500 {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}
