//! nginx and Caddy in front of an application, with TLS, as the guide's page sets them up: its very lines, with the
//! ports, the certificate and the address of this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::net::TcpStream;

use crate::{
    app::App,
    certificate,
    process::{Process, free_port},
};

/// The page that has the snippets.
pub const PAGE: &str = include_str!("../../runtime/docs/behind-a-proxy.md");

/// What the page calls the application, which is somewhere else here.
const APPLICATION: &str = "127.0.0.1:3000";

static PROXIES: AtomicU32 = AtomicU32::new(0);

/// A proxy that runs; it ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    // Before its directory, which goes when it has ended.
    _process: Process,
    _directory: Directory,
    port: u16,
}

#[derive(Debug)]
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The page's first block in this language.
pub fn snippet(language: &str) -> String {
    let (_, rest) = PAGE.split_once(&format!("```{language}\n")).expect("a block in that language");
    rest.split_once("```").expect("a block's end").0.to_owned()
}

/// Something else in place of what must be there.
pub fn replace(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "`{old}` in:\n{text}");
    text.replace(old, new)
}

impl Proxy {
    /// nginx with this `server`, and what belongs beside it.
    pub async fn nginx(server: &str, app: &App) -> Self {
        Self::start(async |directory, port| {
            let (certificate, key) = certificate::make(directory);
            let server = replace(server, APPLICATION, &app.address().to_string());
            let server = replace(&server, "listen 443 ", &format!("listen 127.0.0.1:{port} "));
            let server =
                replace(&server, "/etc/ssl/app.example.com.pem", certificate.to_str().expect("a path"));
            let server = replace(&server, "/etc/ssl/app.example.com.key", key.to_str().expect("a path"));
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|of| format!("{of}_temp_path {of};"))
                .join("\n");
            let whole = format!(
                "daemon off; master_process off; pid nginx.pid; error_log stderr crit;\n\
                 events {{}}\nhttp {{\naccess_log off;\n{temporary}\n{server}}}\n"
            );
            fs::write(directory.join("nginx.conf"), whole).expect("a file that is written");
            let mut nginx =
                Command::new(if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" });
            nginx.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(directory);
            nginx
        })
        .await
    }

    /// Caddy with this site.
    pub async fn caddy(site: &str, app: &App) -> Self {
        Self::start(async |directory, port| {
            let (certificate, key) = certificate::make(directory);
            let site = replace(site, APPLICATION, &app.address().to_string());
            let tls = format!("tls {} {}", certificate.display(), key.display());
            let here = format!("https://127.0.0.1:{port} {{\n\t{tls}");
            let site = replace(&site, "app.example.com {", &here);
            let whole = format!(
                "{{\n\tadmin off\n\tauto_https disable_redirects\n\tdefault_sni localhost\n}}\n{site}"
            );
            fs::write(directory.join("Caddyfile"), whole).expect("a file that is written");
            let mut caddy = Command::new("caddy");
            caddy.args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"]).current_dir(directory);
            caddy.env("HOME", directory).env("XDG_DATA_HOME", directory).env("XDG_CONFIG_HOME", directory);
            caddy.stderr(Stdio::null());
            caddy
        })
        .await
    }

    async fn start(command: impl AsyncFn(&Path, u16) -> Command) -> Self {
        let number = PROXIES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("proxy-of-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory of this test's own");
        let directory = Directory(path);
        loop {
            let port = free_port();
            let mut process =
                Process::start(command(&directory.0, port).await.stdin(Stdio::null()).stdout(Stdio::null()));
            let begun = process.answer(async || TcpStream::connect(("127.0.0.1", port)).await.ok()).await;
            // Else somebody was faster on that port.
            if begun.is_some() {
                return Self { _process: process, _directory: directory, port };
            }
        }
    }

    /// As a browser knows it.
    pub fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }
}
