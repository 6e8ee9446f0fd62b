use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use tempfile::TempDir;

use super::Browser;

/// An empty folder to run the binary in, with a clean environment.
pub struct Workplace {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// The server as a process of its own.
pub struct Process {
    pub base: String,
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
    logs: Arc<Mutex<Vec<u8>>>,
}

impl Workplace {
    pub fn new(variables: &[(&str, &str)]) -> Self {
        // A stop waits for the connections that browsers keep.
        let mut workplace = Self {
            folder: tempfile::tempdir().unwrap(),
            variables: vec![("SHUTDOWN_TIMEOUT".into(), "1s".into())],
        };
        for (name, value) in variables {
            workplace.set(name, value);
        }
        workplace
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(set, _)| set != name);
        self.variables.push((name.into(), value.into()));
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub fn sqlite_url(&self) -> String {
        format!("sqlite://{}", self.path("handstamp.db").display())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_handstamp"), arguments)
    }

    fn command_of(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to completion, with `input` on its standard input. One that serves instead of
    /// refusing to start is stopped after a minute, with exit status 124.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut limited = vec!["--foreground", "60", env!("CARGO_BIN_EXE_handstamp")];
        limited.extend(arguments);
        let mut child = self
            .command_of("timeout", &limited)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs a command that can write no file longer than this.
    pub fn run_with_file_size(&self, arguments: &[&str], bytes: u64) -> Output {
        let script = format!("trap '' XFSZ; exec prlimit --fsize={bytes}: \"$0\" \"$@\"");
        let mut command = self.shell_command(&script);
        command.args(arguments).output().unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, "")
    }

    /// Starts the server on a free port.
    pub fn serve(&self) -> Process {
        Self::wait_for(Self::start(self.command(&[])))
    }

    /// Starts the server on a listener that it inherits, as from systemd's socket activation.
    pub fn serve_on(&self, listener: &TcpListener) -> Process {
        let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\"";
        let mut command = self.shell_command(script);
        let listener = OwnedFd::from(listener.try_clone().unwrap());
        command.stdin(Stdio::from(listener));
        Self::wait_for(Self::start(command))
    }

    /// Starts the server with a limit of open files.
    pub fn serve_with_open_files(&self, limit: u32) -> Process {
        Self::wait_for(self.start_with_open_files(limit))
    }

    pub fn start_with_open_files(&self, limit: u32) -> Child {
        Self::start(self.shell_command(&format!("ulimit -n {limit} && exec \"$0\"")))
    }

    /// Starts the server so that it outlives [`Process::limit_file_size`].
    pub fn serve_despite_limits(&self) -> Process {
        Self::wait_for(Self::start(self.shell_command("trap '' XFSZ; exec \"$0\"")))
    }

    /// The server, started by a shell.
    fn shell_command(&self, script: &str) -> Command {
        self.command_of("/bin/sh", &["-c", script, env!("CARGO_BIN_EXE_handstamp")])
    }

    /// Starts a command that is no server, to be killed or to be told to stop.
    pub fn start_command(&self, arguments: &[&str]) -> Child {
        Self::start(self.command(arguments))
    }

    fn start(mut command: Command) -> Child {
        command
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Waits until the server prints where it listens.
    fn wait_for(mut child: Child) -> Process {
        let mut first_line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut first_line).unwrap();
        let Some(base) = first_line.trim_end().strip_prefix("listening on ") else {
            let output = child.wait_with_output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            panic!("no address but {first_line:?}; {errors}");
        };
        // Keep reading, so that the server never blocks on its output.
        let stderr = child.stderr.take().unwrap();
        let (said, logs) = (Arc::default(), Arc::default());
        keep(stdout, &said);
        keep(stderr, &logs);
        Process {
            base: base.to_owned(),
            child,
            said,
            logs,
        }
    }
}

/// The output of a command that must succeed.
pub fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The error of a command that must fail with this exit status.
pub fn failed(output: &Output, status: i32) -> String {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Reads `from` to its end, into `kept`.
fn keep(mut from: impl Read + Send + 'static, kept: &Arc<Mutex<Vec<u8>>>) {
    let kept = kept.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            kept.lock().unwrap().extend_from_slice(&buffer[..read]);
        }
    });
}

impl Process {
    /// What it has told a newcomer to try.
    pub fn said(&self) -> String {
        for _ in 0..500 {
            let said = String::from_utf8(self.said.lock().unwrap().clone()).unwrap();
            if said.contains("The API, to browse") {
                return said;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it told nothing to try");
    }

    pub fn browser(&self) -> Browser {
        Browser::new(&self.base)
    }

    /// What it has logged so far.
    pub fn logs(&self) -> String {
        String::from_utf8(self.logs.lock().unwrap().clone()).unwrap()
    }

    /// Where it serves its metrics.
    pub fn metrics_address(&self) -> String {
        let before = "metrics at http://";
        self.wait_for_log(before);
        let logs = self.logs();
        let (_, address) = logs.split_once(before).unwrap();
        address.split('/').next().unwrap().to_owned()
    }

    /// Waits until it has logged `text`.
    pub fn wait_for_log(&self, text: &str) {
        for _ in 0..500 {
            if self.logs().contains(text) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("never logged {text:?}: {}", self.logs());
    }

    /// Limits the size of files that it can write; "unlimited" lifts the limit.
    pub fn limit_file_size(&self, size: &str) {
        let id = self.child.id().to_string();
        let limit = format!("--fsize={size}:");
        let done = Command::new("prlimit")
            .args(["--pid", &id, &limit])
            .status();
        assert!(done.unwrap().success());
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Kills it at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it with SIGTERM and waits; returns its exit status.
    pub fn stop(self) -> Option<i32> {
        self.signal("TERM");
        self.wait()
    }

    /// Waits until it has stopped; returns its exit status.
    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
