use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// Debian's Postfix, which hands on every mail to another mail server.
pub struct Postfix {
    folder: TempDir,
    /// Where it offers STARTTLS.
    pub port: u16,
    /// Where TLS begins with the first byte.
    pub tls_port: u16,
}

impl Postfix {
    /// Starts one that has this certificate.
    pub fn start(next_port: u16, certificate: &Path, key: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        // Its parts run as other users.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for part in ["etc", "queue", "data"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        let main = format!(
            "compatibility_level = 3.6
queue_directory = {path}/queue
data_directory = {path}/data
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.app.example
mydestination =
mynetworks =
local_recipient_maps =
alias_maps =
smtpd_peername_lookup = no
relay_domains = example.com
relayhost = [127.0.0.1]:{next_port}
smtp_tls_security_level = none
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{
    {{refused@example.com = 550 5.1.1 nobody of this name}},
    {{deferred@example.com = 450 4.2.1 come back later}}}}
smtpd_tls_cert_file = {}
smtpd_tls_key_file = {}
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
",
            certificate.display(),
            key.display()
        );
        let [port, tls_port] = free_ports();
        let services = format!(
            "127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{tls_port} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"
        );
        fs::write(folder.path().join("etc/main.cf"), main).unwrap();
        fs::write(folder.path().join("etc/master.cf"), services).unwrap();
        let data = folder.path().join("data");
        assert!(as_root(&["chown", "postfix", data.to_str().unwrap()]));
        let postfix = Self {
            folder,
            port,
            tls_port,
        };
        postfix.go();
        postfix
    }

    /// Starts it again.
    pub fn go(&self) {
        assert!(self.control("start"), "Postfix does not start");
    }

    pub fn stop(&self) {
        assert!(self.control("stop"), "Postfix does not stop");
    }

    fn path(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    fn control(&self, command: &str) -> bool {
        let settings = self.path("etc");
        as_root(&["postfix", "-c", settings.to_str().unwrap(), command])
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.control("stop");
        for part in ["queue", "data"] {
            as_root(&["rm", "-rf", self.path(part).to_str().unwrap()]);
        }
    }
}

/// Postfix starts as root alone.
fn as_root(command: &[&str]) -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    });
    let sudo: &[&str] = if is_root { &[] } else { &["sudo", "-n"] };
    let whole = [sudo, command].concat();
    let done = Command::new(whole[0])
        .args(&whole[1..])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    done.unwrap().success()
}

fn free_ports() -> [u16; 2] {
    let listeners = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
